"""Regression: numbers from anything."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection

from datamodules.types import Batch, NumberFacts, Row
from modules.calibration import Compared, IntervalCalibrator
from modules.members import for_each_member, mean_numbers
from modules.metrics import RegressionScores
from modules.nets.building import build_net, run_net
from modules.task import Step, Task


class Regressor(Task[NumberFacts]):
    """Regression of one or several numbers.

    The network learns standardized targets; the loss is in their units, the scores and the predictions are in the
    user's: ``mae`` (mean absolute error), ``rmse`` (root of the mean squared error), ``r2`` (share of the variance
    explained, mean over the targets).

    Args:
        net: Makes the network from the number of inputs (channels, features or words) and the number of targets; it
            maps a batch of inputs to ``(batch, targets)``; an ensemble, to ``(batch, members, targets)``: each member
            has its own loss, and the prediction is their mean.
        loss: Loss between prediction and target, both standardized; the squared error if None. Against outliers:
            ``torch.nn.HuberLoss`` or ``torch.nn.L1Loss``.
        **kwargs: Optimizer, scheduler and the like: see ``modules.task.Task``.
    """

    needs = NumberFacts
    scale: Tensor
    calibration: IntervalCalibrator | None

    def __init__(self, net: Callable[[int, int], nn.Module], loss: nn.Module | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.make_net = net
        self.loss = loss or nn.MSELoss()

    def build(self) -> None:
        """Make the network, and keep the units of the targets."""
        self.targets, self.num_outputs = self.facts.targets, len(self.facts.targets)
        self.register_buffer("scale", torch.tensor(self.facts.target_scale), persistent=False)
        self.net = build_net(self.make_net, self.facts, self.num_outputs)

    def metrics(self) -> MetricCollection:
        """MAE, RMSE, R2."""
        return MetricCollection([RegressionScores(self.num_outputs)])

    def forward(self, inputs: object) -> Tensor:
        """Standardized predictions ``(batch, targets)``; in training, of an ensemble ``(batch, members, targets)``."""
        outputs = run_net(self.net, inputs)
        return outputs if self.training else mean_numbers(outputs)

    def step(self, batch: Batch) -> Step:
        """Loss of ``(inputs, target)``, target ``(batch, targets)``."""
        inputs, target = batch
        assert target is not None
        outputs = self(inputs)
        if self.training:
            return Step(self.loss(*for_each_member(outputs, target)), len(target))
        loss = self.loss(outputs, target)
        # Without the mean: it changes no score, but far from zero it would cost digits.
        preds, truth = outputs.float() * self.scale, target * self.scale
        return Step(loss, len(target), preds, truth, Compared(preds[..., None], truth))

    def predict_step(self, batch: Batch, batch_idx: int) -> list[Row]:
        """The targets in their units: ``prediction``, or ``prediction_NAME`` for each of several.

        With a calibration their interval too: ``lower`` and ``upper``, or ``lower_NAME`` and ``upper_NAME``.
        """
        predicted = self._to_units(self(batch[0]))
        columns = {"prediction": predicted}
        if self.calibration is not None:
            columns["lower"], columns["upper"] = self.calibration.interval(predicted[..., None])
        each = [self._rows(numbers, name) for name, numbers in columns.items()]
        return [{name: x for row in rows for name, x in row.items()} for rows in zip(*each, strict=True)]

    def calibrator(self, coverage: float) -> IntervalCalibrator:
        """An interval for each target, in its units."""
        return IntervalCalibrator(coverage, [self.num_outputs])

    def truth(self, batch: Batch) -> list[Row]:
        """The targets in their units: ``truth``, or ``truth_NAME`` for each of several."""
        assert batch.target is not None
        return self._rows(self._to_units(batch.target), "truth")

    def score_rows(self, rows: Sequence[Row]) -> dict[str, float]:
        """``mae``, ``rmse`` and ``r2``."""
        preds, truth = (
            torch.tensor([[row[name] for name in self._columns(of)] for row in rows], dtype=torch.float64)
            for of in ("prediction", "truth")
        )
        scores, shift = RegressionScores(self.num_outputs), truth.mean(0)
        scores.update(preds - shift, truth - shift)
        return {name: float(value) for name, value in scores.compute().items()}

    def _columns(self, name: str) -> list[str]:
        return [name] if self.num_outputs == 1 else [f"{name}_{target}" for target in self.targets]

    def _to_units(self, standardized: Tensor) -> Tensor:
        # In double precision: far from zero, single precision would cost digits.
        scale, mean = (torch.tensor(n, dtype=torch.float64) for n in (self.facts.target_scale, self.facts.target_mean))
        return standardized.float().cpu().double() * scale + mean  # (batch, targets)

    def _rows(self, numbers: Tensor, name: str) -> list[Row]:
        names, of = self._columns(name), zip(self.facts.target_mean, self.facts.target_scale, strict=True)
        digits = [9 + max(0, round(math.log10(max(abs(mean) / scale, 1)))) for mean, scale in of]
        return [
            {name: float(f"{x:.{n}g}") for name, x, n in zip(names, row, digits, strict=True)}
            for row in numbers.tolist()
        ]
