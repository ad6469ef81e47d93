"""Segments of series: what a split covers, and what a forecast goes on from."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor

if TYPE_CHECKING:
    from pandas import DataFrame, DatetimeIndex


class Segment(NamedTuple):
    """One series (or several side by side) over a span of time, in the units of the file.

    Attributes:
        name: What tells it apart from other series; empty if there is only one.
        frame: Its numbers by time: targets, past and known covariates.
        future: Rows at the end whose targets are to be forecast.
    """

    name: str
    frame: "DataFrame"
    future: int = 0

    @property
    def times(self) -> "DatetimeIndex":
        """The time of each row."""
        return self.frame.index  # type: ignore[return-value]

    @property
    def given(self) -> "Segment":
        """Without the rows whose targets are to be forecast."""
        return self._replace(frame=self.frame.iloc[: len(self.frame) - self.future], future=0)

    def columns(self, names: Sequence[str]) -> Tensor:
        """Columns as numbers ``(steps, columns)``, in double precision."""
        # A frame that was turned round has columns that torch does not read.
        columns = [torch.tensor(np.ascontiguousarray(self.frame[name], dtype=float)) for name in names]
        return torch.stack(columns, 1) if columns else torch.zeros(len(self.frame), 0, dtype=torch.double)


def cut(segment: Segment, split: str, ends: Sequence[int], context: int, horizon: int, path: Path) -> Segment:
    """The rows of a split, and the context before the first of them.

    Args:
        segment: The whole series.
        split: ``train``, ``val`` or ``test``.
        ends: The row after the last one of each.
        context: Steps a forecast looks at.
        horizon: Steps forecast.
        path: The file, for messages.

    Raises:
        MisconfigurationException: If they are fewer than context and horizon.
    """
    number = ("train", "val", "test").index(split)
    end, first = ends[number], ends[number - 1] if number else 0
    begin = max(0, first - context) if number else 0
    if end - begin < context + horizon or end - first < horizon:
        raise MisconfigurationException(
            f"{path}: the {split} part{f' of `{segment.name}`' if segment.name else ''} has {max(0, end - first)} rows"
            + (f" after {first - begin} rows to look back on" if number else "")
            + f", which is too short for a context of {context} and a horizon of {horizon} steps"
            " (--data.context, --data.horizon)"
        )
    return segment._replace(frame=segment.frame.iloc[begin:end])


def extend(segment: Segment, context: int, horizon: int, known: Sequence[str], freq: str, path: Path) -> Segment:
    """The last ``context`` rows of a series, and the ``horizon`` times after them.

    Raises:
        MisconfigurationException: If there are fewer rows, or the ``known`` covariates end before the horizon.
    """
    import pandas as pd

    of, given = f" of `{segment.name}`" if segment.name else "", len(segment.frame) - segment.future
    if given < context:
        raise MisconfigurationException(
            f"{path}: the series{of} has {given} rows, but a forecast looks back on {context}"
        )
    if known and segment.future < horizon:
        raise MisconfigurationException(
            f"{path}{of}: {', '.join(known)} must be given for {horizon} more rows after the "
            f"last one with a target, in which the targets are empty; there are {segment.future}"
        )
    times = pd.date_range(segment.times[given - 1], periods=horizon + 1, freq=freq)
    frame = segment.frame.reindex(segment.times[:given].append(times[1:])).fillna(0.0)
    return segment._replace(frame=frame.iloc[given - context :], future=horizon)


def warn_of_ends(segments: Sequence[Segment], id: str | None, path: Path) -> None:
    """Warn of series that end before others, and whose forecasts so begin earlier."""
    ends = [segment.given.times[-1] for segment in segments]
    early = [segment.name for segment, end in zip(segments, ends, strict=True) if end < max(ends)]
    if early:
        rank_zero_warn(
            f"{path}: {len(early)} of {len(segments)} series end before {max(ends)}, and so their forecasts begin "
            f"earlier, {id} {', '.join(early[:20])}"
        )


def leave_out(names: Sequence[tuple[str, str]], kept: Sequence[Segment], id: str | None, what: str) -> None:
    """Say which of many series are left out, and why the first of them is.

    Raises:
        MisconfigurationException: If none is kept.
    """
    if names and not kept:
        raise MisconfigurationException(names[0][1])
    if names:
        shown = ", ".join(name for name, _ in names[:20]) + (", ..." if len(names) > 20 else "")
        total = len(names) + len(kept)
        rank_zero_warn(f"{what}: {len(names)} of {total} series, {id} {shown}; the first: {names[0][1]}")
