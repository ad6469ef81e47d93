"""Temperatures, sets and margins by other means; coverage where it can be known."""

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from scipy.optimize import minimize_scalar
from torch import Tensor

from modules.calibration import (
    ClassCalibrator,
    Compared,
    IntervalCalibrator,
    best_temperature,
    conformal_quantile,
    fewest,
)
from modules.classification import sets_to_texts


def overconfident(num: int, num_classes: int, factor: float, seed: int) -> Compared:
    """Classes drawn by their probabilities, and logits that are ``factor`` times too large."""
    generator = torch.Generator().manual_seed(seed)
    logits = 1.5 * torch.randn(num, num_classes, generator=generator)
    target = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    return Compared(factor * logits, target)


def smoothed_loss(temperature: float, logits: Tensor, target: Tensor) -> float:
    """Mean cross-entropy, and that of one more example, a part of each, whose class is any."""
    scaled = logits.double() / temperature
    return float(F.cross_entropy(scaled, target) - scaled.log_softmax(1).mean() / len(logits))


@pytest.mark.parametrize("factor", [0.02, 0.3, 1.0, 4.0, 300.0])
def test_temperature_is_that_of_another_search(factor: float) -> None:
    logits, target, _ = overconfident(400, 5, factor, seed=0)
    found = minimize_scalar(
        lambda log: smoothed_loss(math.exp(log), logits, target), (-5, 5), method="brent", tol=1e-10
    )
    assert float(best_temperature(logits, target)) == pytest.approx(math.exp(found.x), rel=1e-5)


def test_temperature_takes_back_what_made_logits_too_large() -> None:
    temperature = best_temperature(*overconfident(20_000, 10, 4.0, seed=1)[:2])
    assert temperature.dtype == torch.float64
    assert float(temperature) == pytest.approx(4.0, rel=0.03)


def test_without_mistakes_one_more_example_might_have_been_wrong() -> None:
    target = torch.arange(30) % 3
    logits = 5.0 * F.one_hot(target, 3).float()
    probability = (logits / best_temperature(logits, target)).softmax(1).max()
    assert float(probability) == pytest.approx((30 + 1 / 3) / 31, rel=1e-6)


def test_logits_that_say_nothing_have_a_temperature() -> None:
    target = torch.arange(30) % 3
    assert best_temperature(torch.zeros(30, 3), target).isfinite()
    wrong = F.one_hot((target + 1) % 3, 3).float()  # the best were below 0
    assert float(best_temperature(wrong, target)) == pytest.approx(1e3)


@pytest.mark.parametrize("num", [9, 10, 19, 99, 100, 1234])
@pytest.mark.parametrize("coverage", [0.5, 0.55, 0.7, 0.9])
def test_quantile_is_the_score_of_that_rank(num: int, coverage: float) -> None:
    scores = torch.rand(num, 2, 3, dtype=torch.float64)
    k = next(k for k in range(1, num + 1) if k * 1000 >= (num + 1) * round(coverage * 1000))
    wanted = np.sort(scores.numpy(), axis=0)[k - 1]
    assert np.array_equal(conformal_quantile(scores, coverage).numpy(), wanted)


@pytest.mark.parametrize(("coverage", "least"), [(0.5, 1), (0.8, 4), (0.9, 9), (0.95, 19), (0.99, 99)])
def test_too_few_examples_give_no_finite_quantile(coverage: float, least: int) -> None:
    assert fewest(coverage) == least
    assert conformal_quantile(torch.rand(least, 2), coverage).isfinite().all()
    assert conformal_quantile(torch.rand(least - 1, 2), coverage).isinf().all()


@pytest.mark.parametrize("coverage", [0.6, 0.9])
def test_sets_hold_the_class_as_often_as_asked(coverage: float) -> None:
    calibrator = ClassCalibrator(coverage)
    calibrator.fit(overconfident(20_000, 6, 3.0, seed=2))
    calibrator.update(overconfident(20_000, 6, 3.0, seed=3))
    scores = calibrator.scores(torch.device("cpu"))
    assert float(scores["set_coverage"]) == pytest.approx(coverage, abs=0.01)
    assert float(scores["calibration_error_scaled"]) < 0.02
    assert 1 < float(scores["set_size"]) < 6


def test_sets_are_those_of_the_definition() -> None:
    compared = overconfident(50, 4, 2.0, seed=4)
    calibrator = ClassCalibrator(0.8)
    calibrator.fit(compared)
    probabilities = calibrator.probabilities(compared.outputs)
    temperature = float(best_temperature(*compared[:2]))
    torch.testing.assert_close(probabilities, (compared.outputs.double() / temperature).softmax(1))
    scores = sorted(1 - float(row[k]) for row, k in zip(probabilities, compared.target, strict=True))
    limit = scores[math.ceil(51 * 0.8) - 1]
    wanted = [[1 - float(p) <= limit + 1e-12 for p in row] for row in probabilities]
    assert calibrator.sets(probabilities).tolist() == wanted


def test_sets_by_name() -> None:
    probabilities = torch.tensor([[0.2, 0.5, 0.3], [0.1, 0.1, 0.8], [0.4, 0.4, 0.2]])
    sets = torch.tensor([[False, True, True], [False, False, False], [True, True, True]])
    assert sets_to_texts(sets, probabilities, ["a", "b", "c"]) == ["b|c", "", "a|b|c"]
    assert sets_to_texts(sets, probabilities, ["a", "b|é", "c"]) == ['["b|é", "c"]', "[]", '["a", "b|é", "c"]']


def noise(num: int, seed: int) -> Compared:
    """Two numbers an example, the second ten times as far off, and too narrow quantiles of both."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.randn(num, 2, generator=generator) * torch.tensor([1.0, 10.0])
    quantiles = torch.tensor([[-0.5, 0.0, 0.5], [-20.0, 0.0, 20.0]])
    return Compared(quantiles.expand(num, 2, 3), target)


@pytest.mark.parametrize("outputs", [1, 3])
def test_intervals_hold_the_truth_as_often_as_asked(outputs: int) -> None:
    chosen = slice(1, 2) if outputs == 1 else slice(0, 3)
    calibrator = IntervalCalibrator(0.9, [2])
    (fitted, truth, _), (others, target, _) = noise(20_000, 5), noise(20_000, 6)
    calibrator.fit(Compared(fitted[..., chosen], truth))
    lower, upper = calibrator.interval(others[..., chosen])
    assert ((lower <= target) & (target <= upper)).double().mean(0).tolist() == pytest.approx([0.9, 0.9], abs=0.01)
    assert (upper - lower)[0].tolist() == pytest.approx([2 * 1.645, 20 * 1.645], rel=0.03)
    assert (calibrator.values["margin"] < 0).tolist() == ([False, False] if outputs == 1 else [False, True])
    calibrator.update(Compared(others[..., chosen], target))
    scores = calibrator.scores(torch.device("cpu"))
    assert float(scores["interval_coverage"]) == pytest.approx(0.9, abs=0.01)
    assert float(scores["interval_width"]) == pytest.approx(11 * 1.645, rel=0.03)
    calibrator.update(Compared(others[:1, ..., chosen], 1e9 + target[:1]))
    assert calibrator.scores(torch.device("cpu"))["interval_coverage"] == 0


def test_intervals_are_as_wide_as_what_they_hold_scatters() -> None:
    generator = torch.Generator().manual_seed(8)
    spread = torch.tensor([1.0, 5.0]).repeat(10_000)[:, None]
    target = spread * torch.randn(20_000, 1, generator=generator)
    outputs = torch.zeros(20_000, 1, 1)
    parts = [Compared(*part) for part in zip(*(some.split(5_000) for some in (outputs, target, spread)), strict=True)]
    calibrator = IntervalCalibrator(0.9, [1])
    calibrator.fit(Compared.joined(parts[:2]))
    for part in parts[2:]:
        calibrator.update(part)
    assert float(calibrator.scores(torch.device("cpu"))["interval_width"]) == pytest.approx(6 * 1.645, rel=0.03)
    (lower, upper), last = calibrator.interval(parts[2].outputs, parts[2].spread), parts[2].target
    inside = ((lower <= last) & (last <= upper)).double().view(-1, 2)
    assert inside.mean(0).tolist() == pytest.approx([0.9, 0.9], abs=0.015)


def test_ends_do_not_pass_each_other() -> None:
    calibrator = IntervalCalibrator(0.9, [1])
    calibrator.values["margin"] = torch.tensor([-2.0], dtype=torch.float64)
    lower, upper = calibrator.interval(torch.tensor([[[0.0, 1.0]], [[0.0, 6.0]]]))
    assert lower.tolist() == [[0.5], [2.0]]
    assert upper.tolist() == [[0.5], [4.0]]


@pytest.mark.parametrize("coverage", [0, 1, 0.0, 1.0, -0.1, 90.0, None, math.nan])
def test_coverage_is_a_share(coverage: Any) -> None:
    with pytest.raises(MisconfigurationException, match="must be between 0 and 1"):
        ClassCalibrator(coverage)


def test_state_round_trip_and_that_of_another_task() -> None:
    calibrator, other = IntervalCalibrator(0.9, [2]), IntervalCalibrator(0.9, [2])
    calibrator.fit(noise(100, 7))
    state = calibrator.state_dict()
    assert state["coverage"] == 0.9
    other.load_state_dict(state)
    assert torch.equal(other.values["margin"], calibrator.values["margin"])
    damaged = {"margin": torch.full((2,), math.nan)}
    for found, reader in ((state, ClassCalibrator(0.9)), (state, IntervalCalibrator(0.9, [3])), (damaged, other)):
        with pytest.raises(MisconfigurationException, match=r"has no (margin|temperature) for this task"):
            reader.load_state_dict(found)
