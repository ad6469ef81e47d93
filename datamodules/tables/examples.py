"""Examples that lie in memory as tensors."""

import torch
from torch import Tensor

from datamodules.sampling import BatchIndices
from datamodules.types import Batch


class TensorExamples:
    """A split held as tensors: a batch is one indexing operation.

    Args:
        inputs: ``(examples, ...)``.
        target: ``(examples, ...)``; None for predictions.
    """

    def __init__(self, inputs: Tensor, target: Tensor | None = None) -> None:
        if target is not None and len(target) != len(inputs):
            raise ValueError(f"{len(inputs)} inputs, but {len(target)} targets")
        self.inputs, self.target = inputs, target

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitems__(self, indices: BatchIndices) -> Batch:
        """Inputs ``(batch, ...)`` and target ``(batch, ...)`` of these indices."""
        chosen = torch.tensor(indices, dtype=torch.long)
        # index_select is several times faster on a small batch than indexing by a list
        target = None if self.target is None else self.target.index_select(0, chosen)
        return Batch(self.inputs.index_select(0, chosen), target)


class MixedExamples:
    """A split held as numbers and as category codes, which become one-hot inputs when a batch is fetched.

    Args:
        numbers: ``(examples, numbers)``.
        codes: ``(examples, categorical columns)``: which one-hot inputs are 1; ``num_hot`` for none.
        num_hot: Number of one-hot inputs.
        target: ``(examples, ...)``; None for predictions.
    """

    def __init__(self, numbers: Tensor, codes: Tensor, num_hot: int, target: Tensor | None = None) -> None:
        self.dense = TensorExamples(numbers, target)
        self.codes, self.num_hot = codes, num_hot

    def __len__(self) -> int:
        return len(self.dense)

    def __getitems__(self, indices: BatchIndices) -> Batch:
        """Inputs ``(batch, numbers + num_hot)`` and target ``(batch, ...)`` of these indices."""
        numbers, target = self.dense.__getitems__(indices)
        codes = self.codes.index_select(0, torch.tensor(indices, dtype=torch.long)).long()
        hot = torch.zeros(len(indices), self.num_hot + 1).scatter_(1, codes, 1.0)
        return Batch(torch.cat([numbers, hot[:, :-1]], dim=1), target)
