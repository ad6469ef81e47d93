from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from experiments.callbacks.figures.regression import scatter_figure
from experiments.commands.configs import CONFIGS


def test_points_lie_where_they_should() -> None:
    truth, preds = torch.tensor([[1.0, 10.0], [2.0, 30.0]]), torch.tensor([[1.5, 20.0], [torch.nan, 30.0]])
    figure = scatter_figure(preds, truth, ["a", "b"])
    for axes, k, ends in zip(figure.axes, (0, 1), ([1.0, 2.0], [10.0, 30.0]), strict=True):
        points, line = axes.lines
        assert points.get_xdata().tolist() == truth[:, k].tolist()
        assert points.get_ydata().tolist() == pytest.approx(preds[:, k].tolist(), nan_ok=True)
        assert list(line.get_xdata()) == list(line.get_ydata()) == ends
        assert axes.get_xlabel() == f"true {'ab'[k]}"


def test_a_test_draws_in_the_units_of_the_target(leyden: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def scatter(preds: torch.Tensor, truth: torch.Tensor, names: list[str]) -> object:
        drawn.append((preds, truth, names))
        return scatter_figure(preds, truth, names)

    monkeypatch.setattr("experiments.callbacks.figures.regression.scatter_figure", scatter)
    assert leyden("fit", "--config", CONFIGS / "regression" / "diabetes.yaml", "--trainer.max_epochs=1") == 0
    assert leyden("test", "--ckpt_path", "runs/diabetes/0", "--figures=true") == 0
    ((preds, truth, names),) = drawn
    assert names == ["progression"]
    assert preds.shape == truth.shape
    assert 24.9 < float(truth.min()) < float(truth.max()) < 346.1  # as published
    assert truth.flatten().tolist() == pytest.approx(truth.round().flatten().tolist(), abs=1e-3)
    assert Path("runs/diabetes/0/pictures/test_predictions.png").is_file()
