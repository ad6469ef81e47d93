"""Curves of training that no task has to log: learning rate, norm of the gradient, examples a second."""

import time

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.optim import Optimizer
from torch.utils._pytree import tree_leaves


class Curves(Callback):
    """Logs ``train/lr``, ``train/grad_norm`` and ``train/throughput`` as often as the loss.

    The learning rate is the largest of all parameters. The section ``lr`` has it too, beside the smallest where some
    parameters have a smaller one: ``lr/largest`` and ``lr/smallest``.
    The norm is that of the whole gradient, before it is clipped. The throughput counts the examples of all processes
    and the time from step to step, without validation.

    On the board, training and validation loss share a chart (tab "Custom scalars").
    """

    def __init__(self) -> None:
        self._examples, self._seconds = 0, 0.0
        self._last, self._step = 0.0, 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to measure, also within an epoch; say which curves share a chart, once in the life of a run."""
        self._last, self._step = time.perf_counter(), trainer.global_step
        if trainer.ckpt_path is None and isinstance(trainer.logger, TensorBoardLogger) and trainer.is_global_zero:
            chart = {"train and validation": ["Multiline", ["^(train|val)/loss$"]]}
            trainer.logger.experiment.add_custom_scalars({"loss": chart})

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Log what this step is made with."""
        if (trainer.global_step + 1) % trainer.log_every_n_steps:  # type: ignore[attr-defined]
            return
        rates = [float(group["lr"]) for group in optimizer.param_groups]
        points = {"train/lr": max(rates), "lr/largest": max(rates), "train/grad_norm": float(gradient_norm(pl_module))}
        if min(rates) < max(rates):
            points["lr/smallest"] = min(rates)
        for logger in trainer.loggers:  # these are no scores, which a checkpoint keeps
            logger.log_metrics(points, trainer.global_step)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to measure, or go on after a validation."""
        self._last = time.perf_counter()

    on_validation_end = on_train_epoch_start

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Measure."""
        now = time.perf_counter()
        self._examples += num_examples(batch)
        self._seconds += now - self._last
        self._last = now
        if trainer.global_step == self._step:  # of several batches a step
            return
        self._step = trainer.global_step
        if self._step % trainer.log_every_n_steps == 0 and self._seconds > 0:  # type: ignore[attr-defined]
            examples = trainer.world_size * self._examples
            _log_clock(trainer, "train/throughput", examples / self._seconds, self._step - 1)
            self._examples, self._seconds = 0, 0.0


def _log_clock(trainer: Trainer, name: str, value: float, step: int) -> None:
    """Add a point that tells the time; on the board it is no scalar: those are alike in a run that was resumed."""
    for logger in trainer.loggers:
        if not isinstance(logger, TensorBoardLogger):
            logger.log_metrics({name: value}, step)
        elif trainer.is_global_zero:
            logger.experiment.add_scalar(name, value, step, new_style=True)  # shown alike, kept as a tensor


def gradient_norm(module: LightningModule) -> Tensor:
    """Norm of the gradient of all parameters, a scalar."""
    gradients = [
        p.grad.coalesce().values() if p.grad.is_sparse else p.grad for p in module.parameters() if p.grad is not None
    ]
    norm = torch.nn.utils.get_total_norm(gradients)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        from torch.distributed.tensor import DTensor  # half a second

        return norm.full_tensor() if isinstance(norm, DTensor) else norm  # each process has a part of the network
    return norm


def num_examples(batch: object) -> int:
    """How many examples a batch has: the length of its targets, else of its first tensor."""
    target = getattr(batch, "target", None)
    if isinstance(target, Tensor) and target.ndim:
        return len(target)
    return next((len(leaf) for leaf in tree_leaves(batch) if isinstance(leaf, Tensor) and leaf.ndim), 0)
