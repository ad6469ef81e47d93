"""Reading labelled texts from files, one after the other, so that they need not fit into memory."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor

from datamodules.files.lines import read_lines


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
        names: Names of the classes by their labels, of those that have another.
    """

    def __init__(
        self,
        path: Path,
        encoding: str = "utf-8",
        labelled: bool = False,
        coarse: bool = False,
        names: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(str(path))
        self.path, self.encoding, self.labelled, self.coarse, self.names = path, encoding, labelled, coarse, names

    def __iter__(self) -> Iterator[Text]:
        for number, line in enumerate(read_lines(self.path, self.encoding), start=1):
            where, line = f"line {number}", line.rstrip("\r\n")
            if not self.labelled:
                yield Text(line, None, where)
                continue
            label, space, text = line.partition(" ")
            if not space or not label:
                raise MisconfigurationException(f"{self.path}, {where}: it is not a label, a space and a text")
            label = label.partition(":")[0] if self.coarse else label
            yield Text(text, self.names.get(label, label), where)


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
