"""Scores of forecasts, as sums that stay exact over any number of processes."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from modules.metrics.common import DOUBLE, ScoresMetric


class Forecasts(NamedTuple):
    """Forecasts of a batch, for the metrics and the figures.

    Attributes:
        scaled: ``(batch, horizon, targets, outputs)``, scaled as the data is; the middle output is scored.
        original: The same in the units of the file, in double precision.
        naive: The seasonal naive forecast, scaled ``(batch, horizon, targets)``.
        naive_original: The same in the units of the file, in double precision.
        seasonal_error: What MASE divides by, ``(batch, 1, targets)``, in the units of the file.
    """

    scaled: Tensor
    original: Tensor
    naive: Tensor
    naive_original: Tensor
    seasonal_error: Tensor


class Truth(NamedTuple):
    """What came to pass: ``scaled`` and ``original``, ``(batch, horizon, targets)``."""

    scaled: Tensor
    original: Tensor


def pinball(forecast: Tensor, target: Tensor, levels: Tensor) -> Tensor:
    """Quantile loss (Koenker & Bassett 1978).

    Args:
        forecast: Quantiles ``(batch, steps, targets, levels)``.
        target: ``(batch, steps, targets)``.
        levels: ``(levels)``, between 0 and 1.

    Returns:
        Loss of each quantile, shaped like ``forecast``.
    """
    error = target.unsqueeze(-1) - forecast
    return torch.maximum(levels * error, (levels - 1) * error)


class ForecastErrors(ScoresMetric):
    """Errors of forecasts and of the seasonal naive forecast: means over every window, step and series.

    ``smape`` is ``2 |y - f| / (|y| + |f|)``, from 0 to 2, and 0 where both are 0. ``mase`` is the mean over the series
    whose seasonal naive forecast was not exact in training (the others have nothing to divide by), and not a number if
    there is none. All sums are in double precision.
    """

    NAMES = ("mse", "mae", "mae_original", "mse_original", "smape", "naive_mse", "naive_mae", "mase", "naive_mase")
    SCORES = (*(name for name in NAMES if name != "mse_original"), "rmse", "rmse_original")
    higher_is_better = dict.fromkeys(SCORES, False)
    sums: Tensor
    counts: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("sums", torch.zeros(len(self.NAMES), dtype=DOUBLE), dist_reduce_fx="sum")
        self.add_state("counts", torch.zeros(2, dtype=torch.long), dist_reduce_fx="sum")  # of all terms, and for MASE

    def update(self, preds: Forecasts, target: Truth) -> None:
        """Add a batch."""
        middle = preds.scaled.shape[-1] // 2
        scaled, naive = (some.to(DOUBLE) - target.scaled for some in (preds.scaled[..., middle], preds.naive))
        original = preds.original[..., middle]
        error, naive_error = ((some - target.original).abs() for some in (original, preds.naive_original))
        size = original.abs() + target.original.abs()
        divisor = preds.seasonal_error.expand_as(error)
        defined = divisor > 0
        terms = (
            scaled.square(),
            scaled.abs(),
            error,
            error.square(),
            torch.where(size != 0, 2 * error / size, 0.0),
            naive.square(),
            naive.abs(),
            (error / divisor)[defined],
            (naive_error / divisor)[defined],
        )
        # Not in place: the sums stay in double precision where ``precision: bf16-true`` has cast the states.
        self.sums = self.sums + torch.stack([term.sum() for term in terms])
        self.counts = self.counts + torch.stack([defined.new_tensor(defined.numel(), dtype=torch.long), defined.sum()])

    def compute(self) -> dict[str, Tensor]:
        """All the means, and the roots of the mean squares."""
        whole = len(self.NAMES) - 2
        counts = self.counts.repeat_interleave(self.counts.new_tensor([whole, 2]))
        means = dict(zip(self.NAMES, self.sums / counts, strict=True))
        roots = {"rmse": means["mse"].sqrt(), "rmse_original": means["mse_original"].sqrt()}
        return {name: {**means, **roots}[name] for name in self.SCORES}


class QuantileScores(ScoresMetric):
    """Scores of forecast quantiles.

    ``coverage`` is the share of truths between the outermost quantiles, ends included: 0.8 is right for 0.1 to 0.9.
    ``crps``, of the scaled series, is twice the mean pinball loss: the continuous ranked probability score (Gneiting &
    Raftery 2007) as an integral over these levels.

    Args:
        levels: Levels of the quantiles, rising.
    """

    higher_is_better = {"coverage": None, "crps": False}  # noqa: RUF012
    covered: Tensor
    loss: Tensor
    count: Tensor

    def __init__(self, levels: Sequence[float]) -> None:
        super().__init__()
        self.levels = list(levels)
        self.add_state("loss", torch.tensor(0.0, dtype=DOUBLE), dist_reduce_fx="sum")
        for name in ("covered", "count"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds: Forecasts, target: Truth) -> None:
        """Add a batch; the scaled forecasts are compared."""
        quantiles, truth = preds.scaled.to(DOUBLE), target.scaled
        inside = (truth >= preds.scaled[..., 0]) & (truth <= preds.scaled[..., -1])
        self.covered = self.covered + inside.sum()
        self.loss = self.loss + pinball(quantiles, truth, quantiles.new_tensor(self.levels)).mean(-1).sum()
        self.count = self.count + truth.numel()

    def compute(self) -> dict[str, Tensor]:
        """Coverage and CRPS."""
        return {"coverage": self.covered / self.count, "crps": 2 * self.loss / self.count}
