"""What every task has in common: the loop, the mean of the loss, the metrics, the optimizer."""

import math
from abc import ABC, abstractmethod
from typing import Any, Literal, NamedTuple

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable, ReduceLROnPlateau
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torchmetrics import MeanMetric, MetricCollection

from modules.distributed import shard, update_uncounted
from modules.nets.loading import weights_come_later
from modules.optimisation import Schedule, parameter_groups

Row = dict[str, Any]


class Step(NamedTuple):
    """What a task makes of a batch.

    Attributes:
        loss: Mean loss of the batch, a scalar.
        size: Number of terms in that mean (examples, tokens), which weighs it in the mean of a whole split.
        preds: What the metrics compare with ``target``; None in training, where nothing is scored.
        target: The truth.
    """

    loss: Tensor
    size: int | Tensor
    preds: Any = None
    target: Any = None


class Task(LightningModule, ABC):
    """Base of all tasks. A subclass writes ``build``, ``metrics``, ``step`` and ``predict_step``.

    Args:
        optimizer: Makes the optimizer from the parameters.
        scheduler: Makes the learning-rate scheduler from the optimizer; a constant rate if None.
        interval: Whether the scheduler goes on after every ``step`` or every ``epoch``.
        decay_all: Whether weight decay also pulls on norms, biases and embeddings.
    """

    def __init__(
        self,
        optimizer: OptimizerCallable,
        scheduler: LRSchedulerCallable | None = None,
        interval: Literal["step", "epoch"] = "epoch",
        decay_all: bool = True,
    ) -> None:
        super().__init__()
        self.optimizer, self.scheduler, self.interval, self.decay_all = optimizer, scheduler, interval, decay_all
        self.data: LightningDataModule | None = None
        self.built = False

    # ---- what a subclass writes

    @abstractmethod
    def build(self) -> None:
        """Make the network from the facts (``self.fact(name)``). Called once."""

    def metrics(self) -> MetricCollection:
        """The scores, by their names without ``val/`` or ``test/``. Called after ``build``."""
        return MetricCollection({})

    @abstractmethod
    def step(self, batch: Any) -> Step:
        """Loss and, unless ``self.training``, what the metrics compare."""

    @abstractmethod
    def predict_step(self, batch: Any, batch_idx: int) -> list[Row]:
        """One row of named columns for each example of the batch."""

    # ---- what all of them share

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, as a module does."""
        # The trainer sets this one, the name of the hook at hand, some fifty times a step; a module's way takes long.
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def fact(self, name: str) -> Any:
        """A fact that the datamodule learned from the training split.

        Raises:
            MisconfigurationException: If the datamodule has no such fact.
        """
        data = self.data or self.trainer.datamodule  # type: ignore[attr-defined]
        value = getattr(data, name, None)
        if value is None:
            raise MisconfigurationException(
                f"{type(self).__name__} needs the fact `{name}`, which {type(data).__name__} does not have: "
                "pair this task with another kind of data"
            )
        return value

    def configure_model(self) -> None:
        """Build the network and the metrics, once; sharded strategies call this where they want it built."""
        if self.built:
            return
        data = self.data or self.trainer.datamodule  # type: ignore[attr-defined]
        with weights_come_later(getattr(data, "restored", False)):
            self.build()
        for module in list(self.modules()):
            if hasattr(module, "use_facts"):  # a network that needs to know more than the sizes
                module.use_facts(self.fact)  # type: ignore[operator]
        if self.device_mesh is not None:  # ModelParallelStrategy
            shard(self, self.device_mesh)
        self.val_loss, self.test_loss = MeanMetric(), MeanMetric()
        self.val_metrics = self.metrics().clone(prefix="val/")
        self.test_metrics = self.metrics().clone(prefix="test/")
        self.built = True

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Loss of a batch, logged every ``log_every_n_steps`` steps."""
        loss = self.step(batch).loss
        # On small networks logging costs as much as the step, so nothing is logged that is not written.
        if (self.global_step + 1) % self.trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> Step | None:  # type: ignore[override]
        """Update the validation metrics."""
        return self._evaluate(batch, batch_idx < self._counted("val"), self.val_loss, self.val_metrics)

    def test_step(self, batch: Any, batch_idx: int) -> Step | None:  # type: ignore[override]
        """Update the test metrics."""
        return self._evaluate(batch, batch_idx < self._counted("test"), self.test_loss, self.test_metrics)

    def _counted(self, split: str) -> float:
        # Batches beyond are examples of another process, there to keep all processes in step.
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        return data.counted[split] if hasattr(data, "counted") else float("inf")

    def _evaluate(self, batch: Any, counts: bool, loss: MeanMetric, metrics: MetricCollection) -> Step | None:
        output = self.step(batch)
        if not counts:
            update_uncounted(metrics, output.preds, output.target)
            return None
        loss.update(output.loss, output.size)
        if len(metrics):
            metrics.update(output.preds, output.target)
        return output

    def on_validation_start(self) -> None:
        """Score the same network on all processes: each has its own running statistics (batch norm) in training."""
        if self.trainer.world_size > 1:
            for buffer in self.buffers():
                torch.distributed.broadcast(buffer, 0)

    def on_validation_epoch_start(self) -> None:
        """Forget the sanity check."""
        self.val_loss.reset()
        self.val_metrics.reset()

    def on_validation_epoch_end(self) -> None:
        """Log ``val/loss`` and the validation metrics."""
        self._report("val/loss", self.val_loss, self.val_metrics)

    def on_test_epoch_end(self) -> None:
        """Log ``test/loss`` and the test metrics."""
        self._report("test/loss", self.test_loss, self.test_metrics)

    def _report(self, name: str, loss: MeanMetric, metrics: MetricCollection) -> None:
        scores = {name: loss.compute(), **metrics.compute()}
        loss.reset()
        metrics.reset()
        # Every process has computed the same values: their maximum is each of them, to the last bit.
        self.log_dict(scores, sync_dist=True, reduce_fx="max", prog_bar=True)

    def configure_optimizers(self) -> Any:
        """Optimizer and scheduler, wired as Lightning expects them."""
        try:
            optimizer = self.optimizer(parameter_groups(self, self.decay_all))
        except ValueError as error:  # an option out of range, or parameters that this optimizer cannot train
            raise MisconfigurationException(f"the optimizer cannot be made: {error}") from error
        for group in optimizer.param_groups:
            group["lr"] = group["lr"] * group["rate"]
        if self.scheduler is None:
            return optimizer
        scheduler = self.scheduler(optimizer)
        if isinstance(scheduler, Schedule):
            scheduler.plan(self._num_steps() if self.interval == "step" else self.trainer.max_epochs or -1)
        wiring: dict[str, Any] = {"scheduler": scheduler, "interval": self.interval}
        if isinstance(scheduler, ReduceLROnPlateau):
            wiring["monitor"] = scheduler.monitor
        return {"optimizer": optimizer, "lr_scheduler": wiring}

    def _num_steps(self) -> int:
        """Optimizer steps of the whole training, -1 if it has no end.

        Lightning's ``estimated_stepping_batches`` makes the training loader, which is too early: the state of a
        checkpoint is not loaded yet, so an epoch that was half done would begin anew.
        """
        trainer = self.trainer
        epochs, steps = trainer.max_epochs or -1, trainer.max_steps
        if epochs < 0:
            return steps
        batches, limit = len(trainer.datamodule.batches("train")), trainer.limit_train_batches  # type: ignore[attr-defined]
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
        total = math.ceil(batches / trainer.accumulate_grad_batches) * epochs
        return total if steps < 0 else min(total, steps)
