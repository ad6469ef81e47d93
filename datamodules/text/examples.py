"""Encoded texts, and batches of them."""

import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor

from datamodules.ragged import Ragged, spell
from datamodules.sampling import BatchIndices
from datamodules.text.subwords import SubwordNgrams
from datamodules.tokens import Tokens
from datamodules.types import Batch, Row, SegmentTokens, SubwordTokens


def encode(
    texts: Iterator[tuple[str, ...]], tokens: Tokens, ngrams: SubwordNgrams | None, max_length: int, first: list[int]
) -> Iterator[Sequence[int]]:
    """Token ids of each text, or its rows of ``ngrams``, cut after ``max_length``.

    Args:
        texts: Texts, or pairs of them; both of a pair are encoded as one, with a token between them.
        tokens: The tokenizer.
        ngrams: Numbers the words instead.
        max_length: Most tokens of a text, or of both of a pair.
        first: Of pairs for a pretrained encoder, the number of tokens of the first text is added to it.
    """
    while chunk := list(islice(texts, 1000)):
        if len(chunk[0]) == 1:
            yield from (tokens if ngrams is None else ngrams).encode([text[0] for text in chunk], max_length)
            continue
        pairs = [(text[0], text[1]) for text in chunk]
        if ngrams is not None:
            yield from ngrams.encode(pairs, max_length)
            continue
        for ids, num_first in tokens.encode_pairs(pairs, max_length):
            if tokens.is_pretrained:
                first.append(num_first)
            yield ids


class MappedRagged(Ragged):
    """Sequences of token ids in a temporary file that is mapped into memory: they may be larger than that.

    Args:
        sequences: Token ids of each.
    """

    def __init__(self, sequences: Iterable[Sequence[int]]) -> None:
        lengths, total = array("q"), 0
        with tempfile.NamedTemporaryFile() as file:
            for sequence in sequences:
                array("i", sequence).tofile(file)
                lengths.append(len(sequence))
                total += len(sequence)
            file.flush()
            # The mapping outlives the file's name.
            flat = torch.from_file(file.name, shared=True, size=total, dtype=torch.int32) if total else torch.zeros(0)
        self.flat = flat.to(torch.int32)
        self.lengths = torch.tensor(lengths, dtype=torch.long)
        self.first = self.lengths.cumsum(0) - self.lengths


class TextExamples:
    """Encoded texts of a split.

    Args:
        encoded: Token ids, or rows of ``subwords``.
        target: ``(texts)``; None for predictions.
        subwords: ``(words, 1 + n-grams)``, rows of the embedding that make up each distinct word; 0 is padding.
        rows: Columns by which the user knows each text again; of texts that are to be predicted.
        first: Of pairs for a pretrained encoder, how many tokens are of the first text ``(texts)``.
    """

    def __init__(
        self,
        encoded: Ragged,
        target: Tensor | None,
        subwords: Tensor | None,
        rows: list[Row],
        first: Tensor | None = None,
    ) -> None:
        self.encoded, self.target, self.subwords, self.rows, self.first = encoded, target, subwords, rows, first
        self.lengths = encoded.lengths

    def __len__(self) -> int:
        return len(self.encoded)

    def __getitems__(self, indices: BatchIndices) -> Batch:
        """Tokens ``(batch, longest)`` and target ``(batch)`` or ``(batch, labels or numbers)``.

        With n-grams, the tokens are rows of ``(distinct words of the batch, 1 + n-grams)``, which comes with them.
        """
        tokens = self.encoded.pad(indices)
        if not tokens.shape[1]:  # all of them are empty
            tokens = tokens.new_zeros(len(tokens), 1)
        chosen = torch.tensor(indices, dtype=torch.long)
        target = None if self.target is None else self.target[chosen]
        if self.first is not None:
            second = torch.arange(tokens.shape[1]) >= self.first[chosen, None]
            return Batch(SegmentTokens(tokens, (second & (tokens != 0)).long()), target)
        if self.subwords is None:
            return Batch(tokens, target)
        numbers, subwords = spell(tokens, self.subwords)
        return Batch(SubwordTokens(numbers, subwords.long()), target)
