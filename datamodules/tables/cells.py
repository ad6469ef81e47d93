"""Cells of a table as numbers, days and categories; what does not fit is named by file, row, column and value."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.columns import as_text, is_text, texts_to
from datamodules.files.dates import are_dates, read_dates
from datamodules.files.faults import Faults, OnError
from datamodules.files.numbers import LARGEST, PLAIN, NumberFormat, arrow_texts, is_missing, parse
from datamodules.files.places import row_names
from datamodules.files.rows import require
from datamodules.targets.names import composed
from datamodules.targets.truth import spelling
from datamodules.types import Array

if TYPE_CHECKING:
    from pandas import DataFrame, Series


DAY = 86400e6  # microseconds: a count of nanoseconds has no room for the year 9999


class DateFormat(NamedTuple):
    """How the dates of a column are written.

    Attributes:
        order: Of day, month and year, where the numbers alone do not tell it: ``dmy``, ``mdy`` or ``ymd``.
        form: As ``strptime`` has it, if the user says it.
        zoned: Whether they have a UTC offset; None if that is not known.
    """

    order: str = ""
    form: str | None = None
    zoned: bool | None = None


class Rows(NamedTuple):
    """Some rows of a table.

    Attributes:
        frame: The whole table, shared by the splits.
        where: Numbers of the rows, counted from 0.
        source: Where the table is from, for messages.
        labelled: Whether the target is there.
        read: Columns of texts that were made numbers.
        separator: Between the cells of the file, if it was told.
        encoding: Of the file, if it was told.
    """

    frame: "DataFrame"
    where: Array
    source: str
    labelled: bool = True
    read: Collection[str] = ()
    separator: str | None = None
    encoding: str | None = None

    def column(self, name: str) -> "Series":
        """One column of these rows.

        Raises:
            MisconfigurationException: If there is no such column; tells the nearest name.
        """
        if name not in self.frame.columns:
            require(self.source, [name], self.frame.columns)
        return self.frame[name].iloc[self.where]

    def place(self, number: int) -> str:
        """What messages call one of these rows: its file and its number there."""
        return f"{self.source}, row {self.names[int(self.where[number])]}"

    @property
    def names(self) -> Sequence[int] | Sequence[str]:
        """What messages call all rows of the table."""
        return row_names(Path(self.source), len(self.frame), self.separator, self.encoding)

    @property
    def whole(self) -> "Rows":
        """All rows of the table."""
        return self._replace(where=np.arange(len(self.frame)))


class CellReader:
    """Reads the columns of some rows.

    Args:
        rows: The rows.
        on_error: What to do about a cell that cannot be read: ``stop``, or ``skip`` its row.

    Attributes:
        bad: Which rows have such a cell.
    """

    def __init__(self, rows: Rows, on_error: OnError = "stop") -> None:
        self.rows = rows
        self.bad = np.zeros(len(rows.where), dtype=bool)
        self.faults = Faults(on_error, rows.source)

    def numbers(self, name: str, how: NumberFormat, advice: str = "") -> Array:
        """Numbers of a column as float64, not-a-number where missing.

        Args:
            name: The column.
            how: How they are written, where they are texts.
            advice: What to do if they are no numbers.

        Raises:
            MisconfigurationException: If a cell is not a finite number, or a bare one where numbers have a unit; tells
                the row and the value.
        """
        import pandas as pd

        values = self.rows.column(name)
        if is_text(values):
            array = texts_to(values, lambda texts: parse(texts, how))
            wrong = np.isnan(array)
            if wrong.any():
                wrong &= ~texts_to(values, is_missing)
        elif values.dtype in ("float64", "int64"):
            array = values.to_numpy(dtype="float64", copy=True)
            wrong = np.abs(array) > LARGEST
        else:
            array = pd.to_numeric(values, errors="coerce").to_numpy(dtype="float64", na_value=np.nan, copy=True)
            wrong = (np.abs(array) > LARGEST) | (np.isnan(array) & values.notna().to_numpy())
        if how.needs_unit and not is_text(values) and name not in self.rows.read:
            wrong |= ~np.isnan(array)
        sign = "" if how._replace(unit="") == PLAIN else f" with the decimal sign `{how.decimal}`"
        unit = f" in {how.unit}" if how.unit else ""
        hint = advice or f"are they categories? then list `{name}` under categorical"
        hint = hint if self.rows.labelled else "write it as in training"
        hint = "write the unit in each cell" if how.needs_unit else hint
        self._check(values, wrong, f"number{unit}{sign} ({hint})")
        return np.where(wrong, np.nan, array)

    def days(self, name: str, how: DateFormat) -> tuple[Array, DateFormat]:
        """Dates of a column as days since 1970, not-a-number where missing; and how they are written.

        Args:
            name: The column.
            how: What is known of it; the rest is told from these rows.

        Raises:
            MisconfigurationException: If a cell is not a date that is so written, or the order cannot be told; or if
                dates have a UTC offset and those of training had none, or the other way round.
        """
        values = self.rows.column(name)
        absent = values.isna().to_numpy()
        if is_text(values):
            absent = texts_to(values, is_missing)
            values = values.astype("object").mask(absent)
        dates = read_dates(values, self.rows.source, how.form, how.order)
        array = dates.utc.as_unit("us").asi8 / DAY
        there = np.asarray(dates.local.notna())
        wrong = ~there & ~absent
        if wrong.any():
            self.refuse(wrong, _no_date(self.rows.column(name), wrong, there, how))
        zoned = dates.offset is not None if there.any() else how.zoned
        if how.zoned is not None and zoned != how.zoned:
            told = "a UTC offset, those of training had none; write it without, as the local time"
            if how.zoned:
                told = "no UTC offset, those of training had one; write it behind the time (`+01:00`, `Z` for UTC)"
            self.refuse(there, f"column `{name}`: {values.iloc[int(np.argmax(there))]} has {told}")
            there = np.zeros_like(there)
        return np.where(there, array, np.nan), DateFormat(dates.order, how.form, zoned)

    def _check(self, values: "Series", wrong: Array, kind: str) -> None:
        if wrong.any():
            value = values.iloc[int(np.argmax(wrong))]
            shown = repr(value) if isinstance(value, str) else value
            odd = isinstance(value, str) and not any(char.isalnum() for char in value)
            hint = f" (if it stands for a missing value: --data.missing \"['{value.strip()}']\")" if odd else ""
            self.refuse(wrong, f"column `{values.name}`: {shown} is not a {kind}{hint}")

    def refuse(self, wrong: Array, reason: str) -> None:
        """Stop at the first of some rows, or note that they are to be left out."""
        self.bad |= wrong
        first, more = int(np.argmax(wrong)), int(wrong.sum()) - 1
        others = f" ({more} more like it)" if more else ""
        self.faults.add(MisconfigurationException(f"{self.rows.place(first)}, {reason}{others}"))

    def report(self) -> None:
        """Say how many rows cannot be read."""
        self.faults.count = int(self.bad.sum())
        self.faults.report(len(self.bad))


def _no_date(values: "Series", wrong: Array, there: Array, how: DateFormat) -> str:
    """Why the first wrong cell is refused: it is another date than the others are, or none."""
    cell, name = values.iloc[int(np.argmax(wrong))], values.name
    start = f"column `{name}`: {cell!r} is not a date"
    if not isinstance(cell, str):
        return start
    if not are_dates([cell.strip()]).all():
        missing = f"--data.missing \"['{cell.strip()}']\""
        return (
            f"{start} (if it stands for a missing value: {missing}; if all are categories: --data.categorical [{name}])"
        )
    if how.form:
        return f"{start} as --data.date_format `{how.form}` has it"
    if there.any():
        return f"{start} in the form of the others (`{values.iloc[int(np.argmax(there))]}`): write all alike"
    first = {"dmy": "the day", "mdy": "the month"}.get(how.order)
    return f"{start} that begins with {first}, as in training" if first else start


def categories(values: "Series", whole: bool = False) -> tuple[list[str], Array]:
    """The different values as texts, each in one form of Unicode, and which one each row has; -1 where it is missing.

    Args:
        values: A column.
        whole: Whether all are whole numbers, so that ``1.0`` is ``1``.
    """
    import pandas as pd

    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, unique = values.cat.codes.to_numpy(), values.cat.categories.tolist()
    elif is_text(values):
        encoded = arrow_texts(values).dictionary_encode()
        codes, unique = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False), encoded.dictionary.to_pylist()
    else:
        codes, index = pd.factorize(values)
        unique = index.tolist()
    texts = [composed(_name(value, whole)) for value in unique]
    texts = list(map(spelling(texts), texts))
    used = np.bincount(codes + 1, minlength=len(texts) + 1)[1:] > 0  # by these rows
    names = {text: k for k, text in enumerate(dict.fromkeys(t for t, u in zip(texts, used, strict=True) if u))}
    merged = np.array([names.get(text, -1) for text in texts] + [-1], dtype=np.int32)
    return list(names), merged[codes]


def are_whole(values: "Series") -> bool:
    """Whether all texts of a column are whole numbers, some of them written as ``1.0``, and none a code as ``001``."""
    if not is_text(values):
        return True
    texts, _ = categories(values)
    plain = [text.removesuffix(".0").removeprefix("-") for text in texts]
    return all(text.isdecimal() and (text == "0" or text[0] != "0") for text in plain)


def _name(value: object, whole: bool) -> str:
    if isinstance(value, float) and value.is_integer():  # a gap makes whole numbers floats
        return str(int(value))
    text = as_text(value).strip()
    return text.removesuffix(".0") if whole else text
