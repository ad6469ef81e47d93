"""What every table has in common: splits, what is learned from the training rows, encoding, predictions."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from datamodules.data import Data, Examples, Row
from datamodules.files.columns import is_text, texts_to, without
from datamodules.files.faults import Faults
from datamodules.files.frame import read_texts, tidy, with_numbers
from datamodules.files.numbers import NumberFormat, is_missing
from datamodules.files.objects import GIVEN, frame_in, tidy_frame
from datamodules.files.writing import write_with
from datamodules.own_columns import own_names
from datamodules.splits import SPLITS
from datamodules.tables.cells import CellReader, Rows, categories
from datamodules.tables.columns import encode, learn_columns, origins
from datamodules.tables.examples import MixedExamples, TensorExamples
from datamodules.tables.kinds import Column, Kinds
from datamodules.tables.targets import (
    classes_to_tensor,
    labels_to_tensor,
    learn_classes,
    learn_labels,
    learn_numbers,
    read_numbers,
)
from datamodules.targets import Kind, LabelTarget
from datamodules.types import Array, TableClassFacts, TableFacts, TableLabelFacts, TableNumberFacts

if TYPE_CHECKING:
    from pandas import DataFrame

NUMBER = "row number"  # in what was predicted of a row


class TableData(Data[Rows, TableFacts]):
    """Base of the tables. A subclass writes ``table``.

    The inputs of a row are its numbers, standardized, with an indicator for each column that has missing values (which
    are replaced by the median); dates as days, time of the week, year and day; categories one-hot, with one for
    missing; a category that training never saw is all zeros. Targets are classes, labels, or numbers, standardized.

    Args:
        target: Column or columns to predict.
        kind: Whether the target is a ``class``, several ``labels`` or a ``number``.
        kinds: What is known about the columns; the rest is told from their cells.
        val_fraction: Share of all rows for validation.
        test_fraction: Share of all rows for testing.
        **kwargs: Batch size, workers and the like: see ``datamodules.data.Data``.
    """

    def __init__(
        self,
        target: Sequence[str],
        kind: Kind,
        kinds: Kinds | None = None,
        val_fraction: float = 0.2,
        test_fraction: float = 0.2,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.makes = {"class": TableClassFacts, "labels": TableLabelFacts, "number": TableNumberFacts}[kind]
        self.targets, self.kind, self.kinds = list(target), kind, kinds or Kinds()
        if kind == "class" and len(self.targets) != 1:
            raise MisconfigurationException(
                f"a class is one column, but target names {len(self.targets)}; several labels a row: --data.kind labels"
            )
        self.labels = LabelTarget(self.targets, self.kinds.label_separator)
        self.val_fraction, self.test_fraction = val_fraction, test_fraction
        self.separator: str | None = None
        self.missing: Sequence[str] = ()
        self._told: dict[str, Column] = {}  # of each column that may be an input
        self._assigned: tuple[Rows, Array] | None = None  # all rows with a target, and the split of each
        self._predicted: Array | None = None  # which of the rows to predict can be
        self._asked: DataFrame | None = None  # the rows to predict

    @abstractmethod
    def table(self) -> "DataFrame":
        """Read the whole table."""

    @property
    def source(self) -> str:
        """Where the table is from, for messages."""
        return type(self).__name__

    def setup(self, stage: str) -> None:
        """Read the splits that a stage needs."""
        super().setup(stage)
        self._assigned = None  # large, and the splits have been encoded

    # ---- splits

    def read(self, split: str) -> Rows:
        """The rows of a split, without those whose target is missing."""
        if self._assigned is None:
            rows = self.with_target(self._typed(tidy(self.table())))
            table = rows.frame
            if self.known and len(table) != self.facts.num_rows:
                raise MisconfigurationException(
                    f"{self.source} has {len(table)} rows, but had {self.facts.num_rows} when the model was trained, "
                    "so which were its test rows cannot be told any more"
                )
            self._assigned = rows, self.assign(rows)
        rows, names = self._assigned
        return rows._replace(where=rows.where[names == SPLITS.index(split)])

    def _typed(self, table: "DataFrame") -> Rows:
        """The whole table, with numbers in its columns of numbers."""
        rows = self.rows_of(table, self.source)
        if not self.known:
            self._told = self.kinds.tell(rows, self.inputs(table))
        columns = self.facts.columns if self.known else self._told.values()
        formats = {c["name"]: NumberFormat(*c["format"]) for c in columns if c["kind"] == "number"}
        read = {name for name in formats if is_text(rows.column(name))}
        return rows._replace(frame=with_numbers(table, formats), read=read)

    def with_target(self, rows: Rows) -> Rows:
        """Leave out the rows whose target is missing."""
        unknown = np.any([self._no_target(rows, name) for name in self.targets], axis=0)
        if unknown.all():
            raise MisconfigurationException(
                f"{rows.source}: no row has {' and '.join(self.targets)}, so there is nothing to learn or to test"
            )
        if unknown.any():
            rank_zero_warn(f"{rows.source}: {unknown.sum()} rows without {' or '.join(self.targets)} are left out")
        return rows._replace(where=rows.where[~unknown])

    def _no_target(self, rows: Rows, name: str) -> Array:
        values = rows.column(name)
        if self.kind == "labels" and len(self.targets) == 1:  # a row may have no label
            return np.zeros(len(values), dtype=bool)
        if self.kind == "number" and is_text(values):
            return texts_to(values, is_missing)
        return values.isna().to_numpy()

    def assign(self, rows: Rows) -> Array:
        """The split of each row, as an index into ``SPLITS``; classes have the same share in every split."""
        return self.assign_splits(len(rows.where), self.val_fraction, self.test_fraction, self.class_of(rows))

    def class_of(self, rows: Rows) -> Array | None:
        """The class of each row as a number, if the target is a class."""
        return categories(rows.column(self.targets[0]))[1] if self.kind == "class" else None

    # ---- facts

    def inputs(self, frame: "DataFrame") -> list[str]:
        """The columns that the prediction is made from."""
        return [str(name) for name in frame.columns if name not in self.targets]

    def learn(self, train: Rows) -> TableFacts:
        """Learn the columns and the target from the training rows."""
        reader = CellReader(train, self.on_error)
        if self.kind == "class":
            target = learn_classes(train, self.targets[0], self.targets[0] in self.kinds.categorical)
        elif self.kind == "labels":
            target = learn_labels(train, self.labels, reader)
        else:
            target = learn_numbers(train, self.targets, self.kinds, reader)
        columns = learn_columns(train, self._told, self.kinds, reader)
        if not columns:
            raise MisconfigurationException(f"{train.source} has no column to predict from")
        inputs, size = origins(columns), len(train.frame)
        return self.makes(columns=columns, input_columns=inputs, num_inputs=len(inputs), num_rows=size, **target)

    # ---- examples

    def examples(self, raw: Rows, train: bool) -> Examples:
        """Encode the rows; those to predict have no target."""
        facts = self.facts
        reader = CellReader(raw, self.on_error)
        numbers, codes, new = encode(reader, facts.columns)
        if new and not train:
            rank_zero_warn(f"{raw.source}: categories that training did not have, or but once: {'; '.join(new)}")
        target = None
        if raw.labelled and isinstance(facts, TableClassFacts):
            target = classes_to_tensor(reader, facts.target_columns[0], facts.classes)
        elif raw.labelled and isinstance(facts, TableLabelFacts):
            target = labels_to_tensor(reader, self.labels, facts)
        elif raw.labelled and isinstance(facts, TableNumberFacts):
            exact = read_numbers(reader, facts.target_columns)
            target = torch.from_numpy((exact - np.array(facts.target_mean)) / np.array(facts.target_scale)).float()
        reader.report()
        good = torch.from_numpy(~reader.bad)
        if not raw.labelled:
            self._predicted = ~reader.bad
        if reader.bad.any():
            numbers, codes, target = numbers[good], codes[good], None if target is None else target[good]
        if codes.shape[1] == 0:
            return TensorExamples(numbers, target)
        return MixedExamples(numbers, codes, len(facts.input_columns) - numbers.shape[1], target)

    # ---- predictions

    def read_predict(self, path: Path) -> Rows:
        """Read the rows to predict; they need the columns that the model was trained on, not the target."""
        self._asked = frame = self.read_file(path)
        return self.rows_of(frame, str(path))._replace(labelled=False)

    def read_objects(self, inputs: object) -> Rows:
        """A DataFrame, a list of dictionaries, or a single one."""
        self._asked = frame_in(inputs)
        frame = self._tidy(self._asked)
        return Rows(frame, np.arange(len(frame)), GIVEN, labelled=False)

    def read_labelled(self, inputs: object) -> Rows:
        """A table with the target, in a file or not."""
        if isinstance(inputs, str | Path):
            return self.with_target(self.rows_of(self.read_file(Path(inputs)), str(inputs)))
        return self.with_target(self.rows_of(self._tidy(inputs), GIVEN))

    def rows_of(self, frame: "DataFrame", source: str) -> Rows:
        """All rows of a table."""
        return Rows(frame, np.arange(len(frame)), source, separator=self.separator, encoding=self.encoding)

    def _tidy(self, inputs: object) -> "DataFrame":
        frame = tidy_frame(inputs)
        return self.derive(frame.apply(without, missing=list(self.missing)) if self.missing else frame)

    def read_file(self, path: Path) -> "DataFrame":
        """Read a file of the user's."""
        faults = Faults(self.on_error, str(path))
        return self.derive(read_texts(path, self.separator, self.missing, self.encoding, faults))

    def derive(self, frame: "DataFrame") -> "DataFrame":
        """Make columns of others; a subclass may."""
        return frame

    def describe(self, index: int) -> Row:
        """The number of the row among those that can be read: ``write`` copies the whole row."""
        return {NUMBER: index}

    def frame(self, rows: Sequence[Row]) -> "DataFrame":
        """The rows as they were, with the prediction (and its probability) in further columns."""
        import pandas as pd

        assert self._asked is not None
        extra = self._extra(rows)
        own = self._asked.iloc[extra.index]
        own = own.rename(columns=own_names(own.columns, extra.columns))
        texts = {n: "str" for n, values in own.items() if isinstance(values.dtype, pd.CategoricalDtype)}
        return pd.concat([own.astype(texts), extra.set_axis(own.index).infer_objects()], axis=1)

    def write(self, rows: Sequence[Row], folder: Path) -> Path:
        """Write the rows as they were, with the prediction (and its probability) in further columns.

        The row of a cell that could not be read has no prediction. If not all rows were asked for
        (``--trainer.limit_predict_batches``), those that were predicted are written.
        """
        faults = Faults("skip", str(self.predict_path))  # what there is to say of them has been said
        path = Path(str(self.predict_path))
        return write_with(path, self._extra(rows), folder, self.separator, self.encoding, faults)

    def _extra(self, rows: Sequence[Row]) -> "DataFrame":
        """What is told of each row, with its number in the table as the index."""
        import pandas as pd

        assert self._predicted is not None
        extra = pd.DataFrame(list(rows), dtype="object")
        where, numbers = np.flatnonzero(self._predicted), extra.pop(NUMBER)
        extra = extra.set_axis(where[numbers.to_numpy("int64")])
        if len(where) == len(extra) < len(self._predicted):
            whole = extra.reindex(range(len(self._predicted)))
            extra = whole.where(pd.Series(self._predicted), None)
        if self.kind == "class":
            names = {"class": "prediction"} | {f"class_{k}": f"prediction_{k}" for k in range(2, len(extra.columns))}
            extra = extra.rename(columns=names)
        return extra
