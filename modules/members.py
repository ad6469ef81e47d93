"""Outputs of networks that are an ensemble: ``(batch, members, outputs)`` where others have ``(batch, outputs)``."""

import math

import torch.nn.functional as F
from torch import Tensor


def for_each_member(outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Have each member learn by itself: its rows stand in the batch like further examples with the same target.

    The mean loss of these rows is the mean of the members' losses, as TabM is trained (Gorishniy et al. 2025); the loss
    of the members' mean would let them lean on each other.

    Args:
        outputs: ``(batch, members, outputs)``; those of a single network ``(batch, outputs)`` stay as they are.
        target: ``(batch, ...)``.

    Returns:
        ``(batch * members, outputs)`` and ``(batch * members, ...)``.
    """
    if outputs.ndim == 2:
        return outputs, target
    return outputs.flatten(0, 1), target.repeat_interleave(outputs.shape[1], dim=0)


def mean_numbers(outputs: Tensor) -> Tensor:
    """What an ensemble predicts: the mean of its members ``(batch, outputs)``.

    Args:
        outputs: ``(batch, members, outputs)``; those of a single network ``(batch, outputs)`` stay as they are.
    """
    return outputs if outputs.ndim == 2 else outputs.mean(1)


def mean_logits(logits: Tensor) -> Tensor:
    """Logits ``(batch, classes)`` whose softmax is the mean of the members' probabilities.

    Args:
        logits: ``(batch, members, classes)``; those of a single network ``(batch, classes)`` stay as they are.
    """
    if logits.ndim == 2:
        return logits
    return logits.log_softmax(2).logsumexp(1) - math.log(logits.shape[1])


def mean_binary_logits(logits: Tensor) -> Tensor:
    """Logits ``(batch, labels)`` whose sigmoid is the mean of the members' probabilities.

    Args:
        logits: ``(batch, members, labels)``; those of a single network ``(batch, labels)`` stay as they are.
    """
    if logits.ndim == 2:
        return logits
    # Log-sigmoids by softplus, which keeps its digits in every runtime that an export is run by.
    absent, present = ((-F.softplus(signed)).logsumexp(1) for signed in (logits, -logits))
    return present - absent
