import math

import pytest
import torch

from modules.optimisation import Cosine, InverseSquareRoot, Linear, OneCycle, Schedule

PLANNED = [Cosine, Linear, InverseSquareRoot, OneCycle]


def rates(make, total, steps=None):
    """The rate before each step, as PyTorch's loop sees it."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = make(optimizer)
    schedule.plan(total)
    seen = []
    for _ in range(steps or total):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return seen, optimizer.param_groups[0]["lr"]


def test_cosine_without_warmup_is_pytorchs():
    seen, last = rates(Cosine, 40)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 40)
    for rate in seen:
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-6)
        optimizer.step()
        reference.step()
    assert last == pytest.approx(0, abs=1e-9)


def test_cosine_ends_at_its_final_factor():
    assert rates(lambda optimizer: Cosine(optimizer, warmup=3, final=0.25), 10)[1] == pytest.approx(0.5)


@pytest.mark.parametrize("warmup", [0.25, 10])
def test_linear_warmup_as_fraction_or_as_steps(warmup):
    seen, last = rates(lambda optimizer: Linear(optimizer, warmup=warmup), 40)
    assert seen[:10] == pytest.approx([2 * (k + 1) / 11 for k in range(10)])
    assert seen[10] == pytest.approx(2)
    assert seen[10:] == pytest.approx([2 * (40 - k) / 30 for k in range(10, 40)])
    assert last == 0


def test_inverse_square_root_of_the_transformer_paper():
    # Section 5.3: proportional to min(step^-0.5, step * warmup^-1.5), counted from 1, with its peak at our rate.
    seen, _ = rates(lambda optimizer: InverseSquareRoot(optimizer, warmup=24), 200)
    paper = [min((k + 1) ** -0.5, (k + 1) * 25**-1.5) * 25**0.5 * 2 for k in range(200)]
    assert seen == pytest.approx(paper)


def test_one_cycle_rises_and_falls():
    seen, last = rates(lambda optimizer: OneCycle(optimizer, warmup=0.3, start=0.1, final=0.01), 100)
    assert seen[0] == pytest.approx(0.2)
    assert seen[15] == pytest.approx(1.1)  # half way up
    assert seen[30] == max(seen) == pytest.approx(2)
    assert seen[65] == pytest.approx(2 * (1 + 0.01) / 2)  # half way down
    assert last == pytest.approx(0.02)
    assert seen[:31] == sorted(seen[:31])
    assert seen[30:] == sorted(seen[30:], reverse=True)


@pytest.mark.parametrize("kind", PLANNED)
def test_every_group_keeps_its_own_rate(kind):
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": lr} for lr in (1.0, 0.1)]
    optimizer = torch.optim.SGD(groups)
    schedule = kind(optimizer, warmup=0.3)
    schedule.plan(20)
    for _ in range(10):
        optimizer.step()
        schedule.step()
        assert optimizer.param_groups[0]["lr"] == pytest.approx(10 * optimizer.param_groups[1]["lr"])


@pytest.mark.parametrize("kind", PLANNED)
def test_goes_on_from_its_state(kind):
    def make():
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
        return optimizer, kind(optimizer, warmup=0.2)

    optimizer, schedule = make()
    schedule.plan(30)
    for _ in range(11):
        optimizer.step()
        schedule.step()
    other, resumed = make()
    resumed.plan(30)
    other.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(schedule.state_dict())
    for _ in range(19):
        for each in (optimizer, schedule, other, resumed):
            each.step()
        assert optimizer.param_groups[0]["lr"] == other.param_groups[0]["lr"]


def test_training_without_end_cannot_be_planned():
    schedule = Cosine(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0))
    with pytest.raises(ValueError, match="has no steps to plan for: give trainer"):
        schedule.plan(-1)


def test_steps_after_the_end_stay_finite():
    for kind in PLANNED:
        seen, _ = rates(kind, 5, steps=9)
        assert all(math.isfinite(rate) and rate >= 0 for rate in seen)
    assert all(issubclass(kind, Schedule) for kind in PLANNED)


@pytest.mark.parametrize("make", PLANNED)
def test_training_made_longer_goes_along_the_new_plan(make):
    schedules = []
    for total in (10, 30):
        schedule = make(torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0))
        schedule.plan(total)
        schedules.append(schedule)
    short, long = schedules
    for _ in range(7):
        short.optimizer.step()
        short.step()
    long.load_state_dict(short.state_dict())
    long.optimizer.step()
    long.step()
    expected, _ = rates(make, 30)
    assert long.optimizer.param_groups[0]["lr"] == pytest.approx(expected[8])
