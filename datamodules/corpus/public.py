"""Public corpora to learn word vectors from."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.corpus.base import CorpusData
from datamodules.fetch import fetch
from datamodules.files.archives import members

CHECKSUMS = {  # SHA-256; of the reviews its beginning is known
    "brown": "9b275f9b3b95d7bd66ccfb7cd259f445a13bbe5d1f4107aba09fd3e8364bafa6",
    "inaugural": "7c5fb5793e31fbeae12bf1aa0ffda5336468f07cedb50654c6d31ca384e2046b",
    "movie_reviews": "a41211ae68501913",
    "state_union": "366c1dc82b2abf896f42b2ec50ba802a0141a29f75d29ca48a7a243ce5bfbe8d",
    "webtext": "9e32dbae4879464b8f420a0dc721855bb26167b720d7695588d2ca2aeadf501a",
}


class NLTKCorpora(CorpusData):
    """English corpora that NLTK distributes, 3.4 million words and punctuation marks: books, news, film reviews, chats.

    Brown is for non-commercial use, the reviews are CC BY 4.0, addresses of presidents are in the public domain.

    Args:
        names: Names of the corpora.
        **kwargs: Least count of a word, batch size and the like: see ``datamodules.corpus.base.CorpusData``.
    """

    folder = "text_corpora"
    url = "https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora/"

    def __init__(
        self, names: tuple[str, ...] = ("brown", "movie_reviews", "state_union", "webtext", "inaugural"), **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        unknown = [name for name in names if name not in CHECKSUMS]
        if unknown:
            raise MisconfigurationException(
                f"there is no corpus {unknown[0]} (data.names); there are: {', '.join(CHECKSUMS)}"
            )
        self.names = names

    def download(self) -> None:
        """Fetch the archives."""
        super().download()
        for name in self.names:
            fetch(f"{self.url}{name}.zip", self._file(name), CHECKSUMS[name])

    def _file(self, name: str) -> Path:
        packed = self.root / self.folder / f"{name}.tar.gz"
        return packed if packed.exists() else packed.with_name(f"{name}.zip")

    def lines(self) -> Iterator[str]:
        """The lines of all corpora."""
        for name in self.names:
            for file, content in members(self._file(name)):
                if not (re.fullmatch(r"brown/c[a-r]\d\d", file) if name == "brown" else file.endswith(".txt")):
                    continue
                try:
                    text = content.decode("utf-8")
                except UnicodeDecodeError:  # some presidents' addresses
                    text = content.decode("latin-1")
                for line in text.split("\n"):
                    if name == "brown":  # word/tag
                        line = " ".join(token.rpartition("/")[0] for token in line.split())
                    yield line
