"""The user's own tagged sentences, in columns or CoNLL-U."""

from pathlib import Path
from typing import Literal

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.splits import part_of
from datamodules.tagging import conll
from datamodules.tagging.base import Scheme, Tagging
from datamodules.tagging.conll import Sentence


class Columns(Tagging):
    """The user's own files: one word a line, its tag in another column, a blank line after each sentence; or CoNLL-U.

    Args:
        path: A file, or a folder whose files start with ``train``, ``dev`` (or ``val``) and ``test``. What is missing
            is split off the training sentences, a tenth each, by the seed. ``.gz`` is fine.
        word: Column of the word, from 0.
        target: Column of the tag (-1 is the last); for CoNLL-U ``upos``, ``xpos`` or a feature such as ``Number``. None
            for text without tags, from which an ``HMMTagger`` finds classes of words by itself.
        root: Not needed.
        batch_size: Sentences in a batch, per process.
        num_workers: Processes that load batches.
        predict_path: Sentences without tags: CoNLL-U, columns, or text with a sentence a line.
        lower: Look words up in lower case and with all digits the same.
        chunks: The scheme that chunks are learned in.
        scheme: Scheme of the files; ``none`` if the tags only look like chunks.
        tokenizer: Name or folder of a pretrained tokenizer: batches are then in its word pieces.
        max_pieces: Longest window of word pieces, with a tokenizer.
    """

    def __init__(
        self,
        path: str,
        word: int = 0,
        target: int | str | None = -1,
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
        lower: bool = True,
        chunks: Literal["IOB2", "BIOES"] = "IOB2",
        scheme: Scheme = "auto",
        tokenizer: str | None = None,
        max_pieces: int = 512,
    ) -> None:
        super().__init__(root, batch_size, num_workers, predict_path, lower, chunks, scheme, tokenizer, max_pieces)
        self.path, self.word, self.target = Path(path), word, target

    def read(self, split: str) -> list[Sentence]:
        """Read a split's file, or split the training file."""
        file = self._find(split)
        if split != "train" and file is not None:
            return self._read_file(file)
        train = self._find("train")
        if train is None:
            raise MisconfigurationException(f"{self.path}: there is no file that starts with train")
        sentences = self._read_file(train)
        missing = {name: 0.1 for name in ("test", "val") if self._find(name) is None}
        return [sentences[i] for i in part_of(split, missing, len(sentences), self.seed)]

    def _find(self, split: str) -> Path | None:
        if not self.path.exists():
            raise MisconfigurationException(f"--data.path {self.path}: there is no such file or folder")
        if self.path.is_file():
            return self.path if split == "train" else None
        starts = ("dev", "val") if split == "val" else (split,)
        return next((p for p in sorted(self.path.iterdir()) if p.name.lower().startswith(starts)), None)

    def _read_file(self, path: Path) -> list[Sentence]:
        if self.target is None:
            return self.read_untagged(path)
        if conll.is_conllu(path):
            return conll.read_conllu(path, self.target if isinstance(self.target, str) else "upos")
        if isinstance(self.target, str):
            raise MisconfigurationException(f"--data.target {self.target}: columns of {path} have numbers, not names")
        return conll.read_columns(path, self.word, self.target)

    def read_untagged(self, path: Path) -> list[Sentence]:
        """Words from the column that the user named."""
        return conll.read_untagged(path, self.word)
