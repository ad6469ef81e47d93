"""Pairs of words that stand near each other, and the loss of their vectors."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def neighbours(words: Tensor, segment: int, window: int) -> tuple[Tensor, Tensor, Tensor]:
    """Cut a text into segments and find the neighbours of each word, which may lie in another segment.

    Args:
        words: ``(words)``; 0 ends a line.
        segment: Words in a segment.
        window: Most words between a word and its neighbour, plus one.

    Returns:
        Words ``(segments, segment)``, the words of their surroundings ``(segments, segment + 2 window)``, and a
        mask ``(segments, segment, segment + 2 window)`` of those that are neighbours.
    """
    words = F.pad(words, (0, -len(words) % segment))
    line = F.pad((words == 0).cumsum(0), (window, window), value=-1)
    around = F.pad(words, (window, window)).unfold(0, segment + 2 * window, segment)
    lines = line.unfold(0, segment + 2 * window, segment)
    words = words.view(-1, segment)
    place = torch.arange(segment + 2 * window, device=words.device)
    distance = (place - place[:segment, None] - window).abs()  # (segment, segment + 2 window)
    distance[distance == 0] = window + 1  # a word is no neighbour of itself
    # A window of random width weighs near words more (Mikolov et al. 2013, "Efficient estimation").
    width = torch.randint(1, window + 1, words.shape, device=words.device)
    width = width.masked_fill(words == 0, 0)
    near = distance <= width[:, :, None]
    same = lines[:, window:-window, None] == lines[:, None, :]
    return words, around, near & same & (around != 0)[:, None]


class PairLoss(torch.autograd.Function):
    """Logistic loss of all pairs of two sets of vectors; its gradient is written out, which halves the time.

    With ``s = x y``, it is the weighted sum of ``softplus(-s)`` over the first ``num_positive`` vectors of ``y`` and of
    ``softplus(s)`` over the others. Gradients are multiplied by a factor for each vector.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, y: Tensor, weights: Tensor, num_positive: int, factor_x: Tensor, factor_y: Tensor
    ) -> Tensor:
        """Sum of the losses.

        Args:
            ctx: PyTorch's.
            x: ``(batch, n, size)``.
            y: ``(batch, m, size)``.
            weights: ``(batch, n, m)``.
            num_positive: How many of ``y`` are to be near.
            factor_x: ``(batch, n)``, on the gradient.
            factor_y: ``(batch, m)``, on the gradient.
        """
        error = torch.sigmoid(x @ y.mT)
        error[:, :, :num_positive] -= 1
        # What is wrong is |error|, so the loss is -log(1 - |error|).
        loss = (torch.log1p(-error.abs().clamp(max=1 - 1e-6)) * weights).sum().neg()
        ctx.save_for_backward(x, y, error.mul_(weights), factor_x, factor_y)
        return loss

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        """Gradients with respect to ``x`` and ``y``."""
        x, y, error, factor_x, factor_y = ctx.saved_tensors
        to_x = error * (grad * factor_x)[:, :, None]
        to_y = error * (grad * factor_y)[:, None]
        return to_x @ y, to_y.mT @ x, None, None, None, None


def damped(vectors: Tensor, factor: Tensor) -> Tensor:
    """The same vectors ``(..., size)``, whose gradients are multiplied by a factor ``(...)`` for each."""
    if vectors.requires_grad:
        vectors.register_hook(lambda grad: grad * factor[..., None])
    return vectors
