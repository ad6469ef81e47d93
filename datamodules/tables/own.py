"""The user's own tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.frame import read_table
from datamodules.tables.base import SPLITS, Table
from datamodules.tables.cells import Array, Rows, categories, to_days, to_numbers
from datamodules.tables.columns import Kinds

if TYPE_CHECKING:
    from pandas import DataFrame

NAMES = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "dev": 1}  # of splits in a table


class Tabular(Table):
    """The user's own table: a CSV, TSV or Parquet file.

    Columns are told apart by type: numbers, dates (``2024-12-31``, with or without the time), and text or truth values,
    which are categories. Missing values are allowed everywhere; rows without target are left out.

    The rows are split at random, with equal shares of the classes; or so that no group is divided (``group_column``);
    or by time (``time_column``: the latest rows are tested on); or as the table itself says (``split_column``).

    Args:
        path: The file.
        target: Column to predict; or several columns of numbers.
        kind: Whether the target is a ``class`` or a ``number``.
        numeric: Columns to read as numbers although they look like something else.
        categorical: Columns to read as categories, although they look like numbers (codes, years).
        dates: Columns to read as dates although they look like something else.
        ignore: Columns not to predict from (identifiers, what is known only afterwards).
        max_categories: Categories to keep of a column, the most frequent ones.
        scale: Whether numbers are standardized with the mean and the deviation of the training rows.
        val_fraction: Share of the rows for validation.
        test_fraction: Share of the rows for testing.
        test_path: Another file of the same columns that is tested on; ``path`` is then for training and validation.
        group_column: Column whose groups (patients, authors) are not divided by the split.
        time_column: Column of dates or numbers by which the latest rows are split off.
        split_column: Column that says ``train``, ``val`` or ``test``.
        separator: Between the cells; told from the header if None.
        decimal: Decimal sign.
        missing: Texts that stand for a missing value, beside the usual ones (nothing, NA, NaN, null, None).
        root: Folder of datasets; not used here.
        batch_size: Rows in a batch, per process.
        num_workers: Processes that load batches; 0 is fastest for tables.
        predict_path: CSV, TSV or Parquet file to predict; it needs no target.
    """

    def __init__(
        self,
        path: str,
        target: str | list[str],
        kind: Literal["class", "number"],
        numeric: Sequence[str] = (),
        categorical: Sequence[str] = (),
        dates: Sequence[str] = (),
        ignore: Sequence[str] = (),
        max_categories: int = 100,
        scale: bool = True,
        val_fraction: float = 0.2,
        test_fraction: float = 0.2,
        test_path: str | None = None,
        group_column: str | None = None,
        time_column: str | None = None,
        split_column: str | None = None,
        separator: str | None = None,
        decimal: str = ".",
        missing: Sequence[str] = (),
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
    ) -> None:
        targets = [target] if isinstance(target, str) else target
        kinds = Kinds(numeric, categorical, dates, max_categories, scale)
        super().__init__(targets, kind, kinds, val_fraction, test_fraction, root, batch_size, num_workers, predict_path)
        self.path, self.test_path, self.ignore = Path(path), Path(test_path) if test_path else None, ignore
        self.group_column, self.time_column, self.split_column = group_column, time_column, split_column
        if sum(column is not None for column in (group_column, time_column, split_column)) > 1:
            raise MisconfigurationException("give only one of group_column, time_column and split_column")
        self.separator, self.decimal, self.missing = separator, decimal, missing

    @property
    def source(self) -> str:
        """The file's name."""
        return str(self.path)

    def frame(self) -> "DataFrame":
        """Read the file."""
        return self.read_file(self.path)

    def read_file(self, path: Path) -> "DataFrame":
        """Read any file of the same format."""
        return read_table(path, self.separator, self.decimal, self.missing)

    def inputs(self, frame: "DataFrame") -> list[str]:
        """All columns but the targets, the ignored ones and the one the split goes by."""
        others = {*self.targets, *self.ignore, self.group_column, self.time_column, self.split_column}
        absent = [name for name in self.ignore if name not in frame.columns]
        if absent:
            Rows(frame, np.arange(0), self.source).column(absent[0])
        return [str(name) for name in frame.columns if name not in others]

    def read(self, split: str) -> Rows:
        """The rows of a split; those of the test split from their own file if there is one."""
        if split == "test" and self.test_path is not None:
            frame = self.read_file(self.test_path)
            return self.with_target(Rows(frame, np.arange(len(frame)), str(self.test_path)))
        return super().read(split)

    def split(self, whole: Rows) -> Array:
        """Name the split of each row."""
        test = self.test_path is None
        if self.split_column is not None:
            return self._named(whole.column(self.split_column), test)
        if self.group_column is not None:
            return self.share_out(whole, test, groups=categories(whole.column(self.group_column))[1])
        if self.time_column is not None:
            return self.share_out(whole, test, times=self._times(whole))
        return self.share_out(whole, test, stratify=self.class_of(whole))

    def _named(self, values: Any, test: bool) -> Array:
        known = NAMES | ({"test": 2} if test else {})
        texts, codes = categories(values)
        numbers = np.array([known.get(text.strip().lower(), -1) for text in texts] + [-1], dtype=np.int8)[codes]
        if (numbers < 0).any():
            row = int((numbers < 0).argmax())
            raise MisconfigurationException(
                f"{self.source}, row {values.index[row] + 1}, column `{self.split_column}`: "
                f"{values.iloc[row]!r} is not train, val{' or test' if test else ''}"
            )
        for number in sorted(set(known.values()) - set(numbers.tolist())):
            raise MisconfigurationException(
                f"{self.source}: column `{self.split_column}` names no row `{SPLITS[number]}`"
            )
        return np.asarray(numbers)

    def _times(self, whole: Rows) -> Array:
        import pandas as pd

        values = whole.column(str(self.time_column))
        times = (to_numbers if pd.api.types.is_numeric_dtype(values.dtype) else to_days)(values, whole.source)
        if np.isnan(times).any():
            row = int(np.isnan(times).argmax())
            raise MisconfigurationException(
                f"{whole.source}, row {values.index[row] + 1}: no {self.time_column}, which the split goes by"
            )
        return times
