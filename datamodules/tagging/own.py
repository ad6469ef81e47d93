"""The user's own tagged sentences: columns, CoNLL-U, or tables."""

from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.splits import SPLITS
from datamodules.tagging.base import Tagging
from datamodules.tagging.conll import Sentence
from datamodules.tagging.reading import ReadOptions, read_tagged


class Columns(Tagging):
    """The user's own files: a word a line and its tag in another column, a blank line after each sentence; CoNLL-U; or
    tables (CSV, JSON, Parquet, Excel) with lists of words and tags in a row, or a word and its tag.

    Args:
        path: A file, or a folder whose files start with ``train``, ``dev`` (or ``val``) and ``test``. What is missing
            is split off the training sentences by the seed.
        word: Column of the word: a number from 0, or a name if the file names its columns. If not given, the first, or
            one of a usual name (``token``, ``tokens``, ``word``, ...).
        target: Column of the tag, as ``word``; for CoNLL-U ``upos``, ``xpos`` or a feature such as ``Number``. If not
            given, the last, or one of a usual name (``tag``, ``tags``, ``ner_tags``, ``label``, ...); ``upos``.
        sentence: Column that tells the sentences apart, of a table with a word a row; one of a usual name
            (``sentence_id``, ...) if not given. Without one there is a blank row after each sentence.
        val_fraction: Share of the sentences for validation, if there is no file of them.
        test_fraction: Share of the sentences for testing, if there is no file of them.
        **kwargs: Scheme, tokenizer, batch size and the like: see ``datamodules.tagging.base.Tagging``.
    """

    changeable = frozenset({"word", "sentence"})

    def __init__(
        self,
        path: str,
        word: int | str | None = None,
        target: int | str | None = None,
        sentence: int | str | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path, self.val_fraction, self.test_fraction = Path(path), val_fraction, test_fraction
        self.options = ReadOptions(word, target, sentence, self.encoding, self.on_error)

    @property
    def sources(self) -> list[Path]:
        """The file or folder."""
        return [self.path]

    def read(self, split: str) -> list[Sentence]:
        """Read a split's file, or split the training file."""
        file = self._find(split)
        if split != "train" and file is not None:
            return read_tagged(file, self.options)
        train = self._find("train")
        if train is None:
            raise MisconfigurationException(f"{self.path}: there is no file that starts with train")
        sentences = read_tagged(train, self.options)
        sentences = self.conforming(sentences, self.scheme_of(sentences))  # as a whole, before its parts
        val = 0.0 if self._find("val") else self.val_fraction
        test = 0.0 if self._find("test") else self.test_fraction
        names = self.assign_splits(len(sentences), val, test)
        return [sentence for sentence, name in zip(sentences, names, strict=True) if SPLITS[name] == split]

    def _find(self, split: str) -> Path | None:
        if not self.path.exists():
            raise MisconfigurationException(f"--data.path {self.path}: there is no such file or folder")
        if self.path.is_file():
            return self.path if split == "train" else None
        starts = ("dev", "val") if split == "val" else (split,)
        return next((p for p in sorted(self.path.iterdir()) if p.name.lower().startswith(starts)), None)
