"""A training that goes on longer, or with another learning rate, optimizer or schedule."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from modules.classification import Classifier

COSINE = "--model.scheduler=modules.optimisation.Cosine"
STEP_LR = ["--model.scheduler=torch.optim.lr_scheduler.StepLR", "--model.scheduler.step_size=1"]
TORCH_COSINE = ["--model.scheduler=torch.optim.lr_scheduler.CosineAnnealingLR", "--model.scheduler.T_max=2"]
SGD = ["--model.optimizer=torch.optim.SGD", "--model.optimizer.lr=0.1"]


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The learning rate of every training step, 4 an epoch."""
    seen: list[float] = []
    step = Classifier.training_step

    def recorded(self: Classifier, batch: Any, batch_idx: int) -> Any:
        seen.append(self.trainer.optimizers[0].param_groups[0]["lr"])
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Classifier, "training_step", recorded)
    return seen


@pytest.fixture
def went_on(leyden: Callable[..., int], digits: Path, rates: list[float]) -> Callable[..., list[float]]:
    """Train two epochs at 0.01, go on to four, and return the rates of the new steps."""

    def run(first: list[str], then: list[str]) -> list[float]:
        assert leyden("fit", "--config", digits, *first) == 0
        del rates[:]
        assert leyden("fit", "--ckpt_path=runs/digits/0", "--trainer.max_epochs=4", *then) == 0
        return list(rates)

    return run


def planned(schedule: str, leyden: Callable[..., int], digits: Path, rates: list[float]) -> list[float]:
    del rates[:]
    assert leyden("fit", "--config", digits, "--trainer.max_epochs=4", schedule, "--name=whole") == 0
    return rates[8:]


@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_longer_training_goes_along_the_new_plan_from_its_first_step(
    interval: str, went_on: Callable[..., list[float]]
) -> None:
    new = went_on([COSINE, f"--model.interval={interval}"], [])
    assert new[0] == pytest.approx(0.005)
    assert new == sorted(new, reverse=True)
    assert new[-1] > 0
    if interval == "epoch":
        assert new[4:] == [pytest.approx(0.01 * (1 - 2**-0.5) / 2)] * 4


@pytest.mark.parametrize("first", [[], [COSINE], STEP_LR], ids=["constant", "planned", "StepLR"])
def test_another_planned_schedule_begins_where_training_stands(
    first: list[str],
    went_on: Callable[..., list[float]],
    leyden: Callable[..., int],
    digits: Path,
    rates: list[float],
) -> None:
    linear = "--model.scheduler=modules.optimisation.Linear"
    new = went_on(first, [linear])
    assert new == planned(linear, leyden, digits, rates)
    assert new[0] == pytest.approx(0.005)


@pytest.mark.parametrize("first", [[], [COSINE]], ids=["constant", "planned"])
def test_another_scheduler_of_pytorch_begins_at_its_own_rate(
    first: list[str], went_on: Callable[..., list[float]]
) -> None:
    assert went_on(first, STEP_LR) == pytest.approx([0.01] * 4 + [0.001] * 4)


def test_schedule_that_is_left_out_leaves_a_constant_rate(went_on: Callable[..., list[float]]) -> None:
    assert went_on([COSINE], ["--model.scheduler=null"]) == [0.01] * 8


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        ([], [], [0.1] * 8),
        (STEP_LR, [], [0.1 * 0.1**2] * 4 + [0.1 * 0.1**3] * 4),
        ([], [COSINE], None),
        ([COSINE], [], None),
    ],
    ids=["constant", "StepLR", "then planned", "planned"],
)
def test_another_optimizer_begins_without_the_state_of_the_former_one(
    first: list[str], then: list[str], expected: list[float] | None, went_on: Callable[..., list[float]]
) -> None:
    new = went_on(first, [*SGD, "--model.optimizer.momentum=0.9", *then])
    if expected is None:
        assert new[0] == pytest.approx(0.05)
    else:
        assert new == pytest.approx(expected)
    state = torch.load("runs/digits/0/checkpoints/last.ckpt", weights_only=True)["optimizer_states"][0]
    assert all(set(kept) == {"momentum_buffer"} for kept in state["state"].values())
    assert state["param_groups"][0]["momentum"] == 0.9


@pytest.mark.parametrize(
    ("first", "then", "expected"),
    [
        ([], [], [0.03] * 8),
        (["--model.optimizer.lr=0"], [], [0.03] * 8),
        (["--model.optimizer.lr=0", *STEP_LR], [], [0.03 * 0.1**2] * 4 + [0.03 * 0.1**3] * 4),
        (STEP_LR, [], [0.03 * 0.1**2] * 4 + [0.03 * 0.1**3] * 4),
        (STEP_LR, ["--model.scheduler.step_size=3"], [0.03] * 4 + [0.003] * 4),
        (TORCH_COSINE, ["--model.scheduler.T_max=4"], [0.015] * 4 + [0.03 * (1 - 2**-0.5) / 2] * 4),
    ],
    ids=["constant", "from 0", "StepLR from 0", "StepLR", "StepLR, other steps", "ended at 0, made longer"],
)
def test_another_learning_rate_and_other_options_take_effect_from_the_first_step(
    first: list[str], then: list[str], expected: list[float], went_on: Callable[..., list[float]]
) -> None:
    assert went_on(first, ["--model.optimizer.lr=0.03", *then]) == pytest.approx(expected)


def test_other_options_of_the_optimizer_take_effect_but_for_groups_with_their_own(
    went_on: Callable[..., list[float]],
) -> None:
    went_on(["--model.decay_all=false"], ["--model.optimizer.weight_decay=0.5", "--model.optimizer.betas=[0.5,0.9]"])
    groups = torch.load("runs/digits/0/checkpoints/last.ckpt", weights_only=True)["optimizer_states"][0]["param_groups"]
    assert sorted(group["weight_decay"] for group in groups) == [0, 0.5]
    assert all(tuple(group["betas"]) == (0.5, 0.9) for group in groups)


def test_option_that_cannot_be_changed_is_refused(
    leyden: Callable[..., int], digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plateau = ["--model.scheduler=lightning.pytorch.cli.ReduceLROnPlateau", "--model.scheduler.monitor=val/loss"]
    leyden("fit", "--config", digits, *plateau)
    go_on = ["fit", "--ckpt_path=runs/digits/0", "--trainer.max_epochs=3"]
    assert leyden(*go_on, "--model.scheduler.min_lr=0.1") == 1
    assert "ReduceLROnPlateau.min_lr cannot be changed when training goes on" in capsys.readouterr().err
    assert leyden(*go_on, "--model.scheduler.patience=3") == 0


def test_averaging_that_would_average_nothing_is_refused(
    leyden: Callable[..., int], digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    swa = ["--trainer.callbacks+=StochasticWeightAveraging", "--trainer.callbacks.swa_lrs=0.01"]
    assert leyden("fit", "--config", digits, *swa) == 1
    assert "take experiments.callbacks.averaging.EMA" in capsys.readouterr().err
