"""Sums and maxima over tag sequences in which three neighbours weigh: the state is a pair of tags."""

import torch
from torch import Tensor

from datamodules.types import IGNORE

TINY = 1e-300  # in double precision, so that no logarithm is infinite


def log_partition_2(emissions: Tensor, steps: Tensor, lengths: Tensor) -> Tensor:
    """Log of the sum of ``exp(score)`` over all tag sequences, where a step weighs three tags in a row.

    Args:
        emissions: ``(batch, length, tags)``, double precision.
        steps: ``(tags + 1,) * 3``; the last number is the border before and after a sentence.
        lengths: ``(batch)``, at least 1.

    Returns:
        ``(batch)``.
    """
    inner = steps[:-1, :-1, :-1].transpose(0, 1).exp()  # (middle, first, last)
    first = emissions[:, 0] + steps[-1, -1, :-1]  # (batch, tags)
    totals = [torch.logsumexp(first + steps[-1, :-1, -1], 1)]  # of sentences that end here
    sums = first[:, :, None] + steps[-1, :-1, :-1]  # (batch, tag before, tag), without the latter's emission
    for t in range(1, emissions.shape[1]):
        sums = sums + emissions[:, t, None, :]
        totals.append(torch.logsumexp((sums + steps[:-1, :-1, -1]).flatten(1), 1))
        top = sums.amax((1, 2), keepdim=True).detach()
        scaled = (sums - top).exp().permute(2, 0, 1)  # (middle, batch, first)
        sums = torch.bmm(scaled, inner).transpose(0, 1).clamp(min=TINY).log() + top
    return torch.stack(totals, 1).gather(1, lengths[:, None] - 1)[:, 0]


@torch.no_grad()
def viterbi_2(emissions: Tensor, steps: Tensor, lengths: Tensor) -> Tensor:
    """The tag sequence of the highest score ``(batch, length)``; the arguments of ``log_partition_2``."""
    size, length, num = emissions.shape
    first = emissions[:, 0] + steps[-1, -1, :-1]
    finals = [(first + steps[-1, :-1, -1]).argmax(1)]  # (batch): the last tag, or the last two as one number
    best = first[:, :, None] + steps[-1, :-1, :-1]  # (batch, tag before, tag), without the latter's emission
    previous = []
    for t in range(1, length):
        best = best + emissions[:, t, None, :]
        finals.append((best + steps[:-1, :-1, -1]).flatten(1).argmax(1))
        best, origin = (best[:, :, :, None] + steps[:-1, :-1, :-1]).max(1)
        previous.append(origin)  # (batch, tag, tag after): the best tag before these two
    rows = torch.arange(size, device=emissions.device)
    after = after_next = torch.zeros_like(finals[0])
    path = []
    for t in range(length - 1, -1, -1):
        tags = previous[t][rows, after, after_next] if t < length - 2 else after
        if t < length - 1:
            tags = torch.where(lengths == t + 2, finals[t + 1] // num, tags)
        tags = torch.where(lengths == t + 1, finals[t] % num, tags)
        path.append(tags.masked_fill(lengths <= t, IGNORE))
        after, after_next = tags, after
    return torch.stack(path[::-1], 1)
