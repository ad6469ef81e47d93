"""Plain text of the user's own to learn word vectors from."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.corpus.base import CorpusData
from datamodules.files.faults import Faults
from datamodules.files.opening import read_lines, suffix_of


class Corpus(CorpusData):
    """Plain text of your own: a ``.txt`` file, or a folder of them.

    Args:
        path: File or folder.
        boundary: Whether a context ends with its ``line``, or goes on to the next blank one (``paragraph``), as in text
            whose lines are broken by hand.
        **kwargs: Least count of a word, batch size and the like: see ``datamodules.corpus.base.CorpusData``.
    """

    def __init__(self, path: str, boundary: Literal["line", "paragraph"] = "line", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.path, self.boundary = Path(path), boundary
        self._told = False

    @property
    def sources(self) -> Sequence[Path]:
        """The file or folder."""
        return (self.path,)

    def lines(self) -> Iterator[str]:
        """The lines, or paragraphs, of all files in the order of their names."""
        files = self._files()
        faults = Faults(self.on_error, str(self.path))
        for file in files:
            paragraph: list[str] = []
            with faults:
                for line in read_lines(file, self.encoding):
                    if self.boundary == "line":
                        yield line
                    elif line.strip():
                        paragraph.append(line)
                    else:
                        yield " ".join(paragraph)
                        paragraph = []
            yield " ".join(paragraph)
        if not self._told:
            faults.report(len(files), "files")
        self._told = True

    def _files(self) -> list[Path]:
        if not self.path.is_dir():
            files = [self.path] if self.path.exists() else []
        else:
            files = [
                path
                for path in sorted(self.path.rglob("*"))
                if path.is_file()
                and suffix_of(path) == ".txt"
                and path.stat().st_size
                and not any(part[0] == "." for part in path.relative_to(self.path).parts)
            ]
        if not files:
            raise MisconfigurationException(f"there is no text at {self.path} (a .txt file, or a folder of them)")
        return files
