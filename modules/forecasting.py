"""Forecasting: the next steps of one or more series."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torchmetrics import MetricCollection

from datamodules.types import Batch, Row, SeriesFacts, Window
from modules.calibration import Compared, IntervalCalibrator
from modules.metrics.common import DOUBLE
from modules.metrics.forecasts import ForecastErrors, Forecasts, QuantileScores, Truth, pinball
from modules.nets.forecasting import SeasonalNaive, Sizes
from modules.task import Step, Task

LEAST_SPREAD = 0.1  # deviations of the scaled series, below which one is taken to rest by chance

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"mse": F.mse_loss, "mae": F.l1_loss, "huber": F.huber_loss}


class Forecaster(Task[SeriesFacts]):
    """Forecasting of the next steps of one or more series.

    Scores: ``mse``, ``mae`` and ``rmse`` of the scaled series, as papers report them; ``mae_original``,
    ``rmse_original`` and ``smape`` (0 to 2) in the units of the file; ``mase``, the error as a multiple of that of the
    seasonal naive forecast in training (Hyndman & Koehler 2006), over the series in which that is not 0; with quantiles
    ``coverage`` of the interval between the outermost ones, and ``crps``. ``naive_mse``, ``naive_mae`` and
    ``naive_mase`` are those of the seasonal naive forecast on the same windows. All of them are means over every
    window, step and series of the split.

    Args:
        net: Makes the network from the ``Sizes`` of the data.
        loss: What is minimized, on the scaled series.
        quantiles: Levels to forecast, such as 0.1, 0.5, 0.9: trained by the pinball loss in place of ``loss``; the
            middle one is the forecast.
        **kwargs: Optimizer, scheduler and the like: see ``modules.task.Task``.
    """

    needs = SeriesFacts
    levels: Tensor
    calibration: IntervalCalibrator | None

    def __init__(
        self,
        net: Callable[[Sizes], nn.Module],
        loss: Literal["mse", "mae", "huber"] = "mse",
        quantiles: Sequence[float] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        levels = list(quantiles)
        if levels and (levels != sorted(set(levels)) or not 0 < levels[0] <= levels[-1] < 1):
            raise MisconfigurationException(f"model.quantiles is {levels}; they must rise, between 0 and 1")
        if levels and (len(levels) % 2 == 0 or levels[len(levels) // 2] != 0.5):
            raise MisconfigurationException(f"model.quantiles is {levels}; the middle one must be 0.5, the forecast")
        self.make_net, self.loss, self.quantiles = net, loss, levels

    def build(self) -> None:
        """Make the network, and the seasonal naive forecast that it is compared with."""
        facts = self.facts
        self.targets = facts.targets
        sizes = Sizes(
            targets=len(self.targets),
            past=len(facts.past),
            known=facts.num_known,
            context=facts.context,
            horizon=facts.horizon,
            outputs=max(1, len(self.quantiles)),
            season=facts.season,
        )
        try:
            self.net = self.make_net(sizes)
        except ValueError as error:  # of an option that does not go with the data, such as a segment beyond the context
            raise MisconfigurationException(f"the network cannot be made: {error}") from error
        self.naive = SeasonalNaive(sizes._replace(outputs=1))
        # Of the targets of each series, (series, 1, targets). No buffers: ``precision: bf16-true`` would round them.
        self.mean, self.std = (facts.mean[:, None, : sizes.targets], facts.std[:, None, : sizes.targets])
        self.seasonal_error = facts.seasonal_error[:, None]
        self.register_buffer("levels", torch.tensor(self.quantiles), persistent=False)

    def metrics(self) -> MetricCollection:
        """Errors of the forecast and the naive one; scores of the quantiles if there are any."""
        scores = MetricCollection({"errors": ForecastErrors()}, compute_groups=False)
        if self.quantiles:
            scores.add_metrics({"quantiles": QuantileScores(self.quantiles)})
        return scores

    def forward(self, inputs: Window) -> Tensor:
        """Scaled forecasts ``(batch, horizon, targets, outputs)`` of ``(history, known, series)``."""
        history, known, _ = inputs
        forecast: Tensor = self.net(history, known)
        return forecast

    def to_original(self, scaled: Tensor, series: Tensor) -> Tensor:
        """Bring ``(batch, steps, targets[, outputs])`` back to the units of the file, in double precision."""
        mean, std = self._of(self.mean, series), self._of(self.std, series)
        if scaled.ndim == 4:
            mean, std = mean.unsqueeze(-1), std.unsqueeze(-1)
        values = scaled.to(DOUBLE) * std + mean
        return values.exp() if self.facts.scale == "log" else values

    def _of(self, facts: Tensor, series: Tensor) -> Tensor:
        return facts.to(series.device, DOUBLE)[series]

    def step(self, batch: Batch) -> Step:
        """Loss of ``((history, known, series), target)``, target ``(batch, horizon, targets)``."""
        inputs, target = batch
        assert target is not None
        forecast = self(inputs)
        if self.quantiles:
            loss = pinball(forecast, target, self.levels).mean()
        else:
            loss = LOSSES[self.loss](forecast.squeeze(-1), target)
        if self.training:
            return Step(loss, len(target))
        history, known, series = inputs
        forecast = forecast.float().sort(-1).values  # quantiles must not cross
        naive = self.naive(history, known).squeeze(-1)
        preds = Forecasts(
            forecast,
            self.to_original(forecast, series),
            naive,
            self.to_original(naive, series),
            self._of(self.seasonal_error, series),
        )
        truth = Truth(target, self.to_original(target, series))
        return Step(loss, len(target), preds, truth, Compared(forecast, target, self._spread(history)))

    def calibrator(self, coverage: float) -> IntervalCalibrator:
        """An interval for each step and target, of the scaled series; the wider, the more that moves in the context."""
        return IntervalCalibrator(coverage, [self.facts.horizon, len(self.targets)])

    def _spread(self, history: Tensor) -> Tensor:
        """Standard deviation of each target in the context ``(batch, 1, targets)``."""
        moves = history[..., : len(self.targets)].to(DOUBLE).var(1, correction=0, keepdim=True)
        return (moves + LEAST_SPREAD**2).sqrt()

    def truth(self, batch: Batch) -> list[Row]:
        """``truth`` (horizon x targets), in the units of the file."""
        assert batch.target is not None
        return [{"truth": values} for values in self.to_original(batch.target, batch.inputs.series).tolist()]

    def score_rows(self, rows: Sequence[Row]) -> dict[str, float]:
        """``mae_original``, ``rmse_original`` and ``smape``: what does not depend on how a model scales the series."""
        forecast, truth = (torch.tensor([row[name] for row in rows], dtype=DOUBLE) for name in ("forecast", "truth"))
        errors, nothing = ForecastErrors(), truth.new_zeros(len(rows), 1, truth.shape[-1])
        errors.update(Forecasts(forecast[..., None], forecast[..., None], truth, truth, nothing), Truth(truth, truth))
        kept = ("mae_original", "rmse_original", "smape")
        return {name: float(value) for name, value in errors.compute().items() if name in kept}

    def predict_step(self, batch: Batch, batch_idx: int) -> list[Row]:
        """``forecast`` (horizon x targets) and ``quantiles`` (level: horizon x targets), in the units of the file.

        With a calibration also ``interval``, the ``lower`` and the ``upper`` end of each (horizon x targets).
        """
        inputs = batch[0]
        scaled = self(inputs).float().sort(-1).values
        values = self.to_original(scaled, inputs[2])
        middle = values[..., values.shape[-1] // 2].tolist()
        each = [values[..., k].tolist() for k in range(len(self.quantiles))]
        rows: list[Row] = [
            {"forecast": forecast, "quantiles": {level: each[k][i] for k, level in enumerate(self.quantiles)}}
            for i, forecast in enumerate(middle)
        ]
        if self.calibration is not None:
            interval = self.calibration.interval(scaled, self._spread(inputs[0]))
            ends = (self.to_original(end, inputs[2]).tolist() for end in interval)
            for row, lower, upper in zip(rows, *ends, strict=True):
                row["interval"] = {"lower": lower, "upper": upper}
        return rows
