import io
from pathlib import Path

import pandas as pd
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger

from datamodules.series import Series
from datamodules.series.figures import Panel, draw_forecasts
from experiments.callbacks.figures import ForecastFigures
from modules.forecasting import Forecaster
from modules.nets.forecasting import RecurrentForecaster

SHOPS = str(Path(__file__).parents[3] / "samples" / "series" / "shops.csv")


@pytest.fixture
def shown(tmp_path, monkeypatch):
    """What is drawn of a run of two epochs: the callback, and tag, step and figure of each picture."""
    data = Series(SHOPS, target="sales", id="shop", context=14, horizon=5, batch_size=8)
    task = Forecaster(lambda sizes: RecurrentForecaster(sizes, "gru", 8), quantiles=[0.2, 0.5, 0.8])
    logger, found = TensorBoardLogger(tmp_path, "", ""), []
    monkeypatch.setattr(
        "experiments.callbacks.figures.forecasting.show_figure",
        lambda trainer, tag, figure: found.append((tag, trainer.global_step, figure)),
    )
    run = Trainer(
        default_root_dir=tmp_path, max_epochs=2, accelerator="cpu", logger=logger, enable_progress_bar=False,
        enable_model_summary=False, enable_checkpointing=False, callbacks=[ForecastFigures(count=2, every_n_epochs=2)],
    )  # fmt: skip
    torch.manual_seed(0)
    run.fit(task, data)
    run.test(task, data, verbose=False)
    return found


def test_forecasts_are_drawn_when_they_are_due(shown):
    assert [(tag, step) for tag, step, _ in shown] == [("val/forecasts", 24), ("test/forecasts", 24)]


def test_what_is_drawn_is_what_came_to_pass(shown):
    sales = pd.read_csv(SHOPS).pivot(index="day", columns="shop", values="sales")["north"].to_numpy()
    first = shown[1][2].axes[0]
    lines = {line.get_label(): line.get_ydata() for line in first.lines}
    start = 90 - 18
    assert lines["data"] == pytest.approx(sales[start - 10 : start], rel=1e-5)
    assert lines["truth"] == pytest.approx(sales[start : start + 5], rel=1e-5)
    assert lines["seasonal naive"] == pytest.approx(sales[start - 7 : start - 2], rel=1e-5)
    assert len(lines["forecast"]) == 5
    assert first.collections[0].get_label() == "0.2 to 0.8"
    assert len(shown[1][2].axes) == 2


def test_the_middle_output_is_the_forecast_and_the_outermost_bound_it():
    panel = Panel("sales", range(-3, 0), [4.0, 5, 6], range(2), [[1.0, 2, 4], [2.0, 3, 5]])
    figure = draw_forecasts([panel], levels=[0.1, 0.5, 0.9], size=(4.0, 1.8), unit="steps ahead")
    (axes,) = figure.axes
    assert {line.get_label(): list(line.get_ydata()) for line in axes.lines} == {"data": [4, 5, 6], "forecast": [2, 3]}
    figure.savefig(io.BytesIO())
    legend = figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["data", "forecast", "0.1 to 0.9"]
    assert not legend.get_window_extent().overlaps(axes.get_window_extent())  # it covers nothing
    assert axes.get_xlabel() == "steps ahead"
    corners = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (corners.min(), corners.max()) == (1, 5)
