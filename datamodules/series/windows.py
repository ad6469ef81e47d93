"""Windows over series, cut out a batch at a time."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from datamodules.sampling import Draw

Inputs = tuple[Tensor, Tensor, Tensor]


class Stretch(NamedTuple):
    """One series over a stretch of time.

    Attributes:
        values: Targets, then past covariates, ``(steps, targets + past)``.
        known: Covariates known for the future, ``(steps, known)``.
        series: Number of the series.
    """

    values: Tensor
    known: Tensor
    series: int


class Windows:
    """All windows of context and horizon of some stretches.

    The stretches are laid end to end in one tensor, and the windows are an overlapping view of it, so the memory is
    that of the series, and a batch is cut out by one indexing operation.

    Args:
        stretches: The series; each has at least ``context + horizon`` steps.
        targets: Number of targets.
        context: Steps a forecast looks at.
        horizon: Steps forecast.
        stride: Steps from one window to the next.
        truth: Whether the horizon is known.
    """

    def __init__(
        self,
        stretches: Sequence[Stretch],
        targets: int,
        context: int,
        horizon: int,
        stride: int = 1,
        truth: bool = True,
    ) -> None:
        self.targets, self.context, self.truth = targets, context, truth
        length = context + horizon
        self.values = _view(torch.cat([stretch.values for stretch in stretches]), length)
        self.known = _view(torch.cat([stretch.known for stretch in stretches]), length)
        sizes = [len(stretch.values) for stretch in stretches]
        self.ends = torch.tensor(sizes).cumsum(0)
        self.series = torch.tensor([stretch.series for stretch in stretches])
        starts = [
            torch.arange(end - size, end - length + 1, stride)
            for end, size in zip(self.ends.tolist(), sizes, strict=True)
        ]
        self.starts = torch.cat(starts)

    def __len__(self) -> int:
        return len(self.starts)

    def __getitems__(self, indices: Draw) -> tuple[Inputs, Tensor | None]:
        """The windows of these indices.

        Returns:
            ``((history, known, series), target)``: ``(batch, context, targets + past)``,
            ``(batch, context + horizon, known)``, ``(batch)`` and ``(batch, horizon, targets)`` (None without truth).
        """
        starts = self.starts[indices]
        window = self.values[starts]
        series = self.series[torch.searchsorted(self.ends, starts, right=True)]
        target = window[:, self.context :, : self.targets] if self.truth else None
        return (window[:, : self.context], self.known[starts], series), target


def _view(steps: Tensor, length: int) -> Tensor:
    """All windows ``(windows, length, columns)`` of ``steps`` (steps, columns), without a copy."""
    return steps.unfold(0, length, 1).transpose(1, 2)
