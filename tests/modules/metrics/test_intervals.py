import pytest
import torch

from modules.metrics import CalibrationError, IntervalScores, SetScores


def test_scores_of_sets() -> None:
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.randn(60, 4, generator=generator).softmax(1)
    target = torch.randint(0, 4, (60,), generator=generator)
    sets = probabilities > 0.2
    scores, error = SetScores(), CalibrationError()
    for part in torch.arange(60).split(25):
        scores.update(probabilities[part], target[part], sets[part])
        error.update(probabilities[part], target[part])
    found = scores.compute()
    assert list(found) == list(scores.higher_is_better)
    assert found["calibration_error_scaled"] == error.compute()
    assert float(found["set_coverage"]) == pytest.approx(sum(bool(sets[i, k]) for i, k in enumerate(target)) / 60)
    assert float(found["set_size"]) == pytest.approx(sum(row.count(True) for row in sets.tolist()) / 60)


def test_scores_of_intervals() -> None:
    scores = IntervalScores()
    scores.update(torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, 3.5]]))
    scores.update(torch.tensor([[-1.0, 5.0]]), torch.tensor([[1.0, 6.0]]), torch.tensor([[-1.0, 4.0]]))
    found = scores.compute()
    assert list(found) == list(scores.higher_is_better)
    assert float(found["interval_coverage"]) == pytest.approx(0.5)
    assert float(found["interval_width"]) == pytest.approx((1 + 3 + 2 + 1) / 4)
