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
from datamodules.types import Batch, Row, SubwordTokens


def encode(
    texts: Iterator[str], tokens: Tokens, ngrams: SubwordNgrams | None, max_length: int
) -> Iterator[Sequence[int]]:
    """Token ids of each text, or its rows of ``ngrams``, cut after ``max_length``."""
    encoder = tokens if ngrams is None else ngrams
    while chunk := list(islice(texts, 1000)):
        yield from encoder.encode(chunk, max_length)


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
    """

    def __init__(self, encoded: Ragged, target: Tensor | None, subwords: Tensor | None, rows: list[Row]) -> None:
        self.encoded, self.target, self.subwords, self.rows = encoded, target, subwords, rows
        self.lengths = encoded.lengths

    def __len__(self) -> int:
        return len(self.encoded)

    def __getitems__(self, indices: BatchIndices) -> Batch:
        """Tokens ``(batch, longest)`` and target ``(batch)``.

        With n-grams, the tokens are rows of ``(distinct words of the batch, 1 + n-grams)``, which comes with them.
        """
        tokens = self.encoded.pad(indices)
        if not tokens.shape[1]:  # all of them are empty
            tokens = tokens.new_zeros(len(tokens), 1)
        target = None if self.target is None else self.target[torch.tensor(indices, dtype=torch.long)]
        if self.subwords is None:
            return Batch(tokens, target)
        numbers, subwords = spell(tokens, self.subwords)
        return Batch(SubwordTokens(numbers, subwords.long()), target)
