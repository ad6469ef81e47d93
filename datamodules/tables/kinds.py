"""What each column of a table holds - numbers, dates, categories - and how its cells are written."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from datamodules.files.columns import is_text
from datamodules.files.dates import are_dates
from datamodules.files.numbers import MOSTLY, NumberFormat, find_formats, is_missing, measures, shown_signs, texts_of
from datamodules.tables.cells import CellReader, DateFormat, Rows, are_whole, categories
from datamodules.types import Array, some

if TYPE_CHECKING:
    from pandas import Series

Column = dict[str, Any]  # plain, so that a checkpoint can hold it

MOST_UNITS = 5  # of a column; more are endings of codes
LETTERS = set("kKMGTgmlLthsdWVJ°")  # that are units, alone or beside bare numbers; a house number's are a, b, c
SOME = 1000  # different texts that are looked at to tell whether a column holds dates


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
        label_separator: Between the labels in a cell; told from the column if None.
        signs: Decimal signs that columns were seen to have.
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
    label_separator: str | None = None
    signs: set[str] = field(default_factory=set)

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
        self.signs.update(shown_signs(texts, formats).values())
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
                if name in texts:
                    _warn_of_units(texts[name], table.source)
            else:
                # A cell that is no date is refused later, if its row is one to learn from.
                _, how = CellReader(table, "skip").days(name, DateFormat(form=self.date_format))
                column |= how._asdict()
            columns[name] = column
        return columns

    def _kind(self, values: "Series", is_number: bool) -> str:
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
        return "date" if _hold_dates(values) else "category"


def numbers_of(reader: CellReader, column: Column) -> Array:
    """A column of numbers, or of dates as days since 1970, as ``Kinds.tell`` told it; not-a-number where missing."""
    if column["kind"] == "number":
        return reader.numbers(column["name"], NumberFormat(*column["format"]))
    how = DateFormat(column["order"], column["form"], column.get("zoned"))  # older runs do not know of offsets
    return reader.days(column["name"], how)[0]


def _warn_of_units(values: "Series", source: str) -> None:
    """Say that numbers in several units are taken for categories."""
    import pyarrow.compute as pc

    texts = texts_of(values)
    texts = texts.filter(pc.invert(is_missing(texts)))
    parts = measures(texts)
    if not len(texts) or parts.null_count > (1 - MOSTLY) * len(texts):
        return
    units = pc.fill_null(pc.struct_field(parts, "unit"), "").to_pylist()
    examples = {unit: f"`{cell}`" for unit, cell in zip(units, texts.to_pylist(), strict=True)}
    # Codes have many endings, or single letters (12A, 12B); but nobody lives in 1.2B.
    fractions = pc.any(pc.match_substring_regex(texts, "[0-9][.,][0-9]")).as_py()
    letters = LETTERS | set("ABCF" if fractions else "")
    if 1 < len(examples) <= MOST_UNITS and (max(map(len, examples)) > 1 or letters.issuperset({*examples} - {""})):
        told = some(list(examples.values()))
        rank_zero_warn(
            f"{source}: column `{values.name}` holds numbers that are not all in one unit ({told}), so each different "
            "cell is a category; to have numbers, write all in one unit (if they are categories: "
            f"--data.categorical [{values.name}])"
        )


def _hold_dates(values: "Series") -> bool:
    """Whether most cells of a column are dates, with a year of four digits; which order they have is another question.

    That is nine in ten; or half of them, if nine in ten of the different texts are.
    """
    import pyarrow as pa

    texts, codes = categories(values)
    kept = np.flatnonzero(~is_missing(pa.array(texts, pa.large_string())))
    kept = kept[:: max(1, len(kept) // SOME)]
    likely = [k for k in kept.tolist() if len(texts[k]) > 5 and re.search(r"\d{4}", texts[k])]
    rows = np.bincount(codes[codes >= 0], minlength=len(texts))
    least = rows[kept].sum() / 2
    if not likely or rows[likely].sum() < least:  # so it is in most columns of texts
        return False
    dates = np.array(likely)[are_dates([texts[k] for k in likely])]
    found = rows[dates].sum()
    return bool(found >= MOSTLY * rows[kept].sum() or (found > least and len(dates) >= MOSTLY * len(kept)))
