"""Scores of predicted labels, against scikit-learn."""

import math

import pytest
import torch
from sklearn.metrics import accuracy_score, average_precision_score, f1_score

from modules.metrics import LabelScores, MeanAveragePrecision


def example(num=60, labels=7):
    generator = torch.Generator().manual_seed(0)
    preds = (torch.rand(num, labels, generator=generator) * 20).round() / 20  # with ties
    return preds, (torch.rand(num, labels, generator=generator) < 0.3).to(torch.uint8)


def score(metric, preds, target, size=13):
    for part in zip(preds.split(size), target.split(size), strict=True):
        metric.update(*part)
    return metric.compute()


@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_scores_are_scikit_learns(threshold):
    preds, target = example()
    found = score(LabelScores(7, threshold), preds, target)
    predicted = preds >= threshold
    assert float(found["f1"]) == pytest.approx(f1_score(target, predicted, average="macro"))
    assert float(found["micro_f1"]) == pytest.approx(f1_score(target, predicted, average="micro"))
    assert float(found["subset_accuracy"]) == pytest.approx(accuracy_score(target, predicted))
    mean = float(score(MeanAveragePrecision(), preds, target))
    assert mean == pytest.approx(average_precision_score(target, preds, average="macro"), abs=1e-12)


def test_labels_that_no_example_has_are_left_out():
    preds, target = example(labels=4)
    target[:, 2] = 0
    preds[:, 2] = 0.1
    kept = [0, 1, 3]
    assert float(score(MeanAveragePrecision(), preds, target)) == pytest.approx(
        average_precision_score(target[:, kept], preds[:, kept], average="macro")
    )
    expected = f1_score(target[:, kept], preds[:, kept] >= 0.5, average="macro")
    assert float(score(LabelScores(4), preds, target)["f1"]) == pytest.approx(expected)
    preds[0, 2] = 0.9  # predicted for an example that does not have it: its F1 is 0
    assert float(score(LabelScores(4), preds, target)["f1"]) == pytest.approx(0.75 * expected)


def test_what_is_not_defined_is_no_number():
    nothing = torch.zeros(3, 2)
    found = score(LabelScores(2), nothing, nothing)
    assert math.isnan(found["f1"])
    assert math.isnan(found["micro_f1"])
    assert found["subset_accuracy"] == 1
    assert math.isnan(score(MeanAveragePrecision(), nothing, nothing))
    assert math.isnan(score(MeanAveragePrecision(), torch.full((3, 2), math.nan), torch.ones(3, 2)))
