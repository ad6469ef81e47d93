"""Encoded texts, and batches of them."""

import tempfile
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor

from datamodules.ragged import Ragged, spell
from datamodules.sampling import Draw
from datamodules.text.subwords import Spelling
from datamodules.tokens import Tokens

Inputs = Tensor | tuple[Tensor, Tensor]


def encode(texts: Iterator[str], tokens: Tokens, spelling: Spelling | None, max_length: int) -> Iterator[Sequence[int]]:
    """Token ids of each text, or its rows of ``spelling``, cut after ``max_length``."""
    while chunk := list(islice(texts, 1000)):
        yield from tokens.encode(chunk, max_length) if spelling is None else spelling.encode(chunk, max_length)


class Stored(Ragged):
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
        encoded: Token ids, or rows of ``spelling``.
        target: ``(texts)``; None for predictions.
        spelling: ``(words, 1 + n-grams)``, rows of the embedding that make up each distinct word; 0 is padding.
        opening: Beginning of each text that is to be predicted.
    """

    def __init__(self, encoded: Ragged, target: Tensor | None, spelling: Tensor | None, opening: list[str]) -> None:
        self.encoded, self.target, self.spelling, self.opening = encoded, target, spelling, opening
        self.lengths = encoded.lengths

    def __len__(self) -> int:
        return len(self.encoded)

    def __getitems__(self, indices: Draw) -> tuple[Inputs, Tensor | None]:
        """Tokens ``(batch, longest)`` and target ``(batch)``.

        With n-grams, the tokens are rows of ``(distinct words of the batch, 1 + n-grams)``, which comes with them.
        """
        tokens = self.encoded.pad(indices)
        if not tokens.shape[1]:  # all of them are empty
            tokens = tokens.new_zeros(len(tokens), 1)
        target = None if self.target is None else self.target[torch.tensor(indices, dtype=torch.long)]
        if self.spelling is None:
            return tokens, target
        rows, spelling = spell(tokens, self.spelling)
        return (rows, spelling.long()), target
