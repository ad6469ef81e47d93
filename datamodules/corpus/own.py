"""Plain text to learn word vectors from: the user's own, NLTK's corpora."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.corpus.base import WordData
from datamodules.files.archives import members
from datamodules.files.fetch import fetch
from datamodules.files.lines import read_lines


class Corpus(WordData):
    """Plain text of your own: a ``.txt`` file, or a folder of them.

    Args:
        path: File or folder.
        encoding: Encoding of the files.
        boundary: Whether a context ends with its ``line``, or goes on to the next blank one (``paragraph``), as in text
            whose lines are broken by hand.
        root: Folder of datasets, where ``word_eval`` lies; ``$LEYDEN_DATA``, else ``data``, if not given.
        batch_size: Blocks of words in a batch, per process.
        num_workers: Processes that load batches.
        predict_path: Words, one a line, whose nearest neighbours to find.
        text: One word whose nearest neighbours to find, instead of ``predict_path``.
        min_count: Times that a word must occur to get a vector.
        subsample: Share of the text above which a word is left out at random; 0 keeps every word.
        block: Words in a block.
        val_fraction: Share of the blocks on which the loss is validated.
        lowercase: Whether to forget the case.
    """

    def __init__(
        self,
        path: str,
        encoding: str = "utf-8",
        boundary: Literal["line", "paragraph"] = "line",
        root: str | None = None,
        batch_size: int = 8,
        num_workers: int = 0,
        predict_path: str | None = None,
        text: str | None = None,
        min_count: int = 5,
        subsample: float = 1e-3,
        block: int = 500,
        val_fraction: float = 0.01,
        lowercase: bool = True,
    ) -> None:
        super().__init__(
            root, batch_size, num_workers, predict_path, text, min_count, subsample, block, val_fraction, lowercase
        )
        self.path, self.encoding, self.boundary = Path(path), encoding, boundary

    def lines(self) -> Iterator[str]:
        """The lines, or paragraphs, of all files in the order of their names."""
        files = sorted(self.path.rglob("*.txt")) if self.path.is_dir() else [self.path]
        if not files or not files[0].exists():
            raise MisconfigurationException(f"there is no text at {self.path} (a .txt file, or a folder of them)")
        for file in files:
            if self.boundary == "line":
                yield from read_lines(file, self.encoding)
                continue
            paragraph: list[str] = []
            for line in read_lines(file, self.encoding):
                if not line.strip():
                    yield " ".join(paragraph)
                    paragraph = []
                paragraph.append(line)
            yield " ".join(paragraph)


class NLTKCorpora(WordData):
    """English corpora that NLTK distributes, 3.4 million words and punctuation marks: books, news, film reviews, chats.

    Archives (``.zip`` or ``.tar.gz``) in ``root/text_corpora/``. Brown is for non-commercial use, the reviews are CC BY
    4.0, addresses of presidents are in the public domain.

    Args:
        names: Names of the corpora.
        root: Folder of datasets; ``$LEYDEN_DATA``, else ``data``, if not given.
        batch_size: Blocks of words in a batch, per process.
        num_workers: Processes that load batches.
        predict_path: Words, one a line, whose nearest neighbours to find.
        text: One word whose nearest neighbours to find, instead of ``predict_path``.
        min_count: Times that a word must occur to get a vector.
        subsample: Share of the text above which a word is left out at random; 0 keeps every word.
        block: Words in a block.
        val_fraction: Share of the blocks on which the loss is validated.
        lowercase: Whether to forget the case.
    """

    CORPORA = "https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora/"

    def __init__(
        self,
        names: tuple[str, ...] = ("brown", "movie_reviews", "state_union", "webtext", "inaugural"),
        root: str | None = None,
        batch_size: int = 8,
        num_workers: int = 0,
        predict_path: str | None = None,
        text: str | None = None,
        min_count: int = 5,
        subsample: float = 1e-3,
        block: int = 500,
        val_fraction: float = 0.01,
        lowercase: bool = True,
    ) -> None:
        super().__init__(
            root, batch_size, num_workers, predict_path, text, min_count, subsample, block, val_fraction, lowercase
        )
        self.names = names

    def _file(self, name: str) -> Path:
        packed = self.root / "text_corpora" / f"{name}.tar.gz"
        return packed if packed.exists() else packed.with_name(f"{name}.zip")

    def download(self) -> None:
        """Fetch the archives, and what the vectors are tested on."""
        super().download()
        for name in self.names:
            fetch(f"{self.CORPORA}{name}.zip", self._file(name))

    def lines(self) -> Iterator[str]:
        """The lines of all corpora."""
        for name in self.names:
            for file, content in members(self._file(name)):
                if not _is_text(name, file):
                    continue
                try:
                    text = content.decode("utf-8")
                except UnicodeDecodeError:  # some presidents' addresses
                    text = content.decode("latin-1")
                for line in text.split("\n"):
                    if name == "brown":  # word/tag
                        line = " ".join(token.rpartition("/")[0] for token in line.split())
                    yield line


def _is_text(corpus: str, file: str) -> bool:
    if corpus == "brown":
        return re.fullmatch(r"brown/c[a-r]\d\d", file) is not None
    return file.endswith(".txt")
