"""Sources of labelled texts, read one after the other, so that they need not fit into memory."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from datamodules.files.faults import Faults, OnError
from datamodules.files.forms import JSON
from datamodules.files.opening import read_lines, suffix_of
from datamodules.files.rows import read_rows, require
from datamodules.targets import ClassTarget, Target, composed
from datamodules.types import Array, Row


class Text(NamedTuple):
    """A text.

    Attributes:
        text: The text itself.
        label: What is to be predicted of it, as ``datamodules.targets`` reads it; None if unknown.
        where: Line of the file, or name of the file, for messages.
        row: Columns by which the user knows it again.
        second: The other text of a pair.
    """

    text: str
    label: Any
    where: str
    row: Row
    second: str | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """The text, or both of a pair."""
        return (self.text,) if self.second is None else (self.text, self.second)


class Texts(ABC):
    """Texts that can be read again and again.

    Args:
        source: File or folder, for messages.
    """

    def __init__(self, source: str) -> None:
        self.source = source
        self._told = False

    @abstractmethod
    def __iter__(self) -> Iterator[Text]:
        """The texts in the order of the source."""

    def tell(self, faults: Faults, total: int) -> None:
        """Say what was left out, once, though texts are read several times."""
        if not self._told:
            faults.report(total, "texts")
        self._told = True


class TextList(Texts):
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


class TextSubset(Texts):
    """Some of the texts.

    Args:
        texts: All of them.
        kept: Mask ``(texts)``, true for those.
    """

    def __init__(self, texts: Texts, kept: Array) -> None:
        super().__init__(texts.source)
        self.texts, self.kept = texts, kept

    def __iter__(self) -> Iterator[Text]:
        return (text for text, keep in zip(self.texts, self.kept.tolist(), strict=True) if keep)


class TextLines(Texts):
    """A text a line; blank lines are texts too.

    Args:
        path: The file.
        encoding: Its encoding; see ``datamodules.files.opening``.
        labelled: Whether a line begins with the label and a space, as in ``LOC:city Where is Aspen ?``.
        coarse: Whether a label ends at its colon.
        names: Names of the classes by their labels, of those that have another.
    """

    def __init__(
        self,
        path: Path,
        encoding: str | None = None,
        labelled: bool = False,
        coarse: bool = False,
        names: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(str(path))
        self.path, self.encoding, self.labelled, self.coarse, self.names = path, encoding, labelled, coarse, names

    def __iter__(self) -> Iterator[Text]:
        for number, line in enumerate(read_lines(self.path, self.encoding), start=1):
            where = f"line {number}"
            if not self.labelled:
                yield Text(line, None, where, {"text": line})
                continue
            label, space, text = line.partition(" ")
            if not space or not label:
                raise MisconfigurationException(f"{self.path}, {where}: it is not a label, a space and a text")
            label = label.partition(":")[0] if self.coarse else label
            yield Text(text, self.names.get(label, label), where, {"text": text})


class TextFiles(Texts):
    """A ``.txt`` file a text, in a folder for each class.

    Args:
        path: The folder that holds the classes' folders, or the texts if there are no labels.
        encoding: Encoding of the files; see ``datamodules.files.opening``.
        labelled: Whether there are folders for the classes.
        on_error: Whether a file that cannot be read is left out.
    """

    def __init__(
        self, path: Path, encoding: str | None = None, labelled: bool = True, on_error: OnError = "stop"
    ) -> None:
        super().__init__(str(path))
        self.path, self.encoding, self.labelled, self.on_error = path, encoding, labelled, on_error

    def __iter__(self) -> Iterator[Text]:
        names = [file.relative_to(self.path) for file in sorted(self.path.rglob("*")) if file.is_file()]
        names = [name for name in names if not any(part[0] == "." or part == "__MACOSX" for part in name.parts)]
        names = [name for name in names if not self.labelled or len(name.parts) > 1]
        texts = [name for name in names if suffix_of(name) == ".txt"]
        others = [name for name in names if suffix_of(name) != ".txt"]
        if not texts:
            there = f" (but {others[0]})" if others else ""
            raise MisconfigurationException(
                f"{self.path} holds no {'<class>/*.txt' if self.labelled else '*.txt'} files{there}"
            )
        faults = Faults(self.on_error, self.source)
        for name in texts:
            with faults:
                file = self.path / name
                text = "\n".join(read_lines(file, self.encoding)) if file.stat().st_size else ""  # which is a text too
                label = composed(name.parts[0]) if self.labelled else None
                yield Text(text, label, str(name), {"file": str(name), "text": text})
        if others and not self._told:
            rank_zero_warn(f"{self.path}: {len(others)} files that are not .txt are left out, such as {others[0]}")
        self.tell(faults, len(texts))


class TableTexts(Texts):
    """Texts in a column of a table: CSV in any dialect, JSON, Parquet or Excel.

    Args:
        path: The file.
        column: Column of the text, or those of a pair of texts; nothing there is an empty text.
        target: Column of the class, or what else is to be predicted; None if it is not there.
        encoding: Encoding of a text file; see ``datamodules.files.opening``.
        separator: Between the cells; told from the file if None.
        on_error: Whether a row that cannot be used is left out.
    """

    def __init__(
        self,
        path: Path,
        column: str | Sequence[str],
        target: str | Target | None = None,
        encoding: str | None = None,
        separator: str | None = None,
        on_error: OnError = "stop",
    ) -> None:
        super().__init__(str(path))
        self.path, self.columns = path, [column] if isinstance(column, str) else column
        self.target = ClassTarget([target]) if isinstance(target, str) else target
        self.encoding, self.separator, self.on_error = encoding, separator, on_error

    def __iter__(self) -> Iterator[Text]:
        faults, good = Faults(self.on_error, self.source), 0
        needed = [*self.columns, *([] if self.target is None else self.target.columns)]
        for where, row in read_rows(self.path, self.encoding, self.separator, faults):
            if not good and suffix_of(self.path) not in JSON:  # where each row has its own keys
                require(self.path, needed, row, self.separator)
            with faults:
                absent = next((name for name in needed if name not in row), None)
                if absent is not None:
                    known = ", ".join(map(str, row))
                    raise MisconfigurationException(f"{self.path}, {where}: there is no `{absent}` (there is: {known})")
                text = text_in(row, self.columns, self.target, self.source, where)
                good += 1
                yield text
        self.tell(faults, good + faults.count)


def text_in(row: Row, columns: Sequence[str], target: Target | None, source: str, where: str) -> Text:
    """The text, or the pair of texts, of a row, with what is to be predicted if that is there."""
    text, *second = ("" if row[name] is None else str(row[name]) for name in columns)
    return Text(text, None if target is None else target.read(row, f"{source}, {where}"), where, row, *second)
