"""Reading labelled texts from files, one after the other, so that they need not fit into memory."""

import csv
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor

from datamodules.table_files import find_separator


class Text(NamedTuple):
    """A text.

    Attributes:
        text: The text itself.
        label: Name of its class; None if unknown.
        where: Line of the file, or name of the file, for messages.
    """

    text: str
    label: str | None
    where: str


class Texts(ABC):
    """Texts that can be read again and again.

    Args:
        source: File or folder, for messages.
    """

    def __init__(self, source: str) -> None:
        self.source = source

    @abstractmethod
    def __iter__(self) -> Iterator[Text]:
        """The texts in the order of the source."""


class Given(Texts):
    """Texts that are in memory.

    Args:
        source: Where they come from, for messages.
        texts: The texts.
    """

    def __init__(self, source: str, texts: list[Text]) -> None:
        super().__init__(source)
        self.texts = texts

    def __iter__(self) -> Iterator[Text]:
        yield from self.texts


class Part(Texts):
    """Some of the texts.

    Args:
        texts: All of them.
        kept: Mask ``(texts)``, true for those.
    """

    def __init__(self, texts: Texts, kept: Tensor) -> None:
        super().__init__(texts.source)
        self.texts, self.kept = texts, kept

    def __iter__(self) -> Iterator[Text]:
        return (text for text, keep in zip(self.texts, self.kept.tolist(), strict=True) if keep)


class Lines(Texts):
    """A text a line; blank lines are texts too.

    Args:
        path: The file.
        encoding: Its encoding.
        labelled: Whether a line begins with the label and a space, as in ``LOC:city Where is Aspen ?``.
        coarse: Whether a label ends at its colon.
    """

    def __init__(self, path: Path, encoding: str = "utf-8", labelled: bool = False, coarse: bool = False) -> None:
        super().__init__(str(path))
        self.path, self.encoding, self.labelled, self.coarse = path, encoding, labelled, coarse

    def __iter__(self) -> Iterator[Text]:
        for number, line in enumerate(read_lines(self.path, self.encoding), start=1):
            where, line = f"line {number}", line.rstrip("\r\n")
            if not self.labelled:
                yield Text(line, None, where)
                continue
            label, space, text = line.partition(" ")
            if not space or not label:
                raise MisconfigurationException(f"{self.path}, {where}: it is not a label, a space and a text")
            yield Text(text, label.partition(":")[0] if self.coarse else label, where)


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


class Folder(Texts):
    """A file a text, in a folder for each class.

    Args:
        path: The folder that holds the classes' folders, or the texts if there are no labels.
        encoding: Encoding of the files.
        labelled: Whether there are folders for the classes.
    """

    def __init__(self, path: Path, encoding: str = "utf-8", labelled: bool = True) -> None:
        super().__init__(str(path))
        self.path, self.encoding, self.labelled = path, encoding, labelled

    def __iter__(self) -> Iterator[Text]:
        files = sorted(self.path.glob("*/*.txt" if self.labelled else "**/*.txt"))
        if not files:
            raise MisconfigurationException(
                f"{self.path} holds no {'<class>/*.txt' if self.labelled else '*.txt'} files"
            )
        for file in files:
            name = str(file.relative_to(self.path))
            yield Text("".join(read_lines(file, self.encoding)), file.parent.name if self.labelled else None, name)


def read_lines(path: Path, encoding: str = "utf-8") -> Iterator[str]:
    """Lines of a file with their ends; only a line feed ends a line.

    Raises:
        MisconfigurationException: If the file is not in that encoding, or there is no such encoding.
    """
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"  # a byte-order mark is no text
    number = 0
    try:
        with path.open(encoding=encoding, newline="\n") as file:
            for line in file:
                number += 1
                yield line
    except LookupError as error:
        raise MisconfigurationException(f"there is no encoding `{encoding}`") from error
    except UnicodeError as error:
        name = encoding.removesuffix("-sig").upper()
        reason = getattr(error, "reason", error)
        number, byte = _undecodable(path, encoding) or (number + 1, "a byte")
        raise MisconfigurationException(
            f"{path}, line {number}: {byte} is not {name} ({reason}); say how the file is encoded, "
            "for instance `--data.encoding latin-1`"
        ) from error


def _undecodable(path: Path, encoding: str) -> tuple[int, str] | None:
    with path.open("rb") as file:  # a file is decoded in blocks, so the error does not know its line
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                return number, f"byte 0x{line[error.start]:02x}"
    return None
