"""The linear-chain conditional random field, and the sums and maxima over all tag sequences that it rests on."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from datamodules.types import IGNORE

# Log-weight of a forbidden step: so small that no sum notices it, yet far from the underflow of double precision.
FORBIDDEN = -500.0


class CRF(nn.Module):
    """Scores of whole tag sequences (Lafferty et al. 2001), as the last layer of a tagger.

    The score of tags ``y`` is ``start[y_0] + sum_t emissions[t, y_t] + sum_t transitions[y_t-1, y_t] + end[y_n-1]``.
    All sums are over the tags of a sentence's own length: padding has no influence whatever it holds. They are taken
    in double precision, whatever the type of the emissions.

    Args:
        num_tags: Number of tags.
        allowed: ``(tags + 1, tags + 1)``, whether the column's tag may follow the row's; the last row is the begin of
            a sentence, the last column its end. Everything may follow everything if None.
    """

    forbidden: Tensor

    def __init__(self, num_tags: int, allowed: Tensor | None = None) -> None:
        super().__init__()
        self.transitions = nn.Parameter(torch.empty(num_tags, num_tags).uniform_(-0.1, 0.1))
        self.start = nn.Parameter(torch.empty(num_tags).uniform_(-0.1, 0.1))
        self.end = nn.Parameter(torch.empty(num_tags).uniform_(-0.1, 0.1))
        if allowed is None:
            allowed = torch.ones(num_tags + 1, num_tags + 1, dtype=torch.bool)
        self.register_buffer("forbidden", ~allowed, persistent=False)

    def potentials(self) -> tuple[Tensor, Tensor, Tensor]:
        """Transitions ``(from, to)``, start and end ``(tags)`` in double precision, with the constraints."""
        bar = self.forbidden
        with torch.autocast(self.transitions.device.type, enabled=False):
            return (
                self.transitions.double().masked_fill(bar[:-1, :-1], FORBIDDEN),
                self.start.double().masked_fill(bar[-1, :-1], FORBIDDEN),
                self.end.double().masked_fill(bar[:-1, -1], FORBIDDEN),
            )

    def forward(self, emissions: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """Negative log-likelihood of each sentence, ``(batch)``.

        Args:
            emissions: ``(batch, length, tags)``.
            tags: ``(batch, length)``, anything after a sentence's end.
            lengths: ``(batch)``, at least 1.
        """
        transitions, start, end = self.potentials()
        emissions = emissions.double()
        total = log_partition(emissions, transitions, start, end, lengths)
        return total - path_score(emissions, tags, transitions, start, end, lengths)

    def decode(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """The most probable tags ``(batch, length)``, ``IGNORE`` after a sentence's end."""
        return viterbi(emissions.double(), *self.potentials(), lengths)

    def marginals(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        """Probability of each tag at each position given the whole sentence, ``(batch, length, tags)``."""
        steps, start, end = (potential.detach().clone() for potential in self.potentials())
        return expected_tags(lambda x, sizes: log_partition(x, steps, start, end, sizes), emissions.double(), lengths)


def log_partition(emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, lengths: Tensor) -> Tensor:
    """Log of the sum of ``exp(score)`` over all tag sequences.

    Its gradients are the expected counts: of a tag at a position (the marginals) for ``emissions``, of a pair of
    neighbours for ``transitions``. They come from one pass that runs the forward and the backward recursion side by
    side, not from backpropagation through the steps.

    Args:
        emissions: ``(batch, length, tags)``, double precision.
        transitions: ``(from, to)``.
        start: ``(tags)``.
        end: ``(tags)``.
        lengths: ``(batch)``, at least 1.

    Returns:
        ``(batch)``.
    """
    total: Tensor = _LogPartition.apply(emissions, transitions, start, end, lengths)
    return total


class _LogPartition(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, lengths: Tensor
    ) -> Tensor:
        length, num_tags = emissions.shape[1:]
        steps = torch.arange(length, device=emissions.device)
        inside = steps < lengths[:, None]  # (batch, length)
        emissions = emissions.masked_fill(~inside[..., None], 0)
        # Position t seen from the end of the sentence; both recursions then start at 0 and need no mask.
        mirror = (lengths[:, None] - 1 - steps).clamp(min=0)[..., None].expand_as(emissions)  # (batch, length, tags)
        both = torch.stack([emissions, emissions.gather(1, mirror)])  # (2, batch, length, tags)
        weights = torch.stack([transitions, transitions.t()]).exp()  # (2, from, to)
        sums = [both[:, :, 0] + torch.stack([start, end])[:, None]]  # (2, batch, tags)
        for t in range(1, length):
            # log sum_i exp(sums_i + transitions_ij) as a product of matrices, scaled by the largest sum
            top = sums[-1].amax(2, keepdim=True)
            sums.append(torch.bmm((sums[-1] - top).exp_(), weights).log_().add_(top).add_(both[:, :, t]))
        alpha, beta = torch.stack(sums, 2)  # (batch, length, tags) each, both with the emission of their position
        beta = beta.gather(1, mirror)
        total = torch.logsumexp(beta[:, 0] + start, 1)  # beta holds everything from position 0 on
        # What the gradients need: expected counts, zero in the padding.
        nodes = (alpha + beta - emissions - total[:, None, None]).exp().masked_fill(~inside[..., None], 0)
        left, right = alpha[:, :-1] - total[:, None, None], beta[:, 1:]
        top = right.amax(2, keepdim=True)
        left = (left + top).exp().masked_fill(~inside[:, 1:, None], 0)
        pairs = torch.bmm(left.transpose(1, 2), (right - top).exp()) * transitions.exp()  # (batch, from, to)
        last = nodes.gather(1, (lengths - 1)[:, None, None].expand(-1, 1, num_tags))[:, 0]
        ctx.save_for_backward(nodes, pairs, last)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        nodes, pairs, last = ctx.saved_tensors
        weight = gradients[0]
        return (
            nodes * weight[:, None, None],
            torch.einsum("b,bij->ij", weight, pairs),
            weight @ nodes[:, 0],
            weight @ last,
            None,
        )


def path_score(
    emissions: Tensor, tags: Tensor, transitions: Tensor, start: Tensor, end: Tensor, lengths: Tensor
) -> Tensor:
    """Score of given tags ``(batch, length)`` of each sentence, ``(batch)``; the arguments of ``log_partition``."""
    inside = torch.arange(tags.shape[1], device=tags.device) < lengths[:, None]  # (batch, length)
    tags = tags.masked_fill(~inside, 0)
    nodes = emissions.gather(2, tags[..., None])[..., 0]
    pairs = transitions.flatten()[tags[:, :-1] * len(start) + tags[:, 1:]]
    last = tags.gather(1, lengths[:, None] - 1)[:, 0]
    return start[tags[:, 0]] + nodes.masked_fill(~inside, 0).sum(1) + (pairs * inside[:, 1:]).sum(1) + end[last]


@torch.no_grad()
def viterbi(emissions: Tensor, transitions: Tensor, start: Tensor, end: Tensor, lengths: Tensor) -> Tensor:
    """The tag sequence of the highest score (Viterbi 1967); the arguments of ``log_partition``.

    Returns:
        ``(batch, length)``, ``IGNORE`` after a sentence's end.
    """
    best = [emissions[:, 0] + start]  # (batch, tags): score of the best sequence that ends in each tag
    previous = []
    for t in range(1, emissions.shape[1]):
        score, origin = (best[-1][:, :, None] + transitions).max(1)
        best.append(score + emissions[:, t])
        previous.append(origin)
    ends = torch.stack(best, 1) + end  # (batch, length, tags)
    final = ends.argmax(2)  # the last tag if the sentence ended at this position
    tags = final[:, -1]
    path = [tags]
    for t in range(emissions.shape[1] - 2, -1, -1):
        tags = torch.where(t + 1 < lengths, previous[t].gather(1, tags[:, None])[:, 0], final[:, t])
        path.append(tags)
    found = torch.stack(path[::-1], 1)
    return found.masked_fill(torch.arange(found.shape[1], device=found.device) >= lengths[:, None], IGNORE)


def expected_tags(log_partition: Callable[[Tensor, Tensor], Tensor], emissions: Tensor, lengths: Tensor) -> Tensor:
    """Gradient of a log-partition: the probability of each tag at each position, ``(batch, length, tags)``.

    It is zero after a sentence's end. Also without autograd.
    """
    with torch.inference_mode(False), torch.enable_grad():
        inputs = emissions.detach().clone().requires_grad_()
        return torch.autograd.grad(log_partition(inputs, lengths.clone()).sum(), inputs)[0]


def legal_steps(tags: Sequence[str]) -> Tensor:
    """Which tags may follow which in the scheme that the prefixes of the tags tell: IOB2 or BIOES.

    Args:
        tags: Such as ``O``, ``B-PER``, ``I-PER`` (IOB2) and also ``E-PER``, ``S-PER`` (BIOES).

    Returns:
        ``(tags + 1, tags + 1)`` of bool, as ``CRF`` takes it.
    """
    ends_marked = any(tag[:2] in ("E-", "S-") for tag in tags)

    def legal(before: str, after: str) -> bool:
        continues = after[:2] in ("I-", "E-")  # what goes before must be open, and of the same type
        if before[:2] == "B-" or before[:2] == "I-":
            same = before[2:] == after[2:] and continues
            return same or not (ends_marked or continues)
        return not continues

    names = [*tags, "O"]  # before the first and after the last word there is no entity
    return torch.tensor([[legal(before, after) for after in names] for before in names])
