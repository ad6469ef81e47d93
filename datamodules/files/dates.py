"""Dates and times as people write them: their form is told from the whole column, or the column is refused."""

import re
import shlex
import warnings
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.types import Array

if TYPE_CHECKING:
    from pandas import DatetimeIndex
    from pandas import Series as Column

MONTHS = [
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
]  # fmt: skip
DAY, MONTH = r"(?P<d>0?[1-9]|[12]\d|3[01])", r"(?P<m>0?[1-9]|1[0-2])"
NAME = r"(?P<b>[A-Za-z]{3,9})\.?"
YEAR, SHORT = r"(?P<Y>\d{4})", r"(?P<y>\d\d)"
RECENT = r"(?P<Y>(?:19|20)\d\d)"
CLOCK = (
    r"(?:(?:[T ]|, )(?P<H>\d{1,2})(?::(?P<M>\d\d)(?::(?P<S>\d\d)(?:[.,](?P<f>\d{1,9}))?)?)?"
    r"(?: ?(?P<p>[AaPp]\.?[Mm]\.?))? ?(?P<z>Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)?(?:\[[\w/+-]+\])?)?"
)
AMBIGUOUS = {  # numbers that do not say themselves which is which
    form: order
    for order, *parts in (
        ("dmy", DAY, MONTH, YEAR),
        ("mdy", MONTH, DAY, YEAR),
        ("dmy", DAY, MONTH, SHORT),
        ("mdy", MONTH, DAY, SHORT),
        ("ymd", SHORT, MONTH, DAY),
    )
    for form in ["[-/. ]".join(parts) + CLOCK]
}
PLAIN = [
    rf"{YEAR}[-/.]{MONTH}(?:[-/.]{DAY})?" + CLOCK,
    *(rf"{DAY}[-/. ]+{NAME},?[-/. ]{year}" + CLOCK for year in (YEAR, SHORT)),
    rf"{NAME} {DAY},? {YEAR}" + CLOCK,
    *(rf"{NAME}[-/ ]{year}" for year in (YEAR, SHORT)),
    rf"{YEAR}[-/ ]{NAME}(?:[-/ ]{DAY})?" + CLOCK,
    rf"{MONTH}[-/.]{YEAR}",
    rf"{YEAR}[- ]?[Qq](?P<q>[1-4])",
    rf"[Qq](?P<q>[1-4])[-/ ]?{YEAR}",
    r"(?P<G>\d{4})-?W(?P<V>\d{1,2})(?:-?(?P<u>[1-7]))?",
    r"(?P<Y>[12]\d{3})",
    rf"{RECENT}(?P<m>\d\d)",
    rf"{RECENT}(?P<m>\d\d)(?P<d>\d\d)" + CLOCK,
    *(
        rf"{RECENT}(?P<m>\d\d)(?P<d>\d\d)T?(?P<H>\d\d)" + more
        for more in ("", r"(?P<M>\d\d)", r"(?P<M>\d\d)(?P<S>\d\d)")
    ),
    r"(?P<epoch>\d{10}|\d{13}|\d{16}|\d{19})",
]
ORDERS = {re.compile(form): order for form, order in [*((form, "") for form in PLAIN), *AMBIGUOUS.items()]}
ISO = next(iter(ORDERS))


class Dates(NamedTuple):
    """The dates of a column.

    Attributes:
        local: By the clock that they were written by; not-a-time where a cell holds none.
        offset: Minutes by which that clock is ahead of UTC, where it is said; None if no cell says it.
        order: ``dmy``, ``mdy`` or ``ymd`` where the numbers alone do not tell day, month and year apart; else empty.
        form: How they are written, as ``strftime`` has it, with ``%q`` for the quarter; ``epoch s`` (``ms``, ``us``,
            ``ns``) for a count since 1970; empty if the file holds dates, not texts.
        zone: Zone that the file itself names, as Parquet files do; else empty.
    """

    local: "DatetimeIndex"
    offset: Array | None
    order: str
    form: str
    zone: str = ""

    @property
    def utc(self) -> "DatetimeIndex":
        """Without offsets, so that all are on one clock."""
        import pandas as pd

        return self.local if self.offset is None else self.local - pd.to_timedelta(self.offset, unit="min")


def read_dates(column: "Column", source: str, form: str | None = None, order: str = "") -> Dates:
    """The dates of a column.

    A year first, a month's name, a quarter, a week, digits alone (2020, 202001, 20200131, seconds since 1970) mean one
    thing. For others, such as 03/04/2020, that order of day, month and year is taken in which all cells are dates; if
    there are several, that in which they are evenly spaced, or at least ascend.

    Args:
        column: Texts, whole numbers, or dates.
        source: Where they are from, for messages.
        form: How they are written, as ``strptime`` has it or ``epoch s``, if it is known.
        order: Of day, month and year, if it is known from the training data.

    Raises:
        MisconfigurationException: If the order cannot be told, or the column holds numbers that are no dates.
    """
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        times = pd.DatetimeIndex(column)
        if times.tz is None:
            return Dates(times, None, "", "")
        local, zone = times.tz_localize(None), str(times.tz)
        offset = (local - times.tz_convert("UTC").tz_localize(None)) / pd.Timedelta("1min")
        return Dates(local, offset.to_numpy(), "", "", zone if "/" in zone else "")
    if pd.api.types.is_numeric_dtype(column.dtype):
        if (column.dropna() % 1 != 0).any():
            raise _only_numbers(column, source)
        column = column.astype("Int64")
    codes, cells = pd.factorize(column.astype("str").str.strip().where(column.notna()))
    texts = [str(cell) for cell in cells.tolist()]
    if form is not None and form.startswith("epoch "):
        read = _read(texts, next(pattern for pattern in ORDERS if "epoch" in pattern.groupindex))
    elif form is not None:
        try:
            found = pd.to_datetime(pd.Series(texts, dtype="str"), format=form, errors="coerce", utc="%z" in form)
        except ValueError as error:
            raise MisconfigurationException(f"data.date_format `{form}` is no format of dates: {error}") from error
        read = Dates(
            pd.DatetimeIndex(found).tz_localize(None), np.zeros(len(texts)) if "%z" in form else None, "", form
        )
    else:
        read = _iso(texts) or _tell(texts, column, source, order)
    codes = np.where(codes < 0, len(texts), codes)
    local = pd.DatetimeIndex(read.local.append(pd.DatetimeIndex([pd.NaT]))[codes])
    return read._replace(local=local, offset=None if read.offset is None else np.append(read.offset, np.nan)[codes])


def _iso(texts: list[str]) -> Dates | None:
    """The usual case, quickly."""
    import pandas as pd

    if not texts or not all(text[:4].isdigit() and text[4:5] == "-" and text[5:7].isdigit() for text in texts):
        return None
    try:
        times = pd.DatetimeIndex(pd.to_datetime(pd.Series(texts, dtype="str"), format="ISO8601"))
    except ValueError:  # a cell that is none, or several offsets
        return None
    found = ISO.fullmatch(texts[0])
    return Dates(times, None, "", _form(found)) if times.tz is None and found else None


def _tell(texts: list[str], column: "Column", source: str, order: str) -> Dates:
    import pandas as pd

    sample = texts[:: max(1, len(texts) // 50)]
    known = [pattern for pattern, other in ORDERS.items() if not order or other in ("", order)]
    counts = {pattern: sum(pattern.fullmatch(text) is not None for text in sample) for pattern in known}
    likely = [pattern for pattern, count in counts.items() if count and count == max(counts.values())]
    if not likely and pd.api.types.is_numeric_dtype(column.dtype):
        raise _only_numbers(column, source)
    fits = [sum(pattern.fullmatch(text) is not None for text in texts) for pattern in likely]
    ways = [_read(texts, pattern) for pattern, count in zip(likely, fits, strict=True) if count == max(fits)]
    for better in (_valid, _evenly_spaced, _ascending):
        scores = [better(dates.utc) for dates in ways]
        ways = [dates for dates, score in zip(ways, scores, strict=True) if score == max(scores)]
        ways = ways[:1] if all(dates.local.equals(ways[0].local) for dates in ways) else ways
    if not ways:
        nothing = pd.DatetimeIndex([pd.NaT] * len(texts))
        return Dates(nothing, None, "", "")
    if len(ways) > 1:
        forms = " or ".join(shlex.quote(dates.form.replace("%-", "%")) for dates in ways)
        raise MisconfigurationException(
            f"{source}: whether `{texts[0]}` in column `{column.name}` begins with the day, month or year cannot "
            f"be told from the whole column; say it: --data.date_format {forms}"
        )
    return ways[0]


def _read(texts: list[str], pattern: re.Pattern[str]) -> Dates:
    import pandas as pd

    local = np.full(len(texts), "NaT", dtype="datetime64[us]")
    offset = np.full(len(texts), np.nan)
    form, order = "", ORDERS[pattern]
    for k, text in enumerate(texts):
        found = pattern.fullmatch(text)
        if found is None:
            continue
        try:
            local[k] = _moment(found)
        except (ValueError, OverflowError):
            continue
        form = form or _form(found)
        if found.groupdict().get("z"):
            offset[k] = _minutes(found["z"])
    if "epoch" in pattern.groupindex:
        offset = np.zeros(len(texts))
    plain = ~np.isnat(local) & np.isnan(offset)
    if plain.sum() > (~np.isnan(offset)).sum() or np.isnan(offset).all():
        local[~plain] = "NaT"  # a time with an offset among others without
        return Dates(pd.DatetimeIndex(local), None, order, form)
    local[plain] = "NaT"
    return Dates(pd.DatetimeIndex(local), offset, order, form)


def _moment(found: re.Match[str]) -> datetime:
    parts = {name: part for name, part in found.groupdict().items() if part}
    if "epoch" in parts:
        power = {10: 1, 13: 1000, 16: 10**6, 19: 10**9}[len(parts["epoch"])]
        return datetime(1970, 1, 1) + timedelta(microseconds=int(parts["epoch"]) * 10**6 // power)
    if "G" in parts:
        day = datetime.fromisocalendar(int(parts["G"]), int(parts["V"]), int(parts.get("u", 1)))
    else:
        year = int(parts["Y"]) if "Y" in parts else (int(parts["y"]) + 31) % 100 + 1969
        month = 3 * int(parts["q"]) - 2 if "q" in parts else int(parts.get("m", 1))
        if "b" in parts:
            name = parts["b"].lower().replace("sept", "sep")
            month = next((k for k, whole in enumerate(MONTHS, start=1) if whole.startswith(name)), 0)
        day = datetime(year, month, int(parts.get("d", 1)))
    hour, minute, second = (int(parts.get(name, 0)) for name in "HMS")
    if "p" in parts:
        if not 1 <= hour <= 12:
            raise ValueError(hour)
        hour = hour % 12 + 12 * (parts["p"][0] in "pP")
    if minute > 59 or second > 59 or hour * 3600 + minute * 60 + second > 86400:  # 24:00 is the next day
        raise ValueError(hour)
    fraction = int(parts.get("f", "0").ljust(6, "0")[:6])
    return day + timedelta(hours=hour, minutes=minute, seconds=second, microseconds=fraction)


def _minutes(zone: str) -> int:
    if zone in ("Z", "UTC", "GMT"):
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return (int(digits[:2]) * 60 + int(digits[2:])) * (-1 if zone[0] == "-" else 1)


def _form(found: re.Match[str]) -> str:
    """How a cell is written."""
    if "epoch" in found.groupdict():
        return {10: "epoch s", 13: "epoch ms", 16: "epoch us", 19: "epoch ns"}[len(found["epoch"])]
    text, form, at = found.string, "", 0
    for name, part in sorted(found.groupdict().items(), key=lambda group: found.start(group[0])):
        if part is None or part in ("Z", "UTC", "GMT"):
            continue
        form += text[at : found.start(name)].replace("%", "%%")
        code = "I" if name == "H" and found.groupdict().get("p") else "B" if name == "b" and len(part) > 3 else name
        form += f"%{'-' if name in 'dmHV' and len(part) == 1 else ''}{code}"
        at = found.end(name)
    return form + text[at:].partition("[")[0]


def are_dates(texts: list[str]) -> Array:
    """Which texts are dates, each by itself, in whatever form the others are."""
    return np.array([True] * len(texts) if _iso(texts) else [_is_date(text) for text in texts], dtype=bool)


def _is_date(text: str) -> bool:
    for found in filter(None, (pattern.fullmatch(text) for pattern in ORDERS)):
        with suppress(ValueError, OverflowError):  # no such day
            _moment(found)
            return True
    return False


def write_dates(times: "DatetimeIndex", form: str) -> list[object]:
    """Write times as ``Dates.form`` says; whole numbers if that is how they were given."""
    if not form:
        return list(times)
    if form.startswith("epoch"):
        counts = times.as_unit(form.split()[1]).asi8.tolist()  # type: ignore[arg-type]
        return list(counts)
    if form == "%Y":
        return [time.year for time in times]
    if form.endswith(("Z", "UTC", "GMT")) and times.tz is not None:
        times = times.tz_convert("UTC")
    texts = (times.to_period("Q") if "%q" in form else times).strftime(re.sub("%-(.)", r"<<%\1>>", form))
    offsets = [re.sub(r"([+-]\d\d)(\d\d)$", r"\1:\2", text) if form.endswith("%z") else text for text in texts]
    return [re.sub("<<0?(.*?)>>", r"\1", text) for text in offsets]


def frequency(times: "DatetimeIndex") -> str | None:
    """The step of evenly spaced times, as pandas writes it; None if they are fewer than three or not evenly spaced."""
    import pandas as pd

    if len(times) < 3:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pandas 4 gives an offset instead of its name
        found = pd.infer_freq(times)
    return None if found is None else str(getattr(found, "freqstr", found))


def _valid(times: "DatetimeIndex") -> int:
    return int(np.asarray(times.notna()).sum())


def _evenly_spaced(times: "DatetimeIndex") -> bool:
    import pandas as pd

    distinct = pd.DatetimeIndex(times.dropna().unique().sort_values())
    if len(distinct) < 3:
        return False
    monthly = len(set(distinct.day)) == 1 and len(set(np.diff(12 * distinct.year + distinct.month))) == 1
    return monthly or frequency(distinct) is not None


def _ascending(times: "DatetimeIndex") -> bool:
    there = times.dropna()
    return len(there) > 4 and bool(there.is_monotonic_increasing or there.is_monotonic_decreasing)


def _only_numbers(column: "Column", source: str) -> MisconfigurationException:
    return MisconfigurationException(f"{source}: column `{column.name}` holds numbers, not times (name it: data.time)")
