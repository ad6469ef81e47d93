"""Scores of numbers beside scikit-learn."""

import math

import pytest
import torch
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from modules.metrics import RegressionScores


def scored(preds, target, step=7):
    metric = RegressionScores(preds.shape[1])
    for first in range(0, len(preds), step):
        metric.update(preds[first : first + step], target[first : first + step])
    return {name: value.item() for name, value in metric.compute().items()}


def test_scores_are_scikit_learns():
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(40, 3, generator=generator)
    preds = target + 0.3 * torch.randn(40, 3, generator=generator)
    scores = scored(preds, target)
    assert scores["mae"] == pytest.approx(mean_absolute_error(target, preds), rel=1e-5)
    assert scores["rmse"] == pytest.approx((target.double() - preds.double()).square().mean().sqrt().item(), rel=1e-12)
    assert scores["r2"] == pytest.approx(r2_score(target.double(), preds.double()), rel=1e-9)
    alone = scored(preds[:, :1], target[:, :1])
    assert alone["rmse"] == pytest.approx(root_mean_squared_error(target[:, :1], preds[:, :1]), rel=1e-6)


def test_far_from_zero_no_digit_is_lost():
    target = 4e8 + torch.arange(12.0, dtype=torch.float64)[:, None] % 3
    preds = target + torch.tensor([[0.5], [-0.5]], dtype=torch.float64).repeat(6, 1)
    scores = scored(preds, target)
    assert scores["mae"] == scores["rmse"] == 0.5
    assert scored(preds - 4e8, target - 4e8)["r2"] == pytest.approx(1 - 0.25 / (2 / 3), rel=1e-12)


def test_variance_of_a_single_row_or_of_equal_ones_is_not_explained():
    row = torch.tensor([[2.0]])
    scores = scored(row + 1, row)
    assert (scores["mae"], scores["rmse"]) == (1.0, 1.0)
    assert math.isnan(scores["r2"])
    assert math.isnan(scored(torch.ones(5, 1) * 0.3, torch.ones(5, 1) * 0.1)["r2"])


def test_r2_is_over_the_targets_that_vary():
    target = torch.tensor([[1.0, 0.1], [2.0, 0.1], [4.0, 0.1]])
    assert scored(target + 0.5, target)["r2"] == pytest.approx(scored(target[:, :1] + 0.5, target[:, :1])["r2"])


def test_what_is_no_number_is_not_left_out():
    target = torch.tensor([[1.0, 3.0], [2.0, 4.0], [4.0, 9.0]])
    preds = target.clone()
    preds[1, 0] = math.nan
    assert all(math.isnan(score) for score in scored(preds, target).values())


def test_what_is_no_number_is_not_left_out_with_a_target_that_is_always_the_same():
    target = torch.tensor([[1.0, 3.0], [2.0, 3.0], [4.0, 3.0]])
    preds = target.clone()
    preds[1, 1] = math.nan
    assert math.isnan(scored(preds, target)["r2"])
