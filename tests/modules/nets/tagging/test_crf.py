"""The CRF against enumeration of all tag sequences."""

import itertools

import pytest
import torch
from torch import Tensor

from datamodules.types import IGNORE
from modules.nets.tagging.crf import CRF, FORBIDDEN, legal_steps, log_partition, path_score

LENGTHS = torch.tensor([1, 4, 2, 5, 3])
NUM_TAGS = 3


def make(dtype: torch.dtype = torch.float32, allowed: Tensor | None = None) -> tuple[CRF, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    crf = CRF(NUM_TAGS, allowed)
    for parameter in crf.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    emissions = (2 * torch.randn(len(LENGTHS), 5, NUM_TAGS, generator=generator)).to(dtype)
    tags = torch.randint(NUM_TAGS, (len(LENGTHS), 5), generator=generator)
    return crf, emissions, tags


def enumerated(crf: CRF, emissions: Tensor, length: int) -> dict[tuple[int, ...], float]:
    """Score of every sequence, added up number by number."""
    transitions, start, end = (x.tolist() for x in crf.potentials())
    values = emissions.double().tolist()
    scores = {}
    for path in itertools.product(range(NUM_TAGS), repeat=length):
        score = start[path[0]] + end[path[-1]]
        score += sum(values[t][tag] for t, tag in enumerate(path))
        score += sum(transitions[a][b] for a, b in itertools.pairwise(path))
        scores[path] = score
    return scores


def log_sum(scores: dict[tuple[int, ...], float]) -> Tensor:
    return torch.tensor(list(scores.values()), dtype=torch.float64).logsumexp(0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_likelihood_decoding_and_marginals_agree_with_enumeration(dtype: torch.dtype) -> None:
    crf, emissions, tags = make(dtype)
    losses, best = crf(emissions, tags, LENGTHS), crf.decode(emissions, LENGTHS)
    probabilities = crf.marginals(emissions, LENGTHS)
    for i, length in enumerate(LENGTHS.tolist()):
        scores = enumerated(crf, emissions[i], length)
        total = log_sum(scores)
        path = tuple(tags[i, :length].tolist())
        torch.testing.assert_close(losses[i], total - scores[path], rtol=1e-9, atol=1e-9)
        assert tuple(best[i, :length].tolist()) == max(scores, key=scores.__getitem__)
        assert (best[i, length:] == IGNORE).all()
        for t, tag in itertools.product(range(length), range(NUM_TAGS)):
            having = {path: score for path, score in scores.items() if path[t] == tag}
            torch.testing.assert_close(probabilities[i, t, tag], (log_sum(having) - total).exp(), rtol=1e-8, atol=1e-9)
        assert (probabilities[i, length:] == 0).all()


def test_gradients_agree_with_finite_differences() -> None:
    crf, emissions, tags = make()
    values = [x.detach().clone().requires_grad_() for x in (emissions.double(), *crf.potentials())]

    def loss(*inputs: Tensor) -> Tensor:
        weights = torch.arange(1.0, len(LENGTHS) + 1)  # so that each sentence's gradient is its own
        return (weights * (log_partition(*inputs, LENGTHS) - path_score(inputs[0], tags, *inputs[1:], LENGTHS))).sum()

    assert torch.autograd.gradcheck(loss, values, atol=1e-5)


def test_gradients_agree_with_the_plain_loop() -> None:
    crf, emissions, tags = make()
    emissions.requires_grad_()
    crf(emissions, tags, LENGTHS).sum().backward()
    found = [emissions.grad, *(p.grad for p in crf.parameters())]
    emissions.grad = None
    crf.zero_grad()
    total = torch.zeros(())
    for i, length in enumerate(LENGTHS.tolist()):
        alpha = crf.start + emissions[i, 0]
        for t in range(1, length):
            alpha = (alpha[:, None] + crf.transitions).logsumexp(0) + emissions[i, t]
        total = total + (alpha + crf.end).logsumexp(0)
        path = tags[i, :length]
        total = total - crf.start[path[0]] - crf.end[path[-1]] - emissions[i, range(length), path].sum()
        total = total - crf.transitions[path[:-1], path[1:]].sum()
    total.backward()
    for ours, theirs in zip(found, [emissions.grad, *(p.grad for p in crf.parameters())], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_padding_has_no_influence() -> None:
    crf, emissions, tags = make()
    inside = torch.arange(5) < LENGTHS[:, None]
    other = torch.where(inside[..., None], emissions, torch.full_like(emissions, 1e4))
    other_tags = tags.masked_fill(~inside, IGNORE)
    assert torch.equal(crf(emissions, tags, LENGTHS), crf(other, other_tags, LENGTHS))
    assert torch.equal(crf.decode(emissions, LENGTHS), crf.decode(other, LENGTHS))
    assert torch.equal(crf.marginals(emissions, LENGTHS), crf.marginals(other, LENGTHS))


def test_long_and_extreme_sentences_stay_finite() -> None:
    crf = CRF(4)
    emissions = (200 * torch.randn(2, 2000, 4)).requires_grad_()
    losses = crf(emissions, torch.randint(4, (2, 2000)), torch.tensor([2000, 1]))
    losses.sum().backward()
    assert torch.isfinite(losses).all()
    assert (losses > -1e-6).all()
    assert torch.isfinite(emissions.grad).all()


def test_forbidden_steps_never_come_out() -> None:
    tags = ["O", "B-A", "I-A"]
    crf, emissions, _ = make(allowed=legal_steps(tags))
    emissions[..., 2] += 10  # nothing likes I-A more than these
    best, probabilities = crf.decode(emissions, LENGTHS), crf.marginals(emissions, LENGTHS)
    for i, length in enumerate(LENGTHS.tolist()):
        path = best[i, :length].tolist()
        assert path[0] != 2
        assert all(a != 0 or b != 2 for a, b in itertools.pairwise(path))
        scores = {p: s for p, s in enumerated(crf, emissions[i], length).items() if s > FORBIDDEN / 2}
        assert path == list(max(scores, key=scores.__getitem__))
        assert probabilities[i, 0, 2] < 1e-100


IOB2 = "^ B-A, ^ O, O O, O B-A, O $, B-A I-A, B-A B-A, B-A B-B, B-A O, B-A $, I-A I-A, I-A B-A, I-A B-B, I-A O, I-A $"
BIOES = (
    "^ B-A, ^ S-A, ^ O, O O, O B-A, O S-A, O $, B-A I-A, B-A E-A, I-A I-A, I-A E-A, E-A B-A, E-A S-A, E-A O, E-A $, "
    "E-A B-B, E-A S-B, S-A B-A, S-A S-A, S-A B-B, S-A S-B, S-A O, S-A $"
)


@pytest.mark.parametrize(
    ("tags", "steps"),
    [("O B-A I-A B-B I-B", IOB2), ("O B-A I-A E-A S-A B-B I-B E-B S-B", BIOES)],
)
def test_legal_steps(tags: str, steps: str) -> None:
    allowed, legal = legal_steps(tags.split()), set(steps.split(", "))
    for i, before in enumerate([*tags.split(), "^"]):
        for j, after in enumerate([*tags.split(), "$"]):
            if (before, after) == ("^", "$"):
                continue
            # The table tells of type A; B is alike.
            swap = str.maketrans("AB", "BA")
            swapped = " ".join(x if x[:1] in "O^$" else x[:2] + x[2:].translate(swap) for x in (before, after))
            assert bool(allowed[i, j]) == bool({f"{before} {after}", swapped} & legal), (before, after)


def test_autocast_does_not_round_the_sums() -> None:
    crf, emissions, tags = make()
    with torch.autocast("cpu", torch.bfloat16):
        losses = crf(emissions, tags, LENGTHS)
    assert torch.equal(losses, crf(emissions, tags, LENGTHS))
