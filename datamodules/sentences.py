"""Tagged sentences as tensors: whole words with their spelling for recurrent nets, word pieces for pretrained ones."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from datamodules.conll import Sentence
from datamodules.sampling import Draw
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
    """A batch of sentences in word pieces.

    Attributes:
        tokens: ``(windows, pieces)``; a sentence longer than the encoder can take lies in several windows.
        first: ``(batch, length)``, where in ``tokens``, flattened, the first piece of each word is; 0 is padding.
    """

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


def vocabulary(sentences: Sequence[Sentence], lower: bool) -> tuple[list[str], list[str], list[str]]:
    """Words, characters and shapes of the training sentences, the most frequent ones first.

    Returns:
        All words, in the form of ``normal``; characters; shapes. The last two without those seen only once.
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
        [word for word, _ in words.most_common()],
        [char for char, count in chars.most_common() if count > 1],
        [name for name, count in shapes.most_common() if count > 1],
    )


class _Tagged:
    """What the two kinds of batches share: the tags."""

    def __init__(self, sentences: Sequence[Sentence], tags: Sequence[str]) -> None:
        ids = {tag: i for i, tag in enumerate(tags)}
        # A tag that training did not have gets the id after the last one, which no tagger can predict.
        self.tags = [torch.tensor([ids.get(tag, len(ids)) for tag in s.tags]) for s in sentences if s.tags]
        self.lengths = [len(sentence.words) for sentence in sentences]

    def __len__(self) -> int:
        return len(self.lengths)

    def target(self, indices: Draw) -> Tensor | None:
        if not self.tags:
            return None
        return pad_sequence([self.tags[i] for i in indices], batch_first=True, padding_value=PADDING)


class WordSentences(_Tagged):
    """Batches of ``(Words, tags)``.

    Args:
        sentences: What to batch.
        tags: Facts, as are the next three.
        words: In the form of ``normal``.
        chars: Characters.
        shapes: Shapes.
        lower: Argument of ``normal``.
    """

    def __init__(
        self,
        sentences: Sequence[Sentence],
        tags: Sequence[str],
        words: Sequence[str],
        chars: Sequence[str],
        shapes: Sequence[str],
        lower: bool,
    ) -> None:
        super().__init__(sentences, tags)
        word_ids, char_ids, shape_ids = ({name: i + 2 for i, name in enumerate(x)} for x in (words, chars, shapes))
        distinct = {word: i for i, word in enumerate(dict.fromkeys(w for s in sentences for w in s.words), start=1)}
        self.types = [torch.tensor([distinct[word] for word in sentence.words]) for sentence in sentences]
        spelling = [torch.zeros(1, dtype=torch.long)]
        half = LONGEST_WORD // 2
        for word in distinct:
            kept = word if len(word) <= LONGEST_WORD else word[:half] + word[-half:]
            spelling.append(torch.tensor([char_ids.get(char, UNKNOWN) for char in kept]))
        # A row for each distinct word, row 0 for padding; tensors, so that a batch is a few indexing operations.
        self.spelling = pad_sequence(spelling, batch_first=True)
        self.words = torch.tensor([0, *(word_ids.get(normal(word, lower), UNKNOWN) for word in distinct)])
        self.shapes = torch.tensor([0, *(shape_ids.get(shape(word), UNKNOWN) for word in distinct)])

    def __getitems__(self, indices: Draw) -> Batch:
        types = pad_sequence([self.types[i] for i in indices], batch_first=True)  # (batch, length)
        distinct, spelled = torch.cat([torch.zeros(1, dtype=torch.long), types.flatten()]).unique(return_inverse=True)
        spelling = self.spelling[distinct]
        spelling = spelling[:, : max(1, int((spelling != 0).any(0).sum()))]
        inputs = Words(self.words[types], self.shapes[types], spelled[1:].view(types.shape), spelling)
        return inputs, self.target(indices)


class PieceSentences(_Tagged):
    """Batches of ``(Pieces, tags)``.

    Args:
        sentences: What to batch.
        tags: Fact.
        tokenizer: Fact: a tokenizer as JSON.
        max_pieces: Longest window of pieces, with those that the tokenizer adds.
    """

    def __init__(self, sentences: Sequence[Sentence], tags: Sequence[str], tokenizer: str, max_pieces: int) -> None:
        super().__init__(sentences, tags)
        tokens = Tokens(tokenizer)
        distinct = sorted({word for sentence in sentences for word in sentence.words})
        # A word that the tokenizer drops altogether (of control characters, say) still needs a piece.
        dropped = {
            w
            for w, (_, first) in zip(distinct, tokens.encode_words([[w] for w in distinct]), strict=True)
            if first[0] < 0
        }
        texts = [[word if word not in dropped else "?" for word in sentence.words] for sentence in sentences]
        self.windows: list[list[Tensor]] = []
        self.first: list[list[tuple[int, int]]] = []  # of each word: the window and the position in it
        for words, (ids, first) in zip(texts, tokens.encode_words(texts, max_pieces), strict=True):
            windows, places = [], []
            while True:
                fit = sum(position >= 0 for position in first)
                places += [(len(windows), position) for position in first[:fit]]
                windows.append(torch.tensor(ids))
                if len(places) == len(words):
                    break
                ids, first = tokens.encode_words([words[len(places) :]], max_pieces)[0]
            self.windows.append(windows)
            self.first.append(places)

    def __getitems__(self, indices: Draw) -> Batch:
        tokens = pad_sequence([window for i in indices for window in self.windows[i]], batch_first=True)
        first, row = [], 0
        for i in indices:
            first.append(torch.tensor([(row + window) * tokens.shape[1] + place for window, place in self.first[i]]))
            row += len(self.windows[i])
        return Pieces(tokens, pad_sequence(first, batch_first=True)), self.target(indices)
