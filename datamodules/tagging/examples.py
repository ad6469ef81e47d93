"""Tagged sentences as tensors: whole words with their spelling for recurrent nets, word pieces for pretrained ones."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from datamodules.ragged import spell
from datamodules.sampling import BatchIndices
from datamodules.tagging.conll import Sentence
from datamodules.tokens import Tokens
from datamodules.types import IGNORE, PAD, UNKNOWN, Batch, PieceTokens, TaggingFacts, WordTokens

LONGEST_WORD = 32  # characters; the middle of a longer word (an address) is left out


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


def tag_ids(facts: TaggingFacts, tags: Iterable[str]) -> dict[str, int]:
    """Ids of all tags of the training data, and of others that sentences have."""
    ids = {tag: i for i, tag in enumerate(facts.tags)}
    unseen = sorted(tag for tag in tags if tag not in ids)
    if not facts.scheme:
        return ids | {tag: len(ids) + i for i, tag in enumerate(unseen)}
    kinds = sorted({tag[2:] for tag in unseen})
    return ids | {tag: len(ids) + 4 * kinds.index(tag[2:]) + "BIES".index(tag[0]) for tag in unseen}


class WordSentences:
    """Batches of sentences in words, with their tags.

    A tag that training did not have gets an id after the last one, which no tagger can predict: of chunks, the fourth
    part of what is beyond is the number of its type, and the rest that of its letter among B, I, E and S.

    Args:
        sentences: What to batch.
        facts: Vocabularies and tags.
        lower: Argument of ``normal``.
    """

    def __init__(self, sentences: Sequence[Sentence], facts: TaggingFacts, lower: bool = True) -> None:
        ids = tag_ids(facts, {tag for sentence in sentences for tag in sentence.tags})
        self.tags = [torch.tensor([ids[tag] for tag in s.tags]) for s in sentences if s.tags]
        self.lengths = [len(sentence.words) for sentence in sentences]
        tables = (facts.words, facts.chars, facts.shapes)
        word_ids, char_ids, shape_ids = ({name: i for i, name in enumerate(table, start=2)} for table in tables)
        distinct = {word: i for i, word in enumerate(dict.fromkeys(w for s in sentences for w in s.words), start=1)}
        self.types = [torch.tensor([distinct[word] for word in sentence.words]) for sentence in sentences]
        # A row for each distinct word, row 0 for padding; tensors, so that a batch is a few indexing operations.
        spelling = [torch.tensor([char_ids.get(char, UNKNOWN) for char in shorten(word)]) for word in distinct]
        self.spelling = pad_sequence([torch.zeros(1, dtype=torch.long), *spelling], batch_first=True)
        self.words = torch.tensor([PAD, *(word_ids.get(normal(word, lower), UNKNOWN) for word in distinct)])
        self.shapes = torch.tensor([PAD, *(shape_ids.get(shape(word), UNKNOWN) for word in distinct)])

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitems__(self, indices: BatchIndices) -> Batch:
        target = None
        if self.tags:
            target = pad_sequence([self.tags[i] for i in indices], batch_first=True, padding_value=IGNORE)
        return Batch(self.inputs(indices), target)

    def inputs(self, indices: BatchIndices) -> WordTokens | PieceTokens:
        """The batch without the tags."""
        types = pad_sequence([self.types[i] for i in indices], batch_first=True)  # (batch, length)
        return WordTokens(self.words[types], self.shapes[types], *spell(types, self.spelling))


class PieceSentences(WordSentences):
    """Batches of sentences in words and in word pieces, with their tags.

    Args:
        sentences: What to batch.
        facts: Vocabularies, tags and the tokenizer.
        lower: Argument of ``normal``.
        limit: Longest window of pieces, with those that the tokenizer adds.

    Raises:
        MisconfigurationException: If a window is too short for a single piece.
    """

    def __init__(
        self, sentences: Sequence[Sentence], facts: TaggingFacts, lower: bool = True, limit: int = 512
    ) -> None:
        super().__init__(sentences, facts, lower)
        tokens = Tokens(facts.tokenizer)
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
                if not any(position >= 0 for position in first):
                    raise MisconfigurationException(f"--data.max_pieces {limit} leaves no room for a word")
                places += [(len(windows), position) for position in first if position >= 0]
                windows.append(torch.tensor(ids))
                if len(places) == len(words):
                    break
                ids, first = tokens.encode_words([words[len(places) :]], limit)[0]
            self.windows.append(windows)
            self.first.append(places)

    def inputs(self, indices: BatchIndices) -> PieceTokens:
        """The batch without the tags."""
        tokens = pad_sequence([window for i in indices for window in self.windows[i]], batch_first=True)
        first, row = [], 0
        for i in indices:
            first.append(torch.tensor([(row + window) * tokens.shape[1] + place for window, place in self.first[i]]))
            row += len(self.windows[i])
        return PieceTokens(*super().inputs(indices)[:4], tokens, pad_sequence(first, batch_first=True))
