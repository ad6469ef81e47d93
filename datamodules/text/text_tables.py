"""Labelled texts in tables, read row by row: CSV, TSV, JSONL and Parquet."""

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.frame import find_separator
from datamodules.files.lines import read_lines
from datamodules.text.sources import Text, Texts


class Table(Texts):
    """A CSV, TSV, JSONL or Parquet file.

    Args:
        path: The file.
        column: Column of the text.
        target: Column of the label; None if there is none.
        encoding: Encoding of the file, unless it is Parquet.
    """

    def __init__(self, path: Path, column: str, target: str | None, encoding: str = "utf-8") -> None:
        super().__init__(str(path))
        self.path, self.column, self.target, self.encoding = path, column, target, encoding

    def __iter__(self) -> Iterator[Text]:
        if not self.path.is_file():
            raise MisconfigurationException(f"there is no file {self.path}")
        rows = {".parquet": self._parquet, ".pq": self._parquet, ".jsonl": self._json, ".json": self._json}
        empty = True
        for where, row in rows.get(self.path.suffix, self._csv)():
            empty = False
            cells = []
            for name in (self.column, self.target):
                if name is not None and row.get(name) is None:
                    known = ", ".join(str(key) for key in row)
                    raise MisconfigurationException(f"{self.path}, {where}: there is no `{name}` (there is: {known})")
                cells.append(None if name is None else str(row[name]))
            text, label = cells
            if label is not None and not label.strip():
                raise MisconfigurationException(f"{self.path}, {where}: `{self.target}` is empty")
            yield Text(text or "", label, where)
        if empty:
            raise MisconfigurationException(f"{self.path} has no rows")

    def _csv(self) -> Iterator[tuple[str, dict[str, Any]]]:
        csv.field_size_limit(sys.maxsize)
        separator = find_separator(self.path)
        reader = csv.reader(read_lines(self.path, self.encoding), delimiter=separator, skipinitialspace=True)
        header = next(reader, [])
        for name in (self.column, self.target):
            if name is not None and name not in header:
                raise MisconfigurationException(
                    f"{self.path} has no column `{name}`; its header names {', '.join(header)}"
                )
        line = reader.line_num
        for row in reader:
            first, line = line + 1, reader.line_num  # a quoted text may take several lines
            if not row:
                continue
            if len(row) != len(header):
                raise MisconfigurationException(
                    f"{self.path}, line {first}: {len(row)} cells, but the header has {len(header)}"
                )
            yield f"line {first}", dict(zip(header, row, strict=True))

    def _json(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for number, line in enumerate(read_lines(self.path, self.encoding), start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise MisconfigurationException(f"{self.path}, line {number} is not JSON: {error.msg}") from error
            if not isinstance(row, dict):
                raise MisconfigurationException(f"{self.path}, line {number} is not a JSON object")
            yield f"line {number}", row

    def _parquet(self) -> Iterator[tuple[str, dict[str, Any]]]:
        import pyarrow as pa  # type: ignore[import-untyped]
        import pyarrow.parquet as pq  # type: ignore[import-untyped]

        try:
            file = pq.ParquetFile(self.path)
            number = 0
            for batch in file.iter_batches(batch_size=10_000):
                for row in batch.to_pylist():
                    number += 1
                    yield f"row {number}", row
        except (pa.ArrowInvalid, OSError) as error:
            reason = str(error).splitlines()[0]
            raise MisconfigurationException(f"{self.path} is not a whole Parquet file: {reason}") from error
