"""What all data for word embeddings have in common: words by frequency, text as a stream of them, tests of vectors."""

import re
from abc import ABC, abstractmethod
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info
from torch import Tensor

from datamodules.corpus.examples import Blocks, Questions, Stream, Whole, WordList
from datamodules.data import Data, Row
from datamodules.files.fetch import fetch
from datamodules.files.lines import read_lines

WORD = re.compile(r"\w+(?:['\u2019-]\w+)*")


class WordData(Data[list[str]], ABC):
    """Base of the datamodules of word embeddings. A subclass writes ``lines``.

    Words are runs of letters and digits, with the hyphens and apostrophes within; everything else is left out. They are
    read twice, line by line, and kept as numbers. ``leyden test`` compares the vectors with WordSim-353 (Finkelstein et
    al. 2002), SimLex-999 (Hill et al. 2015) and the Google analogies (Mikolov et al. 2013) in ``root/word_eval/``.

    Facts: the ``words`` in order of frequency (the first, empty, is padding) and their ``word_counts``.

    Args:
        root: Folder of datasets; ``$LEYDEN_DATA``, else ``data``, if not given.
        batch_size: Blocks of words in a batch, per process.
        num_workers: Processes that load batches; 0 loads them in the training process.
        predict_path: Words, one a line, whose nearest neighbours to find.
        text: One word whose nearest neighbours to find, instead of ``predict_path``.
        min_count: Times that a word must occur to get a vector.
        subsample: Share of the text above which a word is left out at random; 0 keeps every word.
        block: Words in a block.
        val_fraction: Share of the blocks on which the loss is validated.
        lowercase: Whether to forget the case.
    """

    facts: ClassVar[tuple[str, ...]] = ("words", "word_counts")
    ADDRESS: ClassVar[str] = "https://raw.githubusercontent.com/RaRe-Technologies/gensim/develop/gensim/test/test_data/"
    EVALUATION: ClassVar[dict[str, str]] = {"wordsim353": "wordsim353.tsv", "simlex999": "simlex999.txt"}
    ANALOGIES: ClassVar[str] = "questions-words.txt"

    def __init__(
        self,
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
        super().__init__(root, batch_size, num_workers, predict_path)
        self.text, self.min_count, self.subsample, self.block = text, min_count, subsample, block
        self.val_fraction, self.lowercase = val_fraction, lowercase
        self.words: list[str]
        self.word_counts: list[int]

    @abstractmethod
    def lines(self) -> Iterator[str]:
        """The text line by line: no word's context goes beyond its line."""

    def download(self) -> None:
        """Fetch what the vectors are tested on."""
        for name in (*self.EVALUATION.values(), self.ANALOGIES):
            fetch(self.ADDRESS + name, self.root / "word_eval" / name)

    def _words(self) -> Iterator[list[str]]:
        for line in self.lines():
            yield WORD.findall(line.lower() if self.lowercase else line)

    # ---- the base class asks for strings; here the text itself is read only when it becomes numbers

    def read(self, split: str) -> list[str]:
        """Name the split."""
        return [split]

    def learn(self, train: list[str]) -> None:
        """Count the words."""
        counts: Counter[str] = Counter()
        for words in self._words():
            counts.update(words)
        kept = sorted((-count, word) for word, count in counts.items() if count >= self.min_count)
        if len(kept) < 2:
            raise MisconfigurationException(
                f"{len(kept)} of {len(counts)} words occur {self.min_count} times or more (data.min_count): "
                "that is no vocabulary"
            )
        self.words = ["", *(word for _, word in kept)]
        self.word_counts = [0, *(-count for count, _ in kept)]
        rank_zero_info(f"{counts.total():,} words, {len(counts):,} different ones, {len(kept):,} of them get vectors")

    def examples(self, raw: list[str], train: bool) -> Blocks | Whole | WordList:  # type: ignore[override]
        """Make the dataset of a split."""
        ids = {word: index for index, word in enumerate(self.words)}
        if raw[0] == "test":
            return Whole(self.questions(ids))
        if raw[0] == "predict":
            return WordList(raw[1:], [ids.get(word.lower() if self.lowercase else word, 0) for word in raw[1:]])
        stream = self._numbers(ids)
        num_blocks = -(-len(stream) // self.block)
        # The last blocks are for validation: all of them have their neighbours in training otherwise.
        first = (num_blocks - max(1, round(self.val_fraction * num_blocks))) * self.block
        part = stream[:first] if train else stream[first:]
        if not len(part):
            raise MisconfigurationException(f"{len(stream)} words do not fill two blocks of {self.block} (data.block)")
        counts = torch.tensor(self.word_counts, dtype=torch.float)
        share = counts / counts.sum() / self.subsample if self.subsample and train else torch.zeros(len(counts))
        keep = torch.where(share > 0, share.rsqrt() + 1 / share, torch.inf)  # as the authors' program has it
        return Blocks(Stream(part, keep), self.block, self.seed)

    def _numbers(self, ids: dict[str, int]) -> Tensor:
        stream = array("i")
        for words in self._words():
            stream.extend(ids[word] for word in words if word in ids)
            if stream and stream[-1]:
                stream.append(0)
        return torch.frombuffer(stream, dtype=torch.int32)

    # ---- what vectors are asked

    def questions(self, ids: dict[str, int]) -> Questions:
        """Read the evaluation sets."""
        folder = self.root / "word_eval"
        similarity = []
        for name, file in self.EVALUATION.items():
            rows = [line.split("\t") for line in read_lines(folder / file) if not line.startswith("#")]
            known = [
                (ids[a.lower()], ids[b.lower()], float(s)) for a, b, s in rows if {a.lower(), b.lower()} <= ids.keys()
            ]
            rank_zero_info(f"{file}: {len(known)} of {len(rows)} pairs have known words")
            pairs = torch.tensor([row[:2] for row in known], dtype=torch.long).reshape(-1, 2)
            similarity.append((name, pairs, torch.tensor([row[2] for row in known])))
        lines = [line.lower().split() for line in read_lines(folder / self.ANALOGIES) if not line.startswith(":")]
        analogies = [[ids[word] for word in line] for line in lines if len(line) == 4 and all(w in ids for w in line)]
        rank_zero_info(f"{self.ANALOGIES}: {len(analogies)} of {len(lines)} analogies have known words")
        return Questions(similarity, torch.tensor(analogies, dtype=torch.long).reshape(-1, 4))

    def read_given(self, text: str) -> list[str]:
        """One word."""
        return ["predict", text]

    def read_predict(self, path: Path) -> list[str]:
        """Read words, one a line."""
        return ["predict", *(line.strip() for line in read_lines(path))]

    def describe(self, index: int) -> Row:
        """The word."""
        examples = self.datasets["predict"]
        assert isinstance(examples, WordList)
        return {"word": examples.words[index]}
