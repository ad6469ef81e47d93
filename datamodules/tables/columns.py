"""Columns of a table: what is learned about them from the training rows, and how they become numbers."""

import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor

from datamodules.files.dates import read_dates
from datamodules.files.frame import is_text
from datamodules.files.numbers import NumberFormat, find_formats
from datamodules.tables.cells import Array, CellReader, Rows, are_whole, categories

if TYPE_CHECKING:
    from pandas import Series

Column = dict[str, Any]  # plain, so that a checkpoint can hold it

SOME = 1000  # different texts that are looked at to tell whether a column holds dates
NOTHING = "has no value in the training rows"
ROWS = 10  # in a shorter table ascending numbers are no sign of anything
IDENTIFIER = re.compile(r"(?i:(^|.*[\W_])(id|idx|index|uuid|guid|row|nr|no|key)|unnamed: \d+)|.*[a-z]I[dD]")


@dataclass
class Kinds:
    """What the user says about the columns; the rest is told from their cells.

    Attributes:
        numeric: Columns to read as numbers.
        categorical: Columns to read as categories, although they may look like numbers.
        dates: Columns to read as dates.
        keep: Columns to predict from although they look like row numbers or are the same everywhere.
        max_categories: Categories to keep of a column, the most frequent ones.
        scale: Whether numbers are standardized.
        decimal: Decimal sign; told from the whole columns if None.
        date_format: How dates are written, as ``strptime`` has it; told from the whole column if None.
        separator: Between the cells of the file, which says something about decimal signs.
    """

    numeric: Collection[str] = ()
    categorical: Collection[str] = ()
    dates: Collection[str] = ()
    keep: Collection[str] = ()
    max_categories: int = 100
    scale: bool = True
    decimal: str | None = None
    date_format: str | None = None
    separator: str | None = None

    def tell(self, table: Rows, names: Collection[str]) -> dict[str, Column]:
        """The kind of each column, ``number``, ``category`` or ``date``, and how its cells are written.

        Raises:
            MisconfigurationException: If a column is not there, or could mean two things.
        """
        for name in (*self.numeric, *self.categorical, *self.dates, *self.keep):
            table.column(name)
        texts = {
            name: table.column(name)
            for name in names
            if is_text(table.column(name)) and name not in (*self.categorical, *self.dates)
        }
        formats = find_formats(texts, self.decimal, self.separator, table.source)
        signs = {how.decimal for how in formats.values() if how.thousands or how.decimal == ","}
        usual = NumberFormat(self.decimal or (signs.pop() if len(signs) == 1 else "."))
        columns = {}
        for name in names:
            values = table.column(name)
            kind = self._kind(values, name in formats)
            column: Column = {"name": name, "kind": kind}
            if kind == "number":
                column["format"] = list(formats.get(name, usual))
            elif kind == "category":
                column["whole"] = are_whole(values)
            columns[name] = column
        return columns

    def _kind(self, values: "Series[Any]", is_number: bool) -> str:
        import pandas as pd

        for kind, names in (("number", self.numeric), ("category", self.categorical), ("date", self.dates)):
            if values.name in names:
                return kind
        if pd.api.types.is_bool_dtype(values.dtype):
            return "category"
        if pd.api.types.is_datetime64_any_dtype(values.dtype):
            return "date"
        if is_number or not is_text(values):
            return "number"
        texts, _ = categories(values)
        return "date" if _are_dates(texts[:SOME], str(values.name)) else "category"


def _are_dates(texts: list[str], name: str) -> bool:
    """Whether all texts are dates, with a year of four digits; which order they have is another question."""
    import pandas as pd

    if not texts or not all(re.search(r"\d{4}", text) and len(text) > 5 for text in texts):
        return False
    column = pd.Series(texts, name=name, dtype="str")
    return any(bool(read_dates(column, "", order=order).local.notna().all()) for order in ("dmy", "mdy"))


def learn_columns(train: Rows, columns: dict[str, Column], kinds: Kinds, reader: CellReader) -> list[Column]:
    """Learn medians, scales and categories from the training rows; what says nothing is left out, and told.

    Args:
        train: The training rows.
        columns: The columns that may be inputs, as ``Kinds.tell`` returns them.
        kinds: What the user says about them.
        reader: Reads the training rows.
    """
    learned: list[Column] = []
    numbered: list[Column] = []
    for column in columns.values():
        values = train.column(column["name"])
        column["missing"] = bool(values.isna().any())
        if values.isna().all():
            reason: str | None = NOTHING
        elif column["kind"] == "category":
            reason = _learn_categories(values, column, kinds, train.source)
        else:
            reason = _learn_numbers(column, kinds, reader)
        usable = "median" in column or bool(column.get("categories"))
        if column["name"] in kinds.keep and usable:
            learned.append(column)
        elif reason is not None:
            _leave_out(train, column["name"], reason, usable)
        elif column["kind"] == "number" and _is_row_number(train, column):
            numbered.append(column)
        else:
            learned.append(column)
    for column in numbered:
        if learned:
            _leave_out(train, column["name"], "holds whole numbers that all differ, like row numbers,", True)
        else:
            rank_zero_warn(
                f"{train.source}: column `{column['name']}` looks like a row number; it is predicted from because "
                "there is no other column"
            )
    return learned or numbered


def _leave_out(train: Rows, name: str, reason: str, usable: bool) -> None:
    back = f" (`--data.keep [{name}]` brings it back)" if usable else ""
    rank_zero_warn(f"{train.source}: column `{name}` {reason} and is left out{back}")


def _learn_categories(values: "Series[Any]", column: Column, kinds: Kinds, source: str) -> str | None:
    """Why they say nothing, if they do."""
    texts, codes = categories(values, column["whole"])
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    # A category of one row cannot be told from chance; like a new one it is encoded by zeros.
    often = [k for k in np.argsort(-counts, kind="stable")[: kinds.max_categories] if counts[k] > 1]
    column["categories"] = sorted(texts[k] for k in often)
    if (counts > 1).sum() > len(often):
        rank_zero_warn(
            f"{source}: column `{column['name']}` has {len(texts)} categories, of which the {len(often)} most "
            "frequent are kept (--data.max_categories)"
        )
    if not often:
        return "has values that all differ, so nothing can be learned from them"
    return "is the same in all training rows" if len(texts) == 1 and not column["missing"] else None


def _learn_numbers(column: Column, kinds: Kinds, reader: CellReader) -> str | None:
    if column["kind"] == "number":
        numbers = reader.numbers(column["name"], NumberFormat(*column["format"]))
    else:
        numbers, column["order"] = reader.days(column["name"], "", kinds.date_format)
        column["form"] = kinds.date_format
    known = numbers[~np.isnan(numbers)]
    if not len(known):
        return NOTHING
    column["missing"] = len(known) < len(numbers)
    column["median"] = float(np.nanmedian(numbers))
    column["mean"] = float(np.nanmean(numbers)) if kinds.scale else 0.0
    column["scale"] = (float(np.nanstd(numbers)) if kinds.scale else 1.0) or 1.0
    if column["kind"] == "date":
        column["hours"] = bool((known % 1 != 0).any())
    return "is the same in all training rows" if known.min() == known.max() and not column["missing"] else None


def _is_row_number(train: Rows, column: Column) -> bool:
    """Whether whole numbers all differ in the whole table and ascend, descend, leave none out, or are called ``id``."""
    table = train.whole
    if len(table.where) < ROWS:
        return False
    numbers = CellReader(table, "skip").numbers(column["name"], NumberFormat(*column["format"]))
    if (numbers[:ROWS] % 1 != 0).any() or (numbers % 1 != 0).any() or len(np.unique(numbers)) < len(numbers):
        return False
    steps = np.diff(numbers)
    dense = numbers.max() - numbers.min() == len(numbers) - 1
    return bool((steps > 0).all() or (steps < 0).all() or dense or IDENTIFIER.fullmatch(column["name"]))


def widths(column: Column) -> tuple[int, int]:
    """How many numbers a column becomes, and how many one-hot inputs."""
    missing = int(column["missing"])
    if column["kind"] == "category":
        return 0, len(column["categories"]) + missing
    return (1 + missing if column["kind"] == "number" else 5 + 2 * column["hours"] + missing), 0


def origins(columns: list[Column]) -> list[int]:
    """For each input of the network, the column it comes from: first the numbers, then the one-hot inputs."""
    numbers = [k for k, column in enumerate(columns) for _ in range(widths(column)[0])]
    return numbers + [k for k, column in enumerate(columns) for _ in range(widths(column)[1])]


def encode(reader: CellReader, columns: list[Column]) -> tuple[Tensor, Tensor, list[str]]:
    """Turn rows into numbers with what was learned.

    Args:
        reader: Reads the rows.
        columns: From ``learn_columns``.

    Returns:
        ``(rows, numbers)``: scaled numbers and missing indicators. ``(rows, categorical columns)``: which of the
        one-hot inputs of the whole row is 1; the number of one-hot inputs where none is, because the category is new.
        And for each column with new categories a text that names them.

    Raises:
        MisconfigurationException: If a column is not there, or holds text where numbers were learned.
    """
    rows = reader.rows
    num_hot = sum(widths(column)[1] for column in columns)
    numbers = torch.empty(len(rows.where), sum(widths(column)[0] for column in columns))
    codes = torch.empty(len(rows.where), sum(column["kind"] == "category" for column in columns), dtype=torch.int32)
    at, code, offset = 0, 0, 0
    new = []
    for column in columns:
        name = column["name"]
        if column["kind"] == "category":
            hot, unknown = _hot(rows.column(name), column, offset, num_hot)
            codes[:, code] = torch.from_numpy(hot)
            code, offset = code + 1, offset + widths(column)[1]
            new += [f"`{name}` {unknown}"] if unknown else []
            continue
        if column["kind"] == "number":
            array = reader.numbers(name, NumberFormat(*column["format"]))
        else:
            array, _ = reader.days(name, column["order"], column["form"])
        for values in _numbers(array, column):
            numbers[:, at] = torch.from_numpy(values)
            at += 1
    return numbers, codes, new


def _numbers(array: Array, column: Column) -> Iterator[Array]:
    unknown = np.isnan(array)
    array[unknown] = column["median"]
    yield (array - column["mean"]) / column["scale"]
    if column["kind"] == "date":
        for start, period in ((3, 7.0), (0, 365.25), (0, 1.0))[: 2 + column["hours"]]:  # 1970-01-01 was a Thursday
            for wave in (np.sin, np.cos):
                cycle = wave(2 * math.pi / period * (array + start))
                cycle[unknown] = 0
                yield cycle
    if column["missing"]:
        yield unknown


def _hot(values: "Series[Any]", column: Column, offset: int, none: int) -> tuple[Array, str]:
    texts, codes = categories(values, column["whole"])
    place = {text: offset + k for k, text in enumerate(column["categories"])}
    last = offset + len(place) if column["missing"] else none
    new = [k for k, text in enumerate(texts) if text not in place]
    count = int(np.isin(codes, new).sum()) if new else 0
    some = ", ".join(f"`{texts[k]}`" for k in new[:3])
    unknown = f"in {count} rows ({some}{' and others' if len(new) > 3 else ''})" if new else ""
    return np.array([place.get(text, none) for text in texts] + [last])[codes], unknown
