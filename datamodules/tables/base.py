"""What every table has in common: splits, what is learned from the training rows, encoding, predictions."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor

from datamodules.data import Data, Examples, Row
from datamodules.files.frame import read_table, write_with
from datamodules.splits import split_mask
from datamodules.tables.cells import Array, Rows, categories, to_numbers
from datamodules.tables.columns import Column, Kinds, encode, learn_columns, origins
from datamodules.tables.examples import MixedExamples, TensorExamples

if TYPE_CHECKING:
    from pandas import DataFrame


SPLITS = ("train", "val", "test")


class Table(Data[Rows]):
    """Base of the tables. A subclass writes ``frame``.

    The inputs of a row are its numbers, standardized, with an indicator for each column that has missing values (which
    are replaced by the median); dates as days, time of the week, year and day; categories one-hot, with one for
    missing; a category that training never saw is all zeros. Targets are classes, or numbers, standardized.

    Args:
        target: Column or columns to predict.
        kind: Whether the target is a ``class`` or a ``number``.
        kinds: What is known about the columns; the rest is told by type.
        val_fraction: Share of the rows for validation.
        test_fraction: Share of the rows for testing.
        root: Folder of datasets.
        batch_size: Rows in a batch, per process.
        num_workers: Processes that load batches; 0 is fastest for tables.
        predict_path: CSV, TSV or Parquet file to predict.
    """

    facts = (
        "columns", "num_inputs", "input_columns", "targets", "classes", "class_counts",
        "num_outputs", "target_mean", "target_scale", "num_rows",
    )  # fmt: skip

    def __init__(
        self,
        target: Sequence[str],
        kind: Literal["class", "number"],
        kinds: Kinds | None = None,
        val_fraction: float = 0.2,
        test_fraction: float = 0.2,
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
    ) -> None:
        super().__init__(root, batch_size, num_workers, predict_path)
        self.targets, self.kind, self.kinds = list(target), kind, kinds or Kinds()
        if kind == "class" and len(self.targets) != 1:
            raise MisconfigurationException(f"a class is one column, but target names {len(self.targets)}")
        self.val_fraction, self.test_fraction = val_fraction, test_fraction
        self.separator: str | None = None
        self.columns: list[Column] = []
        self.classes: list[str] | None = None
        self.class_counts: list[int] | None = None
        self.num_outputs: int | None = None
        self.target_mean: list[float] | None = None
        self.target_scale: list[float] | None = None
        self.num_rows = 0
        self._parts: tuple[Rows, Array] | None = None  # all rows, and the split of each

    @abstractmethod
    def frame(self) -> "DataFrame":
        """Read the whole table."""

    @property
    def source(self) -> str:
        """Where the table is from, for messages."""
        return type(self).__name__

    def setup(self, stage: str) -> None:
        """Read the splits that a stage needs."""
        super().setup(stage)
        self._parts = None  # large, and the splits have been encoded

    # ---- splits

    def read(self, split: str) -> Rows:
        """The rows of a split, without those whose target is missing."""
        if self._parts is None:
            frame = self.frame()
            whole = self.with_target(Rows(frame, np.arange(len(frame)), self.source))
            self._parts = whole, self.split(whole)
        whole, names = self._parts
        return whole._replace(where=whole.where[names == SPLITS.index(split)])

    def with_target(self, rows: Rows) -> Rows:
        """Leave out the rows whose target is missing."""
        unknown = np.any([rows.column(name).isna().to_numpy() for name in self.targets], axis=0)
        if unknown.any():
            rank_zero_warn(f"{rows.source}: {unknown.sum()} rows without {' or '.join(self.targets)} are left out")
        return rows._replace(where=rows.where[~unknown])

    def split(self, whole: Rows) -> Array:
        """The split of each row, as an index into ``SPLITS``; classes have the same share in every split."""
        return self.share_out(whole, stratify=self.class_of(whole))

    def class_of(self, rows: Rows) -> Array | None:
        """The class of each row as a number, if the target is a class."""
        return categories(rows.column(self.targets[0]))[1] if self.kind == "class" else None

    def share_out(self, whole: Rows, test: bool = True, **how: Array | None) -> Array:
        """Draw the test rows, then the validation rows, as ``splits.split_off`` does."""
        if self.known and len(whole.frame) != self.num_rows:
            raise MisconfigurationException(
                f"{self.source} has {len(whole.frame)} rows, but had {self.num_rows} when the model was trained, so "
                "which were its test rows cannot be told any more"
            )
        names = np.zeros(len(whole.where), dtype=np.int8)
        left = np.arange(len(names))
        for name, fraction in (("test", self.test_fraction if test else 0), ("val", self.val_fraction)):
            if fraction:
                some = {key: value[left] for key, value in how.items() if value is not None}
                off = split_mask(len(left), fraction * len(names) / len(left), self.seed, **some).numpy()
                names[left[off]], left = SPLITS.index(name), left[~off]
        return names

    # ---- facts

    def inputs(self, frame: "DataFrame") -> list[str]:
        """The columns that the prediction is made from."""
        return [str(name) for name in frame.columns if name not in self.targets]

    def learn(self, train: Rows) -> None:
        """Learn the columns and the target from the training rows."""
        self.columns = learn_columns(train, self.inputs(train.frame), self.kinds)
        if not self.columns:
            raise MisconfigurationException(f"{train.source} has no column to predict from")
        self.input_columns = origins(self.columns)
        self.num_inputs = len(self.input_columns)
        if self.kind == "class":
            self._learn_classes(train)
        else:
            numbers = self._numbers(train)
            scales = numbers.std(0).tolist()
            if 0 in scales:
                raise MisconfigurationException(_constant(train.source, self.targets[scales.index(0)]))
            self.num_outputs = len(self.targets)
            self.target_mean = numbers.mean(0).tolist() if self.kinds.scale else [0.0] * len(self.targets)
            self.target_scale = scales if self.kinds.scale else [1.0] * len(self.targets)
        self.num_rows = len(train.frame)

    def _learn_classes(self, train: Rows) -> None:
        name = self.targets[0]
        texts, codes = categories(train.column(name))
        counts = dict(zip(texts, np.bincount(codes).tolist(), strict=True))
        if len(counts) < 2:
            raise MisconfigurationException(_constant(train.source, name))
        for text in [text for text, count in counts.items() if count == 1][:3]:
            rank_zero_warn(f"{train.source}: class `{text}` of `{name}` has a single training row")
        self.classes = sorted(counts, key=int if all(text.isdigit() for text in counts) else str)
        self.class_counts = [counts[text] for text in self.classes]

    # ---- examples

    def examples(self, raw: Rows, train: bool) -> Examples:
        """Encode the rows; those to predict have no target."""
        numbers, codes = encode(raw, self.columns)
        target = self._target(raw) if raw.labelled else None
        if codes.shape[1] == 0:
            return TensorExamples(numbers, target)
        return MixedExamples(numbers, codes, self.num_inputs - numbers.shape[1], target)

    def _target(self, rows: Rows) -> Tensor:
        if self.classes is None:
            scaled = (self._numbers(rows) - np.array(self.target_mean)) / np.array(self.target_scale)
            return torch.from_numpy(scaled).float()
        texts, codes = categories(rows.column(self.targets[0]))
        new = [text for text in texts if text not in self.classes]
        if new:
            raise MisconfigurationException(f"{rows.source}: no training row has the class `{new[0]}`")
        return torch.tensor([self.classes.index(text) for text in texts])[torch.from_numpy(codes)]

    def _numbers(self, rows: Rows) -> Array:
        return np.stack([to_numbers(rows.column(name), rows.source) for name in self.targets], axis=1)

    # ---- predictions

    def read_predict(self, path: Path) -> Rows:
        """Read the rows to predict; they need the columns that the model was trained on, not the target."""
        frame = self.read_file(path)
        return Rows(frame, np.arange(len(frame)), str(path), labelled=False)

    def read_file(self, path: Path) -> "DataFrame":
        """Read a file of the user's."""
        return read_table(path, self.separator)

    def describe(self, index: int) -> Row:
        """Nothing: ``write`` copies the whole row."""
        return {}

    def write(self, rows: Sequence[Row], folder: Path) -> Path:
        """Write the rows as they were, with the prediction (and its probability) in further columns."""
        import pandas as pd

        extra = pd.DataFrame(list(rows))
        if self.kind == "class":
            extra = extra.rename(columns=lambda name: str(name).replace("class", "prediction"))
        return write_with(Path(str(self.predict_path)), extra, folder, self.separator)


def _constant(source: str, name: str) -> str:
    return f"{source}: target `{name}` is the same in all training rows, so there is nothing to learn"
