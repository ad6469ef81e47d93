"""Sequences of different lengths."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


class Ragged:
    """Sequences of token ids, one after the other in one tensor: millions of them need no object each.

    Args:
        sequences: Token ids of each.
    """

    def __init__(self, sequences: Iterable[Sequence[int]]) -> None:
        sequences = list(sequences)
        self.lengths = torch.tensor([len(sequence) for sequence in sequences], dtype=torch.long)
        self.first = self.lengths.cumsum(0) - self.lengths
        self.flat = torch.tensor([token for sequence in sequences for token in sequence], dtype=torch.int32)

    def __len__(self) -> int:
        return len(self.lengths)

    def pad(self, indices: Sequence[int]) -> Tensor:
        """Those sequences ``(batch, longest)``, filled up with 0."""
        rows = torch.as_tensor(list(indices), dtype=torch.long)
        lengths = self.lengths[rows]
        position = torch.arange(int(lengths.max()))  # (longest)
        inside = position < lengths[:, None]  # (batch, longest)
        padded = torch.zeros(inside.shape, dtype=torch.long)
        padded[inside] = self.flat[(self.first[rows, None] + position)[inside]].long()
        return padded


def spell(ids: Tensor, spelling: Tensor) -> tuple[Tensor, Tensor]:
    """The spelling of the different ids only, no wider than it must be.

    Args:
        ids: Of any shape; 0 is padding.
        spelling: ``(all ids, characters or n-grams)``, filled up with 0.

    Returns:
        The row of the spelling for each of ``ids``, and the spelling ``(distinct ids, longest)``; row 0 is padding.
    """
    distinct, rows = torch.cat([ids.new_zeros(1), ids.flatten()]).unique(return_inverse=True)
    spelling = spelling[distinct]
    longest = int((spelling != 0).any(0).sum())
    return rows[1:].view(ids.shape), spelling[:, : max(1, longest)]
