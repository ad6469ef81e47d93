"""A loss that is no number ends training at once, before a checkpoint can be spoiled."""

import math
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor


class StopOnNonFinite(Callback):
    """Stops when the loss is NaN or infinite, naming the step, the examples of the batch and the last checkpoint.

    On an accelerator the loss of a step is looked at during the next one, so that the device need not wait.
    """

    def __init__(self) -> None:
        self._waiting: tuple[Tensor, int, int] | None = None

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Look at the loss of the step before: in time, as checkpoints are written after this."""
        if self._waiting is None:
            return
        (loss, epoch, position), self._waiting = self._waiting, None
        if math.isfinite(loss.item()):
            return
        batches = trainer.datamodule.batches("train")  # type: ignore[attr-defined]
        batches.set_epoch(epoch)
        indices = ", ".join(map(str, batches[position]))
        raise MisconfigurationException(
            f"the loss is {loss.item()} at step {trainer.global_step} (epoch {epoch}, batch {position}, "
            f"training examples {indices}); the checkpoints in {trainer.default_root_dir} are from before. "
            "A lower learning rate (--model.optimizer.lr) or clipping (--trainer.gradient_clip_val) may help"
        )

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep the loss."""
        if isinstance(outputs, dict) and "loss" in outputs:
            self._waiting = outputs["loss"].detach(), trainer.current_epoch, batch_idx

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look at the last loss of an epoch too."""
        self.on_train_batch_start(trainer, pl_module, None, 0)
