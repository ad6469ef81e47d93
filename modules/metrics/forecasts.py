"""Scores of forecasts, as sums that stay exact over any number of processes."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class ForecastErrors(Metric):
    """Errors of forecasts and of the seasonal naive forecast, meant over every window, step and series.

    ``update`` takes named tuples: forecasts ``scaled`` and ``original`` ``(batch, horizon, targets, outputs)``, whose
    middle output is scored, ``naive`` and ``naive_original`` ``(batch, horizon, targets)``, ``seasonal_error``
    ``(batch, 1, targets)``; and the truth ``scaled`` and ``original`` ``(batch, horizon, targets)``.
    ``smape`` is ``2 |y - f| / (|y| + |f|)``, from 0 to 2, and 0 where both are 0.
    """

    NAMES = ("mse", "mae", "mae_original", "mse_original", "smape", "mase", "naive_mse", "naive_mae", "naive_mase")
    full_state_update = False
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in self.NAMES:
            self.add_state(name, torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds: Any, target: Any) -> None:
        """Add a batch."""
        middle = preds.scaled.shape[-1] // 2
        forecast, original = preds.scaled[..., middle], preds.original[..., middle]
        scaled, error = forecast - target.scaled, (original - target.original).abs()
        naive, naive_error = preds.naive - target.scaled, (preds.naive_original - target.original).abs()
        size = original.abs() + target.original.abs()
        terms = (
            scaled.square(),
            scaled.abs(),
            error,
            error.square(),
            2 * error / size.clamp(min=1e-12),
            error / preds.seasonal_error,
            naive.square(),
            naive.abs(),
            naive_error / preds.seasonal_error,
        )
        for name, term in zip(self.NAMES, terms, strict=True):
            setattr(self, name, getattr(self, name) + term.sum())
        self.count = self.count + scaled.numel()

    def compute(self) -> dict[str, Tensor]:
        """All the means, and the roots of the mean squares."""
        means = {name: getattr(self, name) / self.count for name in self.NAMES}
        return {
            **{name: mean for name, mean in means.items() if name != "mse_original"},
            "rmse": means["mse"].sqrt(),
            "rmse_original": means["mse_original"].sqrt(),
        }


class QuantileScores(Metric):
    """Scores of forecast quantiles.

    ``coverage`` is the share of truths between the outermost quantiles, ends included: 0.8 is right for 0.1 to 0.9.
    ``crps``, of the scaled series, is twice the mean pinball loss: the continuous ranked probability score (Gneiting &
    Raftery 2007) as an integral over these levels.

    Args:
        levels: Levels of the quantiles, rising.
    """

    full_state_update = False
    levels: Tensor
    covered: Tensor
    loss: Tensor
    count: Tensor

    def __init__(self, levels: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        self.add_state("loss", torch.tensor(0.0), dist_reduce_fx="sum")
        for name in ("covered", "count"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds: Any, target: Any) -> None:
        """Add a batch of ``preds.scaled`` (..., levels) and ``target.scaled`` (...)."""
        truth = target.scaled.unsqueeze(-1)
        error = truth - preds.scaled
        inside = (truth >= preds.scaled[..., :1]) & (truth <= preds.scaled[..., -1:])
        self.covered = self.covered + inside.sum()
        self.loss = self.loss + torch.maximum(self.levels * error, (self.levels - 1) * error).mean(-1).sum()
        self.count = self.count + truth.numel()

    def compute(self) -> dict[str, Tensor]:
        """Coverage and CRPS."""
        return {"coverage": self.covered / self.count, "crps": 2 * self.loss / self.count}
