"""Windows over series, cut out a batch at a time."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from datamodules.sampling import BatchIndices
from datamodules.types import Batch, Window


class ScaledSegment(NamedTuple):
    """One series over a span of time, as the network sees it.

    Attributes:
        values: Targets, then past covariates, ``(steps, targets + past)``.
        known: Covariates known for the future, ``(steps, known)``.
        series: Number of the series.
    """

    values: Tensor
    known: Tensor
    series: int


class Windows:
    """All windows of context and horizon of some segments.

    The segments are laid end to end in one tensor, and the windows are an overlapping view of it, so the memory is that
    of the series, and a batch is cut out by one indexing operation.

    Args:
        segments: The series; each has at least ``context + horizon`` steps.
        targets: Number of targets.
        context: Steps a forecast looks at.
        horizon: Steps forecast.
        stride: Steps from one window to the next.
        truth: Whether the horizon is known.
    """

    def __init__(
        self,
        segments: Sequence[ScaledSegment],
        targets: int,
        context: int,
        horizon: int,
        stride: int = 1,
        truth: bool = True,
    ) -> None:
        self.targets, self.context, self.horizon, self.truth = targets, context, horizon, truth
        length = context + horizon
        self.values = _view(torch.cat([segment.values for segment in segments]), length)
        self.known = _view(torch.cat([segment.known for segment in segments]), length)
        sizes = [len(segment.values) for segment in segments]
        self.ends = torch.tensor(sizes).cumsum(0)
        self.series = torch.tensor([segment.series for segment in segments])
        starts = [
            torch.arange(end - size, end - length + 1, stride)
            for end, size in zip(self.ends.tolist(), sizes, strict=True)
        ]
        self.starts = torch.cat(starts)

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def num_apart(self) -> int:
        """How many of the windows forecast no step that another of them forecasts."""
        last: dict[int, int] = {}  # step behind the last window of a segment that was counted
        count = 0
        for start, segment in zip(
            self.starts.tolist(), torch.searchsorted(self.ends, self.starts, right=True).tolist(), strict=True
        ):
            if start >= last.get(segment, start):
                count, last[segment] = count + 1, start + self.horizon
        return count

    def __getitems__(self, indices: BatchIndices) -> Batch:
        """The windows of these indices; no target without truth."""
        starts = self.starts[indices]
        window = self.values[starts]
        series = self.series[torch.searchsorted(self.ends, starts, right=True)]
        target = window[:, self.context :, : self.targets] if self.truth else None
        return Batch(Window(window[:, : self.context], self.known[starts], series), target)


def _view(steps: Tensor, length: int) -> Tensor:
    """All windows ``(windows, length, columns)`` of ``steps`` (steps, columns), without a copy."""
    return steps.unfold(0, length, 1).transpose(1, 2)
