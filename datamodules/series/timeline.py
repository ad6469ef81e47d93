"""Tables with a time in every row: regular steps, without gaps, or a sentence about the row that breaks the rule."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor

if TYPE_CHECKING:
    from pandas import DataFrame, DatetimeIndex
    from pandas import Series as Column

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


def parse_times(column: "Column[str]", source: str) -> "DatetimeIndex":
    """The times of a column, in the order of the rows.

    Raises:
        MisconfigurationException: If a cell is not a time, or not later than the one before.
    """
    import pandas as pd

    name = column.name
    if pd.api.types.is_numeric_dtype(column):
        if not column.between(1000, 2999).all() or (column % 1 != 0).any():
            raise MisconfigurationException(f"{source}: column `{name}` holds numbers, not times (name it: data.time)")
        column = column.astype(int).astype(str)  # years
    try:
        times = pd.to_datetime(column, errors="coerce")
    except ValueError as error:  # mixed time zones
        raise MisconfigurationException(f"{source}: column `{name}`: {error}") from error
    bad = np.flatnonzero(times.isna())
    if len(bad):
        cell = column.iloc[bad[0]]
        raise MisconfigurationException(f"{source}, row {column.index[bad[0]]}: `{name}` is `{cell}`, which is no time")
    return pd.DatetimeIndex(times)


def parse_numbers(column: "Column[str]", source: str) -> "Column[float]":
    """The numbers of a column; nothing where a cell is empty.

    Raises:
        MisconfigurationException: If a cell is not a finite number.
    """
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    bad = np.flatnonzero((numbers.isna() & column.notna()) | np.isinf(numbers))
    if len(bad):
        where = f"{source}, row {column.index[bad[0]]}, column `{column.name}`"
        raise MisconfigurationException(f"{where}: `{column.iloc[bad[0]]}` is not a finite number")
    return numbers


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
        _check_order(frame, times, source)
        frame, freq = _on_steps(frame, times, rules, source)
    else:
        frame = frame.set_axis(times).resample(rules.resample).agg(rules.resample_by)
        freq = rules.resample
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


def _check_order(frame: "DataFrame", times: "DatetimeIndex", source: str) -> None:
    back = np.flatnonzero(times[1:] <= times[:-1])
    if len(back):
        row, time, before = frame.index[back[0] + 1], times[back[0] + 1], times[back[0]]
        what = "the same time as" if time == before else "earlier than"
        raise MisconfigurationException(
            f"{source}, row {row}: {time} is {what} the row before ({before}); sort the rows, one for each time"
            + (" (or name the column that tells series apart: data.id)" if len(times) > 2 else "")
        )


def _on_steps(frame: "DataFrame", times: "DatetimeIndex", rules: Rules, source: str) -> tuple["DataFrame", str]:
    import pandas as pd

    freq = rules.freq or infer_frequency(times, source)
    steps = pd.date_range(times[0], times[-1], freq=freq)
    beside = np.flatnonzero(~times.isin(steps))
    found = pd.infer_freq(times) if rules.freq and len(times) > 2 else None
    if found and (len(beside) or len(steps) > len(times)):
        raise MisconfigurationException(
            f"{source}, row {frame.index[1]}: {times[1]} is a step of `{found}` after {times[0]}, "
            f"but the step must be `{freq}`, as it was in training or as data.freq says"
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
        raise MisconfigurationException(
            f"{source}: {len(steps) - len(times)} steps of `{freq}` are missing, the first after row "
            f"{frame.index[k - 1]} ({times[k - 1]}); fill with data.gaps linear or previous"
        )
    return frame.set_axis(times).reindex(steps), freq


def infer_frequency(times: "DatetimeIndex", source: str) -> str:
    """The step between times, as pandas writes it, told from stretches without a gap.

    Raises:
        MisconfigurationException: If there is no such step.
    """
    import pandas as pd

    if len(times) >= 3:
        whole = pd.infer_freq(times)
        if whole:
            return str(whole)
        usual = pd.Series(times[1:] - times[:-1]).mode()[0]
        if usual < pd.Timedelta(days=28):
            return str(pd.tseries.frequencies.to_offset(usual).freqstr)
        for k in range(len(times) - 5):
            freq = pd.infer_freq(times[k : k + 6])
            if freq:
                return str(freq)
    raise MisconfigurationException(f"{source}: the times have no common step; say it with data.freq")


def usual_season(freq: str) -> int:
    """Steps in the usual season of a step: a day of hours or minutes, a week of days, a year of weeks or months."""
    import pandas as pd

    times = pd.date_range("2001-01-01", periods=5, freq=freq)
    step = (times[-1] - times[0]).total_seconds() / 4
    if step < DAY:
        return round(DAY / step)
    days = step / DAY
    seasons = ((1, 1.5, 7), (7, 7, 52), (28, 31, 12), (89, 92, 4))
    return next((season for low, high, season in seasons if low <= days <= high), 1)


def calendar_features(times: "DatetimeIndex", fields: Sequence[Field]) -> Tensor:
    """Sine and cosine of the phase of each field, so that December is beside January.

    Returns:
        ``(steps, 2 x fields)``.
    """
    names = {"weekday": "dayofweek", "day_of_year": "dayofyear"}
    columns = []
    for field in fields:
        angle = 2 * np.pi * np.asarray(getattr(times, names.get(field, field)), dtype=float) / PERIODS[field]
        columns += [np.sin(angle), np.cos(angle)]
    return torch.tensor(np.stack(columns, 1) if columns else np.zeros((len(times), 0)), dtype=torch.float)
