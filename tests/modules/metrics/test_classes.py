"""Scores of classes beside scikit-learn and beside counting pairs."""

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score, roc_auc_score

from modules.metrics import AUROC, CalibrationError, MacroF1


def scored(metric, preds, target, step=7):
    for first in range(0, len(preds), step):
        metric.update(preds[first : first + step], target[first : first + step])
    return metric.compute().item()


def softmax(size, classes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(size, classes, generator=generator) * 2).round().div(2).softmax(1)  # with ties


def test_auroc_is_scikit_learns():
    preds, target = softmax(60, 4), torch.arange(60) % 4
    wanted = np.mean([roc_auc_score(target == k, preds[:, k]) for k in range(4)])
    assert scored(AUROC(), preds, target) == pytest.approx(wanted, abs=1e-12)


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    preds, target = softmax(30, 2), torch.arange(30) % 3 == 0
    ahead = [float(a > b) + 0.5 * float(a == b) for a in preds[target, 1].tolist() for b in preds[~target, 1].tolist()]
    assert scored(AUROC(), preds, target.long()) == pytest.approx(np.mean(ahead), abs=1e-12)


def test_auroc_is_over_the_classes_that_are_there():
    preds, target = softmax(60, 9), torch.tensor([2, 5]).repeat(30)
    wanted = np.mean([roc_auc_score(target == k, preds[:, k]) for k in (2, 5)])
    assert scored(AUROC(), preds, target) == pytest.approx(wanted, abs=1e-12)


def test_auroc_of_a_single_class_or_of_no_numbers_is_none():
    assert math.isnan(scored(AUROC(), softmax(9, 3), torch.ones(9, dtype=torch.long)))
    preds = softmax(9, 3)
    preds[4, 1] = math.nan
    assert math.isnan(scored(AUROC(), preds, torch.arange(9) % 3))


def calibration_error(preds, target):
    """Bin by bin, as in Guo et al. 2017, equation 3."""
    confidence, right = preds.double().max(1).values, preds.argmax(1) == target
    total = 0.0
    for k in range(15):
        inside = (confidence > k / 15) & (confidence <= (k + 1) / 15)
        if inside.any():
            total += inside.double().mean() * (right[inside].double().mean() - confidence[inside].mean()).abs()
    return float(total)


def test_calibration_error_bin_by_bin():
    preds, target = softmax(200, 3), torch.arange(200) % 3
    assert scored(CalibrationError(), preds, target) == pytest.approx(calibration_error(preds, target), abs=1e-12)


def test_a_confidence_of_one_is_in_the_last_bin():
    preds = torch.tensor([[1.0, 0.0], [0.95, 0.05]])  # one bin: |1.95 - 1| / 2, not |1 - 1| / 2 + |0.95 - 0| / 2
    assert scored(CalibrationError(), preds, torch.tensor([1, 0])) == pytest.approx(0.475)
    preds = torch.tensor([[1.0, 0.0], [0.9, 0.1]])  # two bins: |1 - 0| / 2 + |0.9 - 1| / 2
    assert scored(CalibrationError(), preds, torch.tensor([1, 0])) == pytest.approx(0.55)
    assert scored(CalibrationError(), torch.tensor([[1.0, 0.0]]), torch.tensor([0])) == 0.0


def test_calibration_error_of_no_numbers_is_none():
    assert math.isnan(scored(CalibrationError(), torch.tensor([[math.nan, math.nan]]), torch.tensor([0])))


def test_f1_is_scikit_learns_over_the_classes_that_are_there():
    preds, target = softmax(50, 5), torch.tensor([0, 1, 3]).repeat(17)[:50]
    preds[:, 4] = 0  # neither true nor predicted
    wanted = f1_score(target, preds.argmax(1), average="macro")
    assert scored(MacroF1(5), preds, target) == pytest.approx(wanted, abs=1e-12)
    assert math.isnan(MacroF1(5).compute().item())


def test_f1_of_many_classes_takes_little_memory():
    preds = torch.zeros(3, 50_000)
    preds[torch.arange(3), torch.tensor([7, 49_999, 7])] = 1
    assert scored(MacroF1(50_000), preds, torch.tensor([7, 49_999, 8])) == pytest.approx((2 / 3 + 1 + 0) / 3)
