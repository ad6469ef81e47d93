"""Regression: numbers from anything."""

from collections.abc import Callable
from typing import Literal

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics import MeanAbsoluteError, MeanSquaredError, MetricCollection, R2Score

from modules.task import Row, Step, Task


class Regressor(Task):
    """Predicts one number, or several, for each input.

    The network learns standardized targets; the loss is in their units, the scores and the predictions are in the
    user's: ``mae`` (mean absolute error), ``rmse`` (root of the mean squared error), ``r2`` (share of the variance
    explained, mean over the targets).

    Args:
        net: Makes the network from the number of inputs and the number of targets; it maps ``(batch, inputs)`` to
            ``(batch, targets)``.
        optimizer: Makes the optimizer from the parameters.
        scheduler: Makes the learning-rate scheduler from the optimizer; a constant rate if None.
        interval: Whether the scheduler goes on after every ``step`` or every ``epoch``.
        decay_all: Whether weight decay also pulls on norms, biases and embeddings.
        loss: Loss between prediction and target, both standardized; the squared error if None. Against outliers:
            ``torch.nn.HuberLoss`` or ``torch.nn.L1Loss``.
    """

    scale: Tensor

    def __init__(
        self,
        net: Callable[[int, int], nn.Module],
        optimizer: OptimizerCallable = lambda parameters: torch.optim.AdamW(parameters, lr=1e-3),
        scheduler: LRSchedulerCallable | None = None,
        interval: Literal["step", "epoch"] = "epoch",
        decay_all: bool = True,
        loss: nn.Module | None = None,
    ) -> None:
        super().__init__(optimizer, scheduler, interval, decay_all)
        self.make_net = net
        self.loss = loss or nn.MSELoss()

    def build(self) -> None:
        """Make the network, and keep the units of the targets."""
        self.num_outputs: int = self.fact("num_outputs")
        self.targets: list[str] = self.fact("targets")
        self.mean: list[float] = self.fact("target_mean")
        self.register_buffer("scale", torch.tensor(self.fact("target_scale")), persistent=False)
        self.net = self.make_net(self.fact("num_inputs"), self.num_outputs)

    def metrics(self) -> MetricCollection:
        """MAE, RMSE, R2."""
        return MetricCollection({"mae": MeanAbsoluteError(), "rmse": MeanSquaredError(squared=False), "r2": R2Score()})

    def forward(self, inputs: Tensor) -> Tensor:
        """Standardized predictions ``(batch, targets)``."""
        outputs: Tensor = self.net(inputs)
        return outputs

    def step(self, batch: tuple[Tensor, Tensor]) -> Step:
        """Loss of ``(inputs, target)``, target ``(batch, targets)``."""
        inputs, target = batch
        outputs = self(inputs)
        loss = self.loss(outputs, target)
        if self.training:
            return Step(loss, len(target))
        # Without the mean: it changes no score, but far from zero it would cost digits.
        preds, truth = outputs.float() * self.scale, target * self.scale
        if self.num_outputs == 1:
            preds, truth = preds.flatten(), truth.flatten()
        return Step(loss, len(target), preds, truth)

    def predict_step(self, batch: tuple[Tensor, Tensor | None], batch_idx: int) -> list[Row]:
        """The targets in their units: ``prediction``, or ``prediction_NAME`` for each of several."""
        # In double precision: far from zero, single precision would cost digits.
        outputs = self(batch[0]).float().cpu().double()  # (batch, targets)
        numbers = outputs * self.scale.cpu().double() + torch.tensor(self.mean, dtype=torch.float64)
        names = ["prediction"] if self.num_outputs == 1 else [f"prediction_{name}" for name in self.targets]
        return [dict(zip(names, (float(f"{x:.9g}") for x in row), strict=True)) for row in numbers.tolist()]
