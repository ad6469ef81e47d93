"""Tagged sentences as tensors: whole words with their spelling for recurrent nets, word pieces for pretrained ones."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from datamodules.ragged import spell
from datamodules.sampling import Draw
from datamodules.tagging.conll import Sentence
from datamodules.tokens import Tokens

PADDING = -100  # tag of a position that is none
UNKNOWN = 1  # id of a word, character or shape that training did not have; 0 is padding
LONGEST_WORD = 32  # characters; the middle of a longer word (an address) is left out


class Words(NamedTuple):
    """A batch of sentences in words. Each distinct word of the batch is spelled out once.

    Attributes:
        words: ``(batch, length)``, ids of the words; 0 is padding, here and below.
        shapes: ``(batch, length)``, ids of the shapes.
        spelled: ``(batch, length)``, row of ``spelling`` that spells the word.
        spelling: ``(distinct words, characters)``, ids of the characters; row 0 is padding.
    """

    words: Tensor
    shapes: Tensor
    spelled: Tensor
    spelling: Tensor


class Pieces(NamedTuple):
    """A batch of sentences in words, as ``Words``, and in word pieces.

    Attributes:
        words: ``(batch, length)``.
        shapes: ``(batch, length)``.
        spelled: ``(batch, length)``.
        spelling: ``(distinct words, characters)``.
        tokens: ``(windows, pieces)``; a sentence longer than the encoder can take lies in several windows.
        first: ``(batch, length)``, where in ``tokens``, flattened, the first piece of each word is.
    """

    words: Tensor
    shapes: Tensor
    spelled: Tensor
    spelling: Tensor
    tokens: Tensor
    first: Tensor


Batch = tuple[Words | Pieces, Tensor | None]


def normal(word: str, lower: bool) -> str:
    """The form under which a word is looked up: as it is, or in lower case and all digits the same."""
    return re.sub(r"\d", "0", word.lower()) if lower else word


def shape(word: str) -> str:
    """``Xx`` for ``Leyden``, ``X.X.`` for ``U.S.``, ``d`` for ``1979``: runs of a kind of character as one."""
    kinds = ("X" if c.isupper() else "x" if c.islower() else "d" if c.isdigit() else c for c in word[:LONGEST_WORD])
    return re.sub(r"(.)\1+", r"\1", "".join(kinds))[:8]


def shorten(word: str) -> str:
    """The word, or begin and end of one that is longer than ``LONGEST_WORD``."""
    half = LONGEST_WORD // 2
    return word if len(word) <= LONGEST_WORD else word[:half] + word[-half:]


def vocabulary(sentences: Sequence[Sentence], lower: bool) -> tuple[dict[str, int], list[str], list[str]]:
    """Words, characters and shapes of the training sentences, the most frequent ones first.

    Returns:
        All words, in the form of ``normal``, and their counts; characters; shapes. The last two without those seen
        only once.
    """
    exact = Counter(word for sentence in sentences for word in sentence.words)
    words: Counter[str] = Counter()
    chars: Counter[str] = Counter()
    shapes: Counter[str] = Counter()
    for word, count in exact.items():
        words[normal(word, lower)] += count
        shapes[shape(word)] += count
        for char in word:
            chars[char] += count
    return (
        dict(words.most_common()),
        [char for char, count in chars.most_common() if count > 1],
        [name for name, count in shapes.most_common() if count > 1],
    )


class Facts(NamedTuple):
    """What the batches are made by.

    Attributes:
        tags: All tags.
        words: In the form of ``normal``.
        chars: Characters.
        shapes: Shapes.
        lower: Argument of ``normal``.
        tokenizer: As JSON; empty for batches without word pieces.
        max_pieces: Longest window of pieces, with those that the tokenizer adds.
    """

    tags: Sequence[str]
    words: Sequence[str]
    chars: Sequence[str]
    shapes: Sequence[str]
    lower: bool
    tokenizer: str
    max_pieces: int


class WordSentences:
    """Batches of ``(Words, tags)``.

    Args:
        sentences: What to batch.
        facts: By what.
    """

    def __init__(self, sentences: Sequence[Sentence], facts: Facts) -> None:
        tag_ids = {tag: i for i, tag in enumerate(facts.tags)}
        # A tag that training did not have gets the id after the last one, which no tagger can predict.
        self.tags = [torch.tensor([tag_ids.get(tag, len(tag_ids)) for tag in s.tags]) for s in sentences if s.tags]
        self.lengths = [len(sentence.words) for sentence in sentences]
        tables = (facts.words, facts.chars, facts.shapes)
        word_ids, char_ids, shape_ids = ({name: i for i, name in enumerate(table, start=2)} for table in tables)
        distinct = {word: i for i, word in enumerate(dict.fromkeys(w for s in sentences for w in s.words), start=1)}
        self.types = [torch.tensor([distinct[word] for word in sentence.words]) for sentence in sentences]
        # A row for each distinct word, row 0 for padding; tensors, so that a batch is a few indexing operations.
        spelling = [torch.tensor([char_ids.get(char, UNKNOWN) for char in shorten(word)]) for word in distinct]
        self.spelling = pad_sequence([torch.zeros(1, dtype=torch.long), *spelling], batch_first=True)
        self.words = torch.tensor([0, *(word_ids.get(normal(word, facts.lower), UNKNOWN) for word in distinct)])
        self.shapes = torch.tensor([0, *(shape_ids.get(shape(word), UNKNOWN) for word in distinct)])

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitems__(self, indices: Draw) -> Batch:
        target = None
        if self.tags:
            target = pad_sequence([self.tags[i] for i in indices], batch_first=True, padding_value=PADDING)
        return self.inputs(indices), target

    def inputs(self, indices: Draw) -> Words | Pieces:
        """The batch without the tags."""
        types = pad_sequence([self.types[i] for i in indices], batch_first=True)  # (batch, length)
        return Words(self.words[types], self.shapes[types], *spell(types, self.spelling))


class PieceSentences(WordSentences):
    """Batches of ``(Pieces, tags)``.

    Args:
        sentences: What to batch.
        facts: By what.
    """

    def __init__(self, sentences: Sequence[Sentence], facts: Facts) -> None:
        super().__init__(sentences, facts)
        tokens, limit = Tokens(facts.tokenizer), facts.max_pieces
        distinct = sorted({word for sentence in sentences for word in sentence.words})
        encoded = zip(distinct, tokens.encode_words([[word] for word in distinct], limit), strict=True)
        # A word that the tokenizer drops altogether (of control characters, say) still needs a piece.
        dropped = {word for word, (_, first) in encoded if first[0] < 0}
        texts = [[word if word not in dropped else "?" for word in sentence.words] for sentence in sentences]
        self.windows: list[list[Tensor]] = []
        self.first: list[list[tuple[int, int]]] = []  # of each word: the window and the position in it
        for words, (ids, first) in zip(texts, tokens.encode_words(texts, limit), strict=True):
            windows: list[Tensor] = []
            places: list[tuple[int, int]] = []
            while True:
                places += [(len(windows), position) for position in first if position >= 0]
                windows.append(torch.tensor(ids))
                if len(places) == len(words):
                    break
                ids, first = tokens.encode_words([words[len(places) :]], limit)[0]
            self.windows.append(windows)
            self.first.append(places)

    def inputs(self, indices: Draw) -> Pieces:
        """The batch without the tags."""
        tokens = pad_sequence([window for i in indices for window in self.windows[i]], batch_first=True)
        first, row = [], 0
        for i in indices:
            first.append(torch.tensor([(row + window) * tokens.shape[1] + place for window, place in self.first[i]]))
            row += len(self.windows[i])
        return Pieces(*super().inputs(indices)[:4], tokens, pad_sequence(first, batch_first=True))
