"""Evenly spaced steps of time, without gaps, or a sentence about the row that breaks the rule."""

import zoneinfo
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor

from datamodules.files.dates import frequency, read_dates

if TYPE_CHECKING:
    from pandas import DataFrame, DatetimeIndex

Gaps = Literal["error", "linear", "previous"]
Field = Literal["minute", "hour", "weekday", "day", "day_of_year", "month"]
PERIODS: dict[str, float] = {"minute": 60, "hour": 24, "weekday": 7, "day": 31, "day_of_year": 365.25, "month": 12}
DAY = 86400.0


class Rules(NamedTuple):
    """What is demanded of the times, and what is done about gaps.

    Attributes:
        freq: Step as pandas writes it (``h``, ``D``, ``MS``); told from the times if None.
        gaps: ``error``; or fill ``linear``ly between neighbours, or with the ``previous`` value.
        resample: Step to which rows are put together first.
        resample_by: How they are put together.
    """

    freq: str | None = None
    gaps: Gaps = "error"
    resample: str | None = None
    resample_by: Literal["mean", "sum", "min", "max", "first", "last"] = "mean"


def regular(frame: "DataFrame", times: "DatetimeIndex", rules: Rules, source: str) -> tuple["DataFrame", str]:
    """Make a table of one row for each step of time.

    Args:
        frame: Numbers; its index holds the row numbers of the file, counted from 1.
        times: Time of each row.
        rules: What is demanded.
        source: Where the table is from, for messages.

    Returns:
        The table, its index the times, and the step.

    Raises:
        MisconfigurationException: If times repeat, go back, or fall beside the steps; if steps or values are missing
            and are not to be filled. The sentence names row and column.
    """
    if rules.resample is None:
        frame, times = in_order(frame, times, source)
        frame, freq = _on_steps(frame, times, rules, source)
    else:
        frame, freq = _put_together(frame.set_axis(times), rules, source), rules.resample
    if rules.gaps != "error":
        frame = frame.ffill() if rules.gaps == "previous" else frame.interpolate("linear", limit_area="inside")
    for name in frame:
        missing = np.flatnonzero(frame[name].isna())
        if len(missing):
            raise MisconfigurationException(
                f"{source}: column `{name}` has no value at {frame.index[missing[0]]}"
                + (", and none beside it to fill it from" if rules.gaps != "error" else "; fill with data.gaps")
            )
    return frame, freq


def in_order(frame: "DataFrame", times: "DatetimeIndex", source: str) -> tuple["DataFrame", "DatetimeIndex"]:
    """Rows in the order of time; those of a file that begins with the latest are turned round.

    Raises:
        MisconfigurationException: If two rows have the same time.
    """
    if times.is_monotonic_decreasing:
        frame, times = frame[::-1], times[::-1]
    back = np.flatnonzero(times[1:] <= times[:-1])
    if not len(back):
        return frame, times
    row, time, before = frame.index[back[0] + 1], times[back[0] + 1], times[back[0]]
    if times.is_unique:
        rank_zero_warn(f"{source}: rows are sorted by time; in the file, row {row} ({time}) comes after {before}")
        order = times.argsort()
        return frame.iloc[order], times[order]
    again = int(np.flatnonzero(times.duplicated())[0])
    first = int(np.flatnonzero(times == times[again])[0])
    raise MisconfigurationException(
        f"{source}, row {frame.index[again]}: {times[again]} is the same time as in row {frame.index[first]}; keep one "
        "row for each time, name the column that tells series apart (data.id), put rows together (data.resample), or "
        "name the zone if the clocks went back (data.zone)"
    )


def _put_together(frame: "DataFrame", rules: Rules, source: str) -> "DataFrame":
    bins = frame.resample(str(rules.resample))
    rows = bins.size()
    usual = rows.mode()[0]
    if len(rows) > 2 and rows.iloc[-1] < usual:
        rank_zero_warn(
            f"{source}: the last step of `{rules.resample}` ({rows.index[-1]}) is put together from {rows.iloc[-1]} "
            f"rows, others from {usual}: is it over?"
        )
    return bins.sum(min_count=1) if rules.resample_by == "sum" else bins.agg(rules.resample_by)


def _on_steps(frame: "DataFrame", times: "DatetimeIndex", rules: Rules, source: str) -> tuple["DataFrame", str]:
    import pandas as pd

    freq = rules.freq or infer_frequency(times, source)
    steps = pd.date_range(times[0], times[-1], freq=freq)
    beside = np.flatnonzero(~times.isin(steps))
    found = frequency(times) if rules.freq else None
    if found and (len(beside) or len(steps) > len(times)):
        raise MisconfigurationException(
            f"{source}, row {frame.index[1]}: {times[1]} is a step of `{found}` after {times[0]}, "
            f"but the step must be `{freq}`, as in training, in other series, or as data.freq says"
        )
    if len(beside):
        k = beside[0]
        raise MisconfigurationException(
            f"{source}, row {frame.index[k]}: {times[k]} is not on a step of `{freq}`"
            + (f" after {times[k - 1]}" if k else "")
            + "; say the step with data.freq, or put rows together with data.resample"
        )
    for name in frame:
        missing = np.flatnonzero(frame[name].isna())
        if len(missing) and rules.gaps == "error":
            run = int((np.diff(missing) == 1).cumprod().sum()) + 1
            raise MisconfigurationException(
                f"{source}, row {frame.index[missing[0]]} ({times[missing[0]]}): column `{name}` has no value"
                + (f", nor in the {run - 1} rows after it" if run > 1 else "")
                + "; fill with data.gaps linear or previous"
            )
    if len(steps) > len(times) and rules.gaps == "error":
        k = int(np.flatnonzero(steps[: len(times)] != times)[0])
        # An hour that is skipped in spring.
        may_jump = steps.tz is None and (steps[1] - steps[0]).total_seconds() < DAY
        raise MisconfigurationException(
            f"{source}: {len(steps) - len(times)} steps of `{freq}` are missing, the first after row "
            f"{frame.index[k - 1]} ({times[k - 1]}); fill with data.gaps linear or previous"
            + (", or name the zone if the clocks went forward (data.zone)" if may_jump else "")
        )
    return frame.set_axis(times).reindex(steps), freq


def infer_frequency(times: "DatetimeIndex", source: str) -> str:
    """The step between times, as pandas writes it, told from spans without a gap.

    Raises:
        MisconfigurationException: If there is no such step.
    """
    import pandas as pd

    if len(times) < 3:
        raise MisconfigurationException(
            f"{source} has {len(times)} time(s), and a step is told from three at least; say it with data.freq"
        )
    whole = frequency(times)
    if whole:
        return whole
    between = (times[1:] - times[:-1]).to_numpy()
    usual = pd.Series(between).mode()[0]
    weekdays = times.day_of_week.max() < 5 and times[-1] - times[0] > pd.Timedelta(days=7)
    if usual == pd.Timedelta(days=1) and weekdays:
        return "B"  # working days, some of them holidays
    if usual < pd.Timedelta(days=28) and np.mean(between % usual.to_timedelta64() == 0) > 0.5:
        days = usual / pd.Timedelta(days=1)
        whole_days = f"{int(days)}D".removeprefix("1" if days == 1 else "")
        return whole_days if days.is_integer() else str(pd.tseries.frequencies.to_offset(usual).freqstr)
    for k in range(len(times) - 5):
        freq = frequency(times[k : k + 6])
        if freq:
            return freq
    raise MisconfigurationException(
        f"{source}: the times have no common step; say it with data.freq, or put rows together with data.resample, "
        "such as MS for months"
    )


def usual_season(freq: str) -> int:
    """Steps in the usual season of a step: a day of hours or minutes, a week of days, a year of weeks or months."""
    import pandas as pd

    times = pd.date_range("2001-01-01", periods=6, freq=freq)
    step = (times[-1] - times[0]).total_seconds() / 5
    if step < DAY:
        return round(DAY / step)
    days = step / DAY
    seasons = ((1, 1, 7), (1.1, 1.5, 5), (7, 7, 52), (28, 31, 12), (89, 92, 4))
    return next((season for low, high, season in seasons if low <= days <= high), 1)


def calendar_features(times: "DatetimeIndex", fields: Sequence[Field]) -> Tensor:
    """Sine and cosine of the phase of each field, so that December is beside January.

    Returns:
        ``(steps, 2 x fields)``.
    """
    columns = []
    for field in fields:
        angle = 2 * np.pi * np.asarray(getattr(times, field), dtype=float) / PERIODS[field]
        columns += [np.sin(angle), np.cos(angle)]
    return torch.tensor(np.stack(columns, 1) if columns else np.zeros((len(times), 0)), dtype=torch.float)


def check_steps(freq: str | None, resample: str | None) -> None:
    """Refuse what is no step of time."""
    import pandas as pd

    for name, step in (("freq", freq), ("resample", resample)):
        try:
            pd.tseries.frequencies.to_offset(step)
        except ValueError as error:
            raise MisconfigurationException(
                f"data.{name}: there is no step `{step}`; steps are h, D, B, W, MS, QS and multiples such as 15min"
            ) from error


def check_zone(zone: str | None) -> None:
    """Refuse what is no time zone."""
    if zone is not None:
        try:
            zoneinfo.ZoneInfo(zone)
        except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError) as error:
            raise MisconfigurationException(
                f"data.zone: there is no zone `{zone}`; one is Europe/Paris, for instance"
            ) from error


def border_rows(borders: Sequence[str], times: "DatetimeIndex", order: str, form: str | None) -> list[int]:
    """The first row at or after each of some times.

    Args:
        borders: The times, written as in the file or year first.
        times: Of the rows.
        order: Of day, month and year in the file.
        form: How the file writes dates, if that was said.
    """
    import pandas as pd

    given = pd.Series(list(borders), name="borders")
    found = read_dates(given, "data.borders", order=order).local
    found = read_dates(given, "data.borders", form).local if found.isna().any() else found
    if found.isna().any():
        raise MisconfigurationException(f"data.borders {list(borders)} are no times")
    return [int(times.searchsorted(time)) for time in found.tz_localize(times.tz)]
