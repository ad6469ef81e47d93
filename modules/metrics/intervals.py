"""Scores of sets of classes and of intervals of numbers: how often they hold the truth, and how much else."""

import torch
from torch import Tensor

from modules.metrics.classes import CalibrationError
from modules.metrics.common import DOUBLE, ScoresMetric


class SetScores(CalibrationError):
    """Scores of scaled probabilities and of the sets of classes made from them.

    ``calibration_error_scaled`` is the calibration error of the scaled probabilities, ``set_coverage`` the share of
    examples whose set holds the true class, ``set_size`` the mean number of classes in a set.
    """

    higher_is_better = {"calibration_error_scaled": False, "set_coverage": None, "set_size": False}  # type: ignore[assignment]  # noqa: RUF012
    holding: Tensor
    members: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("holding", "members"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor, sets: Tensor) -> None:  # type: ignore[override]
        """Add probabilities and what is in a set, both ``(batch, classes)``, and the true classes ``(batch)``."""
        super().update(preds, target)
        self.holding = self.holding + sets.gather(1, target[:, None]).sum()
        self.members = self.members + sets.sum()

    def compute(self) -> dict[str, Tensor]:  # type: ignore[override]
        """The scores."""
        found = (super().compute(), self.holding.to(DOUBLE) / self.count, self.members.to(DOUBLE) / self.count)
        return dict(zip(self.higher_is_better, found, strict=True))


class IntervalScores(ScoresMetric):
    """Scores of intervals, over all numbers.

    ``interval_coverage`` is the share of the truths that lie in their interval, ends included; ``interval_width`` the
    mean width.
    """

    higher_is_better = {"interval_coverage": None, "interval_width": False}  # noqa: RUF012
    inside: Tensor
    width: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("width", torch.tensor(0.0, dtype=DOUBLE), dist_reduce_fx="sum")
        for name in ("inside", "count"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, lower: Tensor, upper: Tensor, target: Tensor) -> None:
        """Add the ends of intervals and the truth, all of one shape."""
        self.inside = self.inside + ((lower <= target) & (target <= upper)).sum()
        self.width = self.width + (upper.to(DOUBLE) - lower.to(DOUBLE)).sum()
        self.count = self.count + target.numel()

    def compute(self) -> dict[str, Tensor]:
        """The scores."""
        return {"interval_coverage": self.inside.to(DOUBLE) / self.count, "interval_width": self.width / self.count}
