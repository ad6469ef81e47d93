"""When to look at evaluated batches, and when to show what was seen."""

from abc import ABC, abstractmethod
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger


class EvaluationFigures(Callback, ABC):
    """Base of the callbacks that show in TensorBoard what they saw in the batches of validation and test.

    That is after validation every ``every_n_epochs`` epochs and in the last one, and after a test.
    """

    every_n_epochs: int

    @abstractmethod
    def see(self, trainer: Trainer, pl_module: Any, output: Any, batch: Any) -> None:
        """Look at a batch and what the task made of it."""

    @abstractmethod
    def show(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        """Show what was seen, if anything was, and forget it; ``stage`` is ``val`` or ``test``."""

    def wanted(self, trainer: Trainer) -> bool:
        """Whether to look at the batches."""
        if trainer.sanity_checking or not isinstance(trainer.logger, TensorBoardLogger):
            return False
        epoch = trainer.current_epoch + 1
        return trainer.state.fn != "fit" or epoch % self.every_n_epochs == 0 or epoch == trainer.max_epochs

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *args: Any
    ) -> None:
        """Look."""
        if outputs is not None and self.wanted(trainer):
            self.see(trainer, pl_module, outputs, batch)

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *args: Any
    ) -> None:
        """Look."""
        if outputs is not None and self.wanted(trainer):
            self.see(trainer, pl_module, outputs, batch)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show."""
        self.show(trainer, pl_module, "val")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show."""
        self.show(trainer, pl_module, "test")
