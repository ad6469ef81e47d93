"""The gradient of an optimizer step that several batches, on several processes, make up."""

from collections.abc import Iterable

import torch
from lightning.pytorch import Trainer
from torch import Tensor, nn


class WholeBatch:
    """Weighs the batches of an optimizer step, so that its gradient is that of one batch of all their examples.

    The loss of a batch is a mean over ``size`` terms (examples, tokens). Lightning takes the mean of accumulated
    batches and the strategy that of the processes; where sizes differ, such a mean of means is another gradient than
    that of the mean over all terms. So each loss is multiplied by its size, over the mean size of the first batch on
    all processes, and the accumulated gradient at last divided by what these factors sum up to. A step of one batch on
    one process, and batches of equal sizes, are left as they are, to the last bit.
    """

    def __init__(self) -> None:
        self.first: Tensor | float = 0.0  # terms of the first batch, on all processes
        self.total: Tensor | float = 0.0  # terms of all batches so far
        self.is_last = False  # whether the latest batch is the last of its optimizer step

    def weigh(self, loss: Tensor, size: int | Tensor, batch_idx: int, trainer: Trainer) -> Tensor:
        """The loss of which the gradient is to be taken. With several processes this is a collective operation.

        Args:
            loss: Mean loss of a batch, a scalar.
            size: Number of terms in that mean, or the sum of their weights.
            batch_idx: Number of the batch within the epoch.
            trainer: Knows the numbers of batches and processes.
        """
        processes, batches = trainer.world_size, trainer.accumulate_grad_batches
        if processes == batches == 1 or trainer.strategy.handles_gradient_accumulation:
            return loss
        everyones = torch.as_tensor(size, dtype=torch.float, device=loss.device)
        if processes > 1:
            everyones = torch.as_tensor(trainer.strategy.reduce(everyones.clone(), reduce_op="sum"))
        if batch_idx % batches == 0:
            self.first, self.total = everyones, 0.0
        self.total = self.total + everyones
        self.is_last = (batch_idx + 1) % batches == 0 or trainer.is_last_batch
        return loss * (size * processes / _or_one(self.first))

    def finish(self, parameters: Iterable[nn.Parameter], batches: int) -> None:
        """After the last backward pass of an optimizer step over several batches, divide the gradients.

        Args:
            parameters: Whose gradients.
            batches: By how many Lightning has divided each loss.
        """
        if batches == 1 or not self.is_last:
            return
        from torch.distributed.tensor import DTensor  # nobody else needs it at the start

        factor = batches * self.first / _or_one(self.total)
        for gradient in (parameter.grad for parameter in parameters):
            if gradient is not None:
                part = gradient.to_local() if isinstance(gradient, DTensor) else gradient  # of a sharded weight
                part.mul_(factor)
        self.is_last = False

    def state_dict(self) -> dict[str, float]:
        """What has to be known to go on between two batches of an optimizer step."""
        return {"first": float(self.first), "total": float(self.total)}

    def load_state_dict(self, state: dict[str, float]) -> None:
        """Go on from there."""
        self.first, self.total = state["first"], state["total"]


def _or_one(terms: Tensor | float) -> Tensor:
    # Without any term the loss is 0 too.
    terms = torch.as_tensor(terms)
    return terms.where(terms > 0, 1)
