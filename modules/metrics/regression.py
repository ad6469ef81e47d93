"""Scores of predicted numbers, in double precision."""

import torch
from torch import Tensor

from modules.metrics.common import DOUBLE, ScoresMetric


class RegressionScores(ScoresMetric):
    """Mean absolute error, root of the mean squared error, and coefficient of determination R2.

    ``mae`` and ``rmse`` are over all numbers; ``r2``, the share of the variance explained, is the mean over the
    targets that vary, and NaN if there is none, as for a single row.

    Args:
        num_targets: Numbers predicted of each example.
    """

    higher_is_better = {"mae": False, "rmse": False, "r2": True}  # noqa: RUF012
    sums: Tensor
    count: Tensor

    def __init__(self, num_targets: int = 1) -> None:
        super().__init__()
        self.add_state("sums", torch.zeros(4, num_targets, dtype=DOUBLE), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add predictions and truth, both ``(batch, targets)``.

        The truth may be shifted, the same for all batches: best is where its squares are small.
        """
        preds, target = preds.to(DOUBLE), target.to(DOUBLE)
        error = preds - target
        # Not in place: the sums stay in double precision where ``precision: bf16-true`` has cast the states.
        self.sums = self.sums + torch.stack(
            [terms.sum(0) for terms in (error.abs(), error.square(), target, target.square())]
        )
        self.count = self.count + len(target)

    def compute(self) -> dict[str, Tensor]:
        """The scores."""
        absolute, squared, total, squares = self.sums / self.count  # means, (targets)
        variance = squares - total.square()
        # A target that is always the same has a variance of rounding errors.
        varies = variance > 1e-12 * squares
        r2 = (1 - squared / variance)[varies | ~squared.isfinite()]
        return {"mae": absolute.mean(), "rmse": squared.mean().sqrt(), "r2": r2.mean()}
