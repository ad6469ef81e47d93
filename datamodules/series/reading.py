"""Series as they lie in files: side by side (wide) or below each other (long), parted by time."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor

from datamodules.series.timeline import Rules, parse_numbers, parse_times, regular

if TYPE_CHECKING:
    from pandas import DataFrame, DatetimeIndex


class Part(NamedTuple):
    """One series (or several side by side) over a stretch of time, as it is in the file.

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

    def columns(self, names: Sequence[str]) -> Tensor:
        """Columns as numbers ``(steps, columns)``."""
        return torch.from_numpy(self.frame[list(names)].to_numpy(dtype=float, copy=True))


class Layout(NamedTuple):
    """Which column of a file is what.

    Attributes:
        time: Column of times.
        id: Column that tells series apart, or None.
        targets: Columns to forecast.
        past: Covariates known until now.
        known: Covariates known for the future.
    """

    time: str
    id: str | None
    targets: list[str]
    past: list[str]
    known: list[str]


def find_layout(
    frame: "DataFrame",
    path: Path,
    time: str | None,
    id: str | None,
    targets: list[str] | None,
    past: list[str],
    known: list[str],
) -> Layout:
    """Settle which columns are used: the first is the time, and all numbers without another role are targets.

    Raises:
        MisconfigurationException: If the file has no such column.
    """
    time = time or str(frame.columns[0])
    if not targets:
        taken = {time, id, *past, *known}
        targets = [str(name) for name in frame.columns if name not in taken and frame[name].dtype.kind in "iuf"]
        if not targets:
            raise MisconfigurationException(f"{path} has no column of numbers to forecast")
    for name in (time, *([id] if id else []), *targets, *past, *known):
        if name not in frame:
            raise MisconfigurationException(
                f"{path} has no column `{name}`; its columns are {', '.join(map(str, frame.columns))}"
            )
    return Layout(time, id, targets, past, known)


def read_parts(frame: "DataFrame", path: Path, layout: Layout, rules: Rules, ahead: bool) -> tuple[list[Part], str]:
    """Part a table into its series, each with one row for each step of time.

    Args:
        frame: The table.
        path: Its file, for messages.
        layout: Which column is what.
        rules: What is demanded of the times.
        ahead: Whether rows without targets may follow, for which the known covariates are given.

    Returns:
        The series, and the step that they share.
    """
    import pandas as pd

    frame.index = frame.index + 1  # rows are counted from 1
    groups = [("", frame)] if layout.id is None else [(str(k), g) for k, g in frame.groupby(layout.id, sort=False)]
    parts = []
    for name, group in groups:
        source = f"{path}, {layout.id} `{name}`" if name else str(path)
        names = [*layout.targets, *layout.past, *layout.known]
        times = parse_times(group[layout.time], source)
        numbers = pd.DataFrame({column: parse_numbers(group[column], source) for column in names})
        future = 0
        if ahead and layout.known:
            given = np.flatnonzero(numbers[layout.targets].notna().any(axis=1))
            future = len(numbers) - 1 - int(given.max(initial=-1))
            numbers.loc[numbers.index[len(numbers) - future :], [*layout.targets, *layout.past]] = 0.0
        table, freq = regular(numbers, times, rules, source)
        rules = rules._replace(freq=freq) if rules.resample is None else rules
        parts.append(Part(name, table, future))
    return parts, freq


def find_borders(times: "DatetimeIndex", splits: Sequence[float], borders: Sequence[str] | None) -> list[int]:
    """The row after the last one of training, validation and test."""
    if borders is None:
        return [round(len(times) * float(share)) for share in np.cumsum(splits)]
    ends = [int(times.searchsorted(np.datetime64(border))) for border in borders]
    return [*ends, len(times)][:3]


def cut(part: Part, split: str, ends: Sequence[int], context: int, horizon: int, path: Path) -> Part:
    """The rows of a split, and the context before the first of them.

    Raises:
        MisconfigurationException: If they are fewer than context and horizon.
    """
    number = ("train", "val", "test").index(split)
    end, first = ends[number], ends[number - 1] if number else 0
    begin = max(0, first - context) if number else 0
    if end - begin < context + horizon or end - first < horizon:
        raise MisconfigurationException(
            f"{path}: the {split} part{f' of `{part.name}`' if part.name else ''} has {max(0, end - first)} rows"
            + (f" after {first - begin} rows to look back on" if number else "")
            + f", which is too short for a context of {context} and a horizon of {horizon} steps"
        )
    return part._replace(frame=part.frame.iloc[begin:end])


def extend(part: Part, context: int, horizon: int, known: Sequence[str], freq: str, path: Path) -> Part:
    """The last ``context`` rows of a series, and the ``horizon`` times after them.

    Raises:
        MisconfigurationException: If there are fewer rows, or the ``known`` covariates end before the horizon.
    """
    import pandas as pd

    of, given = f" of `{part.name}`" if part.name else "", len(part.frame) - part.future
    if given < context:
        raise MisconfigurationException(
            f"{path}: the series{of} has {given} rows, but a forecast looks back on {context}"
        )
    if known and part.future < horizon:
        raise MisconfigurationException(
            f"{path}{of}: {', '.join(known)} must be given for {horizon} more rows after the "
            f"last one with a target, in which the targets are empty; there are {part.future}"
        )
    times = pd.date_range(part.times[given - 1], periods=horizon + 1, freq=freq)
    frame = part.frame.reindex(part.times[:given].append(times[1:])).fillna(0.0)
    return part._replace(frame=frame.iloc[given - context :], future=horizon)
