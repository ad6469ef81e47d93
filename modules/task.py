"""What every task has in common: the loop, the mean of the loss, the metrics, the optimizer."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Generic, Literal, NamedTuple, Self

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.callbacks import BatchSizeFinder, GradientAccumulationScheduler
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable, ReduceLROnPlateau
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torchmetrics import MeanMetric, Metric, MetricCollection
from typing_extensions import TypeVar

from datamodules.types import Batch, Facts, Row
from modules.accumulation import WholeBatch
from modules.calibration import Calibrator, Compared
from modules.distributed import gather, release, shard, update_uncounted
from modules.faults import told
from modules.metrics.common import directions
from modules.nets.loading import PretrainedNet
from modules.optimisation import Schedule, parameter_groups

F = TypeVar("F", bound=Facts, default=Any)


class Step(NamedTuple):
    """What a task makes of a batch.

    Attributes:
        loss: Mean loss of the batch, a scalar.
        size: Number of terms in that mean (examples, tokens), or the sum of their weights: what the batch weighs in
            the mean of a whole split, and in an optimizer step over several batches or processes.
        preds: What the metrics compare with ``target``; None in training, where nothing is scored.
        target: The truth.
        compared: What a calibration of the task compares; None if it has none, and in training.
    """

    loss: Tensor
    size: int | Tensor
    preds: Any = None
    target: Any = None
    compared: Compared | None = None


class Task(LightningModule, ABC, Generic[F]):
    """Base of all tasks. A subclass says which facts it ``needs`` and writes ``build``, ``metrics``, ``step`` and
    ``predict_step``.

    Args:
        optimizer: Makes the optimizer from the parameters.
        scheduler: Makes the learning-rate scheduler from the optimizer; a constant rate if None.
        interval: Whether the scheduler goes on after every ``step`` or every ``epoch``; if None, after every step for
            those of ``modules.optimisation``, which plan the whole training, and after every epoch for others.
        decay_all: Whether weight decay also pulls on norms, biases and embeddings.
    """

    needs: type[F]
    facts: F
    # Scores that follow from the mean loss, by name; the less the better.
    of_loss: ClassVar[dict[str, Callable[[Tensor], Tensor]]] = {}

    def __init__(
        self,
        optimizer: OptimizerCallable = lambda parameters: torch.optim.AdamW(parameters, lr=1e-3),
        scheduler: LRSchedulerCallable | None = None,
        interval: Literal["step", "epoch"] | None = None,
        decay_all: bool = True,
    ) -> None:
        super().__init__()
        self.optimizer, self.scheduler, self.interval, self.decay_all = optimizer, scheduler, interval, decay_all
        self.restored = False  # whether a checkpoint brings the weights
        self.built = self.tried = False
        self.whole_batch = WholeBatch()
        self.directions: dict[str, bool | None] = {}  # whether more is better of each validation score
        self.calibration: Calibrator | None = None  # of the weights as they are, if they were calibrated

    # ---- what a subclass writes

    @abstractmethod
    def build(self) -> None:
        """Make the network from ``self.facts``. Called once."""

    def metrics(self) -> MetricCollection:
        """The scores, by their names without ``val/`` or ``test/``. Called after ``build``."""
        return MetricCollection({})

    @abstractmethod
    def step(self, batch: Any) -> Step:
        """Loss and, unless ``self.training``, what the metrics compare."""

    @abstractmethod
    def predict_step(self, batch: Any, batch_idx: int) -> list[Row]:
        """One row of named columns for each example of the batch."""

    def truth(self, batch: Any) -> list[Row] | None:
        """What is true of each example of a batch, named as ``predict_step`` names what is predicted; None if unknown.

        With it the predictions of the test split can be kept, and those of several models scored together.
        """
        return None

    def score_rows(self, rows: Sequence[Row]) -> dict[str, float]:
        """The scores of predictions of any models of this kind, from the rows of ``predict_step`` and ``truth`` joined.

        Args:
            rows: One for each example.
        """
        return {}

    def calibrator(self, coverage: float) -> Calibrator | None:
        """Makes what learns on the validation split how far predictions can be trusted; None if nothing does.

        Args:
            coverage: Share of the truths that sets of classes, or intervals, are to hold.
        """
        return None

    # ---- what all of them share

    @classmethod
    def check_pair(cls, makes: type[Facts], data: str) -> None:
        """Refuse data whose facts are not those that the task needs.

        Args:
            makes: The facts that the data makes.
            data: Its name, for the message.

        Raises:
            MisconfigurationException: If they are others.
        """
        if not issubclass(makes, cls.needs):
            raise MisconfigurationException(
                f"{cls.__name__} needs {cls.needs.what}, and {data} has {makes.what}: pair this task with other data"
            )

    def use(self, facts: Facts, data: str = "the data", restored: bool = False) -> None:
        """Take the facts that the network is built from.

        Args:
            facts: What the data learned.
            data: Name of the data, for messages.
            restored: Whether a checkpoint brings the weights, so that no pretrained ones need to be loaded.
        """
        self.check_pair(type(facts), data)
        self.facts, self.restored = facts, restored  # type: ignore[assignment]

    def configure_model(self) -> None:
        """Build the network and the metrics, once; sharded strategies call this where they want it built."""
        if self.built:
            return
        if self._trainer is not None:
            data = self.trainer.datamodule  # type: ignore[attr-defined]
            self.use(data.facts, type(data).__name__, data.restored)
        with told("the network cannot be made"):
            self.build()
            for module in [] if self.restored else list(self.modules()):
                if isinstance(module, PretrainedNet):
                    module.load_pretrained()
        if self.device_mesh is not None:  # ModelParallelStrategy
            shard(self, self.device_mesh)
        # NaN stays NaN; by default it is left out (and "disable" forgets the sizes, as of torchmetrics 1.9).
        self.val_loss, self.test_loss = (MeanMetric(nan_strategy=math.nan) for _ in range(2))
        self.val_metrics = self.metrics().clone(prefix="val/")
        self.test_metrics = self.metrics().clone(prefix="test/")
        less = dict.fromkeys(("val/loss", *(f"val/{name}" for name in self.of_loss)), False)
        self.directions = {**less, **directions(self.val_metrics)}
        self.built = True

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Move or convert the network; scores are moved only, for a sum in bfloat16 stops growing at 256 terms."""
        scores = {name: child for name, child in self.named_children() if isinstance(child, Metric | MetricCollection)}
        for name in scores:
            delattr(self, name)
        super().to(*args, **kwargs)
        for name, score in scores.items():
            setattr(self, name, score.to(self.device))
        return self

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Take weights.

        Raises:
            MisconfigurationException: If they are those of another network; it names the tensors.
        """
        try:
            return super().load_state_dict(state_dict, strict, assign)
        except (RuntimeError, AttributeError, TypeError) as error:
            here = {name: tuple(value.shape) for name, value in self.state_dict().items()}
            there = {name: tuple(getattr(value, "shape", ())) for name, value in state_dict.items()}
            other = [name for name in sorted(here.keys() | there.keys()) if here.get(name) != there.get(name)]
            if not other:
                raise MisconfigurationException(f"the weights cannot be used: {str(error).splitlines()[-1]}") from error
            shown = [f"{name} {there.get(name, 'missing')} instead of {here.get(name, 'none')}" for name in other[:3]]
            more = f" and {len(other) - 3} more" if len(other) > 3 else ""
            raise MisconfigurationException(
                f"the checkpoint holds the weights of another network: {', '.join(shown)}{more}; "
                "leave the options of the network as they were trained"
            ) from error

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Loss of a batch, logged every ``log_every_n_steps`` steps."""
        output = self._tried_step(batch)
        # On small networks logging costs as much as the step, so nothing is logged that is not written.
        if (self.global_step + 1) % self.trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            self.log("train/loss", output.loss, prog_bar=True)
        return self.whole_batch.weigh(output.loss, output.size, batch_idx, self.trainer)

    def _tried_step(self, batch: object) -> Step:
        if self.tried:
            return self.step(batch)
        # A network that does not go with the data, or its options with each other, fails at once or never.
        with told(f"{type(self).__name__} cannot use the first batch", AttributeError, LookupError):
            output: object = self.step(batch)
        if not isinstance(output, Step) or not isinstance(output.loss, Tensor) or output.loss.ndim:
            raise MisconfigurationException(
                f"{type(self).__name__}.step has to return modules.task.Step(loss, size, preds, target) with a mean "
                f"loss, a scalar; it returned {_kind(output.loss) if isinstance(output, Step) else _kind(output)}"
            )
        self.tried = True
        return output

    def on_after_backward(self) -> None:
        """Make the gradient of accumulated batches that of the whole."""
        self.whole_batch.finish(self.parameters(), self.trainer.accumulate_grad_batches)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep what the batches accumulated so far weigh, and the calibration."""
        if self.trainer.accumulate_grad_batches > 1:
            checkpoint["whole_batch"] = self.whole_batch.state_dict()
        if self.calibration is not None:
            checkpoint["calibration"] = self.calibration.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take it up; training leaves the calibration to who calibrates again."""
        if "whole_batch" in checkpoint:
            self.whole_batch.load_state_dict(checkpoint["whole_batch"])
        if self.trainer.state.fn != "fit":
            self.take_calibration(checkpoint)

    def take_calibration(self, checkpoint: Mapping[str, Any]) -> None:
        """Take up the calibration that a checkpoint has, or has not.

        Raises:
            MisconfigurationException: If it is that of another task.
        """
        state, self.calibration = checkpoint.get("calibration"), None
        if state is None:
            return
        coverage = state.get("coverage") if isinstance(state, dict) else None
        found = self.calibrator(coverage) if isinstance(coverage, float) else None
        if found is None:
            raise MisconfigurationException(f"the checkpoint has a calibration that is none of a {type(self).__name__}")
        found.load_state_dict(state)
        self.calibration = found

    def validation_step(self, batch: Any, batch_idx: int) -> Step | None:  # type: ignore[override]
        """Update the validation metrics."""
        if self.trainer.sanity_checking and batch_idx == 0:
            self._try_predict_step(batch)
        return self._evaluate(batch, batch_idx, "val", self.val_loss, self.val_metrics)

    def _try_predict_step(self, batch: object) -> None:
        # Own code is tried before it is trained for hours; that of this package is tested.
        if type(self).predict_step.__module__.partition(".")[0] == __name__.partition(".")[0]:
            return
        try:
            rows = self.predict_step(batch._replace(target=None) if isinstance(batch, Batch) else batch, 0)
        except NotImplementedError:
            return
        check_rows(rows, self)

    def test_step(self, batch: Any, batch_idx: int) -> Step | None:  # type: ignore[override]
        """Update the test metrics."""
        return self._evaluate(batch, batch_idx, "test", self.test_loss, self.test_metrics)

    def _evaluate(
        self, batch: object, batch_idx: int, split: str, loss: MeanMetric, metrics: MetricCollection
    ) -> Step | None:
        output = self._tried_step(batch)
        # Batches beyond are examples of another process, there to keep all processes in step.
        if batch_idx >= self.trainer.datamodule.counted[split]:  # type: ignore[attr-defined]
            update_uncounted(metrics, output.preds, output.target)
            return None
        loss.update(output.loss, output.size)
        if len(metrics):
            metrics.update(output.preds, output.target)
        if self.calibration is not None and output.compared is not None:
            self.calibration.update(output.compared)
        return output

    def on_validation_start(self) -> None:
        """Score the same network on all processes: each has its own running statistics (batch norm) in training."""
        gather(self)
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
        mean, stage = loss.compute(), name.removesuffix("loss")
        scores = {name: mean, **{stage + other: follow(mean) for other, follow in self.of_loss.items()}}
        scores |= metrics.compute()
        if metrics is self.val_metrics:
            self.directions |= directions(metrics, computed=True)
        if self.calibration is not None:
            scores |= {stage + other: score for other, score in self.calibration.scores(self.device).items()}
            self.directions |= {stage + other: better for other, better in self.calibration.better.items()}
        loss.reset()
        metrics.reset()
        # Every process has computed the same values: their maximum is each of them, to the last bit.
        self.log_dict(scores, sync_dist=True, reduce_fx="max", prog_bar=True)

    def configure_optimizers(self) -> Any:
        """Optimizer and scheduler, wired as Lightning expects them."""
        with told("the optimizer cannot be made"):  # an option out of range, or parameters that it cannot train
            optimizer = self.optimizer(parameter_groups(self, self.decay_all))
        if isinstance(optimizer, torch.optim.LBFGS) and self.trainer.accumulate_grad_batches > 1:
            raise MisconfigurationException(
                "LBFGS computes the loss of a batch several times a step, so it cannot accumulate batches: "
                "leave trainer.accumulate_grad_batches at 1"
            )
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] = group["lr"] * group["rate"]
        if self.scheduler is None:
            return optimizer
        with told("the scheduler cannot be made"):
            scheduler = self.scheduler(optimizer)
            interval = self.interval or ("step" if isinstance(scheduler, Schedule) else "epoch")
            if isinstance(scheduler, Schedule):
                scheduler.plan(self._num_steps() if interval == "step" else self.trainer.max_epochs or -1)
        wiring: dict[str, Any] = {"scheduler": scheduler, "interval": interval}
        if isinstance(scheduler, ReduceLROnPlateau):
            # There is no score before the first validation; ``lr_scheduler_step`` knows when there is a new one.
            wiring |= {"monitor": scheduler.monitor, "strict": False}
        return {"optimizer": optimizer, "lr_scheduler": wiring}

    def on_fit_start(self) -> None:
        """Plan the schedule anew if a callback has looked for the size of batches."""
        if not any(isinstance(callback, BatchSizeFinder) for callback in self.trainer.callbacks):  # type: ignore[attr-defined]
            return
        for config in self.trainer.lr_scheduler_configs:
            if isinstance(config.scheduler, Schedule) and config.interval == "step":
                config.scheduler.plan(self._num_steps())

    def on_test_start(self) -> None:
        """Have the whole network on all processes: also for whoever writes down what was learned."""
        gather(self)

    on_predict_start = on_train_end = on_test_start

    def on_validation_end(self) -> None:
        """Go on with this process's part of the network, and note that there are new scores."""
        release(self)
        self.new_scores = not self.trainer.sanity_checking

    def lr_scheduler_step(self, scheduler: Any, metric: object) -> None:
        """Let a scheduler on a plateau look at each validation once, whether it goes by steps or by epochs."""
        if isinstance(scheduler, ReduceLROnPlateau):
            if not self.new_scores:
                return
            self.new_scores = False
        super().lr_scheduler_step(scheduler, metric)

    def _num_steps(self) -> int:
        """Optimizer steps of the whole training, -1 if it has no end.

        Lightning's ``estimated_stepping_batches`` makes the training loader, which is too early: the state of a
        checkpoint is not loaded yet, so an epoch that was half done would begin anew.
        """
        trainer = self.trainer
        epochs, steps = trainer.max_epochs or -1, trainer.max_steps
        if epochs < 0:
            return steps
        planned = (c for c in trainer.callbacks if isinstance(c, GradientAccumulationScheduler))  # type: ignore[attr-defined]
        accumulate = next(
            (c.get_accumulate_grad_batches for c in planned), lambda epoch: trainer.accumulate_grad_batches
        )
        total: int = trainer.datamodule.num_steps(epochs, accumulate, trainer.limit_train_batches)  # type: ignore[attr-defined]
        return total if steps < 0 else min(total, steps)


def check_rows(rows: object, task: LightningModule) -> None:
    """Refuse what is not a row for each example of a batch.

    Raises:
        MisconfigurationException: If it is anything else.
    """
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise MisconfigurationException(
            f"{type(task).__name__}.predict_step has to return a list of rows, a dictionary of named columns for each "
            f"example; it returned {_kind(rows)}"
        )


def _kind(value: object) -> str:
    shape = f" of shape {list(value.shape)}" if isinstance(value, Tensor) else ""
    inside = f" of {type(value[0]).__name__}" if isinstance(value, list) and value else ""
    return f"a {type(value).__name__}{shape}{inside}"
