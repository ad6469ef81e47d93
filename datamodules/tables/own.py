"""The user's own tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.data import check_least
from datamodules.files.frame import separator_of
from datamodules.files.rows import require
from datamodules.pairs import check_columns
from datamodules.splits import SPLITS
from datamodules.tables.base import TableData
from datamodules.tables.cells import CellReader, Rows, categories
from datamodules.tables.kinds import Kinds, numbers_of
from datamodules.targets import Kind
from datamodules.types import Array

if TYPE_CHECKING:
    from pandas import DataFrame

NAMES = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "dev": 1}  # of splits in a table


class Tabular(TableData):
    """The user's own table: CSV in any dialect, Excel, Parquet or JSON lines, packed or not.

    Columns are told apart by their cells: numbers (``1234.5``, ``1.234,50 €``), dates (``2024-12-31``, with or without
    the time, also day or month first), and text or truth values, which are categories; codes with leading zeros stay
    text. What was told in training holds for every later file. Missing values are allowed everywhere; rows without
    target are left out. Columns that look like row numbers or identifiers, or are the same everywhere, are left out.

    The rows are split at random, with equal shares of the classes; or so that no group is divided (``group_column``);
    or by time (``time_column``: the latest rows are tested on); or as the table itself says (``split_column``).

    Args:
        path: The file.
        target: Column to predict; or several columns of numbers, or of 0 and 1 for a label each.
        kind: Whether the target is a ``class``, several ``labels`` (``drama;comedy``, a list) or a ``number``.
        numeric: Columns to read as numbers although they look like something else.
        categorical: Columns to read as categories, although they look like numbers (codes, years).
        dates: Columns to read as dates although they look like something else.
        ignore: Columns not to predict from (identifiers, what is known only afterwards).
        keep: Columns to predict from although they look like row numbers or identifiers, or are the same everywhere.
        max_categories: Categories to keep of a column, the most frequent ones.
        scale: Whether numbers are standardized with the mean and the deviation of the training rows.
        test_path: Another file of the same columns that is tested on; ``path`` is then for training and validation.
        group_column: Column whose groups (patients, authors) are not divided by the split.
        time_column: Column of dates or numbers by which the latest rows are split off.
        split_column: Column that says ``train``, ``val`` or ``test``.
        separator: Between the cells; told from the head of the file if None.
        decimal: Decimal sign; told from the whole columns if None.
        date_format: How dates are written, as ``strptime`` has it (``%d/%m/%Y``); told from the whole column if None.
        missing: Texts that stand for a missing value, beside nothing at all; in numbers and dates the usual words (NA,
            NaN, null, None) do anyway.
        label_separator: Between the labels in a cell of the target; told from the whole column if None.
        **kwargs: Shares of the splits, batch size, workers and the like: see ``datamodules.tables.base.TableData`` and
            ``datamodules.data.Data``.
    """

    changeable = frozenset({"test_path"})

    def __init__(
        self,
        path: str,
        target: str | list[str],
        kind: Kind,
        numeric: Sequence[str] = (),
        categorical: Sequence[str] = (),
        dates: Sequence[str] = (),
        ignore: Sequence[str] = (),
        keep: Sequence[str] = (),
        max_categories: int = 100,
        scale: bool = True,
        test_path: str | None = None,
        group_column: str | None = None,
        time_column: str | None = None,
        split_column: str | None = None,
        separator: str | None = None,
        decimal: str | None = None,
        date_format: str | None = None,
        missing: Sequence[str] = (),
        label_separator: str | None = None,
        **kwargs: Any,
    ) -> None:
        if decimal not in (None, ".", ","):
            raise MisconfigurationException(f"a decimal sign is `.` or `,`, not `{decimal}` (--data.decimal)")
        check_least(1, max_categories=max_categories)
        targets = [target] if isinstance(target, str) else target
        kinds = Kinds(numeric, categorical, dates, keep, max_categories, scale, decimal, date_format)
        kinds.label_separator = label_separator
        super().__init__(target=targets, kind=kind, kinds=kinds, **kwargs)
        self.path, self.test_path, self.ignore = Path(path), Path(test_path) if test_path else None, ignore
        self.group_column, self.time_column, self.split_column = group_column, time_column, split_column
        if sum(column is not None for column in (group_column, time_column, split_column)) > 1:
            raise MisconfigurationException("give only one of group_column, time_column and split_column")
        check_columns(target=targets, group_column=group_column, time_column=time_column, split_column=split_column)
        self.separator, self.missing = separator, missing

    @property
    def source(self) -> str:
        """The file's name."""
        return str(self.path)

    @property
    def sources(self) -> Sequence[Path]:
        """The table, unless it says itself which row belongs to which split."""
        return [] if self.split_column else [self.path]

    def table(self) -> "DataFrame":
        """Read the file."""
        self.kinds.separator = separator_of(self.path, self.separator, self.encoding)
        return self.read_file(self.path)

    def inputs(self, frame: "DataFrame") -> list[str]:
        """All columns but the targets, the ignored ones and the one the split goes by."""
        require(self.source, self.ignore, frame.columns)
        others = {*self.targets, *self.ignore, self.group_column, self.time_column, self.split_column}
        return [str(name) for name in frame.columns if name not in others]

    def read(self, split: str) -> Rows:
        """The rows of a split; those of the test split from their own file if there is one."""
        if split == "test" and self.test_path is not None:
            frame = self.read_file(self.test_path)
            return self.with_target(self.rows_of(frame, str(self.test_path)))
        return super().read(split)

    def assign(self, rows: Rows) -> Array:
        """Name the split of each row."""
        test = self.test_fraction if self.test_path is None else 0.0
        if self.split_column is not None:
            return self._named(rows, self.split_column, self.test_path is None)
        groups = times = None
        if self.group_column is not None:
            groups = categories(rows.column(self.group_column))[1]
            alone = groups < 0  # rows without a group
            groups[alone] = groups.max(initial=-1) + 1 + np.arange(alone.sum())
        elif self.time_column is not None:
            times = self._times(rows)
        stratify = self.class_of(rows) if groups is None and times is None else None
        return self.assign_splits(len(rows.where), self.val_fraction, test, stratify, groups, times)

    def _named(self, rows: Rows, column: str, test: bool) -> Array:
        values = rows.column(column)
        known = NAMES | ({"test": 2} if test else {})
        texts, codes = categories(values)
        numbers = np.array([known.get(text.strip().lower(), -1) for text in texts] + [-1], dtype=np.int8)[codes]
        if (numbers < 0).any():
            row = int((numbers < 0).argmax())
            raise MisconfigurationException(
                f"{rows.place(row)}, column `{column}`: {values.iloc[row]!r} is not train, "
                f"val{' or test' if test else ''}"
            )
        for number in sorted(set(known.values()) - set(numbers.tolist())):
            raise MisconfigurationException(f"{self.source}: column `{column}` names no row `{SPLITS[number]}`")
        return np.asarray(numbers)

    def _times(self, rows: Rows) -> Array:
        name = str(self.time_column)
        times = numbers_of(CellReader(rows), self.kinds.tell(rows.whole, [name])[name])
        if np.isnan(times).any():
            row = int(np.isnan(times).argmax())
            raise MisconfigurationException(f"{rows.place(row)}: no {name}, which the split goes by")
        return times
