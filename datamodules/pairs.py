"""Encoded sentences with their translations, and batches of them."""

import torch
from torch import Tensor

from datamodules.ragged import Ragged
from datamodules.sampling import Draw


class Sentences:
    """Encoded sentences of a split.

    Args:
        source: Token ids of each source, ended by ``END``.
        target: Token ids of each target, between ``BEGIN`` and ``END``.
        references: The targets as they were written, which translations are compared with.
    """

    def __init__(self, source: Ragged, target: Ragged | None, references: list[str] | None) -> None:
        self.source, self.target, self.references = source, target, references
        self.lengths = source.lengths if target is None else torch.maximum(source.lengths, target.lengths)

    def __len__(self) -> int:
        return len(self.source)

    def __getitems__(self, indices: Draw) -> tuple[Tensor, Tensor | None, list[str] | None]:
        """Sources ``(batch, source length)``, targets ``(batch, target length)`` and references."""
        return (
            self.source.pad(indices),
            None if self.target is None else self.target.pad(indices),
            None if self.references is None else [self.references[index] for index in indices],
        )
