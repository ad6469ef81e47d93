"""What all data for word embeddings have in common: words by frequency, text as a stream of them, tests of vectors."""

from abc import ABC, abstractmethod
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn
from torch import Tensor

from datamodules.corpus.examples import QuestionList, WordBlocks, WordList, WordStream
from datamodules.corpus.word_lists import FOLDER, fetch_word_lists, read_questions
from datamodules.data import Data, check_least
from datamodules.files.objects import texts_in
from datamodules.files.opening import read_lines
from datamodules.tokens import find_words, num_unspaced
from datamodules.types import CorpusFacts, Row, TypedText


class CorpusPart(NamedTuple):
    """What a dataset is made of: the name of a split, whose text is read when it becomes numbers; or words.

    Attributes:
        split: ``train``, ``val`` or ``test``; empty for words.
        words: Words whose neighbours are asked for.
    """

    split: str
    words: list[str]


class CorpusData(Data[CorpusPart, CorpusFacts], ABC):
    """Base of the datamodules of word embeddings. A subclass writes ``lines``.

    Words are runs of letters and digits, with the hyphens and apostrophes within; everything else is left out. They are
    read twice, line by line, and kept as numbers. The last blocks are for validation.

    Args:
        text: One word whose nearest neighbours to find, instead of ``predict_path``: words, one a line.
        min_count: Times that a word must occur to get a vector.
        subsample: Share of the text above which a word is left out at random; 0 keeps every word.
        block: Words in a block.
        val_fraction: Share of the blocks on which the loss is validated.
        lowercase: Whether to forget the case.
        word_lists: Whether ``leyden test`` compares the vectors with what people said of English words: WordSim-353
            (Finkelstein et al. 2002), SimLex-999 (Hill et al. 2015) and the Google analogies (Mikolov et al. 2013),
            which it fetches into ``root/word_eval/``. If not, it tells the loss on the blocks for validation.
        batch_size: Blocks of words in a batch, per process.
        **kwargs: Workers, encoding and the like: see ``datamodules.data.Data``.
    """

    makes = CorpusFacts
    str_is_text = True
    changeable = frozenset({"subsample", "word_lists"})

    def __init__(
        self,
        text: TypedText | None = None,
        min_count: int = 5,
        subsample: float = 1e-3,
        block: int = 500,
        val_fraction: float = 0.01,
        lowercase: bool = True,
        word_lists: bool = True,
        batch_size: int = 8,
        **kwargs: Any,
    ) -> None:
        super().__init__(batch_size=batch_size, **kwargs)
        check_least(1, min_count=min_count, block=block)
        check_least(0, subsample=subsample)
        if not 0 < val_fraction < 1:
            raise MisconfigurationException(f"data.val_fraction is {val_fraction}; it must lie between 0 and 1")
        self.text, self.min_count, self.subsample, self.block = text, min_count, subsample, block
        self.val_fraction, self.lowercase, self.word_lists = val_fraction, lowercase, word_lists

    @abstractmethod
    def lines(self) -> Iterator[str]:
        """The text line by line: no word's context goes beyond its line."""

    def download(self) -> None:
        """Fetch the text; and what the vectors are tested on, if they are to be tested."""
        super().download()
        if self.word_lists and (self.trainer is None or self.trainer.testing):
            fetch_word_lists(self.root)

    def _find(self, text: str) -> list[str]:
        return find_words(text.lower() if self.lowercase else text)

    def _words(self) -> Iterator[list[str]]:
        return map(self._find, self.lines())

    def read(self, split: str) -> CorpusPart:
        """Name the split."""
        return CorpusPart(split, [])

    def learn(self, train: CorpusPart) -> CorpusFacts:
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
        rank_zero_info(f"{counts.total():,} words, {len(counts):,} different ones, {len(kept):,} of them get vectors")
        unspaced = sum(count for word, count in counts.items() if num_unspaced(word))
        if unspaced > counts.total() / 5:
            rank_zero_warn(
                "this text is written without spaces, so each character is taken for a word; for vectors of words, "
                "put spaces between them"
            )
        return CorpusFacts(words=["", *(word for _, word in kept)], word_counts=[0, *(-count for count, _ in kept)])

    def examples(self, raw: CorpusPart, train: bool) -> WordBlocks | QuestionList | WordList:
        """Make the dataset of a split."""
        ids = {word: index for index, word in enumerate(self.facts.words)}
        if not raw.split:
            return self._word_list(raw.words, ids)
        if raw.split == "test" and self.word_lists:
            return QuestionList(read_questions(self.root / FOLDER, ids))
        stream = self._numbers(ids)
        num_blocks = -(-len(stream) // self.block)
        # The last blocks are for validation: all of them have their neighbours in training otherwise.
        first = (num_blocks - max(1, round(self.val_fraction * num_blocks))) * self.block
        if first > 2 * self.block and not _has_neighbours(stream[first:]):  # a block that has hardly begun
            first -= self.block
        part = stream[:first] if train else stream[first:]
        if not len(part):
            raise MisconfigurationException(f"{len(stream)} words do not fill two blocks of {self.block} (data.block)")
        if not _has_neighbours(part):
            why = "so there are no neighbours; if the text has a word a line, say --data.boundary paragraph"
            if train:
                raise MisconfigurationException(f"no two known words stand in one line of the training text, {why}")
            rank_zero_warn(f"no two known words stand in one line of the validation text, {why}; its loss is NaN")
        counts = torch.tensor(self.facts.word_counts, dtype=torch.float)
        share = counts / counts.sum() / self.subsample if self.subsample and train else torch.zeros(len(counts))
        keep = torch.where(share > 0, share.rsqrt() + 1 / share, torch.inf)  # as the authors' program has it
        return WordBlocks(WordStream(part, keep), self.block, self.seed)

    def _numbers(self, ids: dict[str, int]) -> Tensor:
        stream = array("i")
        for words in self._words():
            stream.extend(ids[word] for word in words if word in ids)
            if stream and stream[-1]:
                stream.append(0)
        return torch.frombuffer(stream, dtype=torch.int32) if stream else torch.zeros(0, dtype=torch.int32)

    # ---- predictions

    def read_given(self, text: str) -> CorpusPart:
        """One word."""
        return CorpusPart("", [text])

    def read_predict(self, path: Path) -> CorpusPart:
        """Read words, one a line."""
        return CorpusPart("", [line.strip() for line in read_lines(path, self.encoding)])

    def read_objects(self, inputs: object) -> CorpusPart:
        """A word, or a list of words."""
        return CorpusPart("", texts_in(inputs, "word", "word")[0])

    def _word_list(self, words: list[str], ids: dict[str, int]) -> WordList:
        # What is several words, or none, is no word of the vocabulary.
        found = WordList(words, [ids.get(" ".join(self._find(word)), 0) for word in words])
        unknown = [word for word, index in zip(words, found.ids.tolist(), strict=True) if not index]
        why = f"the text has no such word {self.min_count} times or more (data.min_count)"
        if len(unknown) == len(words):
            raise MisconfigurationException(f"`{unknown[0]}` has no vector: {why}")
        if unknown:
            rank_zero_warn(f"{len(unknown)} of {len(words)} words have no vector, such as `{unknown[0]}`: {why}")
        return found

    def describe(self, index: int) -> Row:
        """The word."""
        examples = self.datasets["predict"]
        assert isinstance(examples, WordList)
        return {"word": examples.words[index]}


def _has_neighbours(words: Tensor) -> bool:
    """Whether any two words stand in one line."""
    return bool(((words[1:] != 0) & (words[:-1] != 0)).any())
