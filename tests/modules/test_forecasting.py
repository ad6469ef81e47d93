from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.sampling import BatchIndices
from datamodules.series import Series, Univariate
from experiments.callbacks.figures.forecasting import ForecastFigures
from modules.forecasting import Forecaster, pinball
from modules.nets.forecasting import LinearForecaster, RecurrentForecaster, SegmentGRU

SAMPLES = Path(__file__).parents[1] / "samples"


def passengers(**more):
    arguments = {"context": 24, "horizon": 12, "borders": ["1957-01-01", "1959-01-01"], "root": str(SAMPLES)}
    return Univariate(**{**arguments, **more})


def shops(**more):
    return Series(
        str(SAMPLES / "series" / "shops.csv"),
        target="sales",
        id="shop",
        past_covariates=["visitors"],
        calendar=["weekday"],
        context=14,
        horizon=5,
        val_fraction=0.2,
        **more,
    )


def built(data, net=lambda sizes: LinearForecaster(sizes, 0, "last"), **more):
    data.setup("fit")
    task = Forecaster(net, **more)
    task.use(data.facts)
    task.configure_model()
    return task.eval()


def everything(data, split="val"):
    return data.datasets[split].__getitems__(BatchIndices(range(len(data.datasets[split]))))


def trainer(folder, epochs=1, **more):
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return Trainer(default_root_dir=folder, max_epochs=epochs, accelerator="cpu", **{"logger": False, **quiet, **more})


def test_the_pinball_loss_is_least_at_the_quantile():
    values = torch.randn(4000)
    guesses = torch.linspace(-2, 2, 401)
    for level in (0.1, 0.5, 0.8):
        losses = pinball(guesses.view(1, 1, 1, -1).expand(4000, 1, 1, -1), values.view(-1, 1, 1), torch.tensor([level]))
        assert guesses[losses.mean((0, 1, 2)).argmin()] == pytest.approx(values.quantile(level).item(), abs=0.02)


def test_mase_divides_by_the_error_of_the_season_before_in_training():
    data = passengers(scale="log")
    task = built(data)
    whole = everything(data, "train")
    output = task.step(whole)
    series = data.datasets["train"].values[:, :, 0]  # all windows; undo the scaling by hand
    months = torch.cat([series[:, 0], series[-1, 1:]])
    original = (months * data.facts.std[0, 0] + data.facts.mean[0, 0]).exp()
    assert task.facts.seasonal_error.item() == pytest.approx(
        (original[12:] - original[:-12]).abs().mean().item(), rel=1e-4
    )
    torch.testing.assert_close(
        output.preds.naive_original[5, :, 0], original[5 + 12 : 5 + 24].double(), rtol=1e-4, atol=0
    )
    torch.testing.assert_close(output.target.original[5, :, 0], original[5 + 24 : 5 + 36].double(), rtol=1e-4, atol=0)


@pytest.mark.parametrize("loss", ["mse", "mae", "huber"])
def test_losses(loss):
    data = passengers()
    task = built(data, loss=loss)
    batch = everything(data)
    forecast = task(batch[0]).squeeze(-1)
    error = (forecast - batch[1]).detach().numpy()
    expected = {
        "mse": (error**2).mean(),
        "mae": np.abs(error).mean(),
        "huber": np.where(np.abs(error) < 1, error**2 / 2, np.abs(error) - 0.5).mean(),
    }
    assert task.step(batch).loss.item() == pytest.approx(expected[loss], rel=1e-5)


def test_a_series_has_its_own_units_back():
    data = shops()
    task = built(data)
    inputs, target = everything(data, "train")
    original = task.to_original(target, inputs[2])
    south = inputs[2] == 1
    assert original[south].mean() > 150
    assert original[~south].mean() < 50


def test_quantiles_do_not_cross_and_name_themselves():
    data = shops()
    task = built(data, lambda sizes: SegmentGRU(sizes, 7, 8), quantiles=[0.1, 0.5, 0.9])
    inputs, target = everything(data)
    output = task.step((inputs, target))
    assert (output.preds.scaled.diff(dim=-1) >= 0).all()
    rows = task.predict_step((inputs, None), 0)
    assert list(rows[0]["quantiles"]) == [0.1, 0.5, 0.9]
    torch.testing.assert_close(torch.tensor(rows[3]["forecast"], dtype=torch.double), output.preds.original[3, ..., 1])
    torch.testing.assert_close(
        torch.tensor(rows[3]["quantiles"][0.9], dtype=torch.double), output.preds.original[3, ..., 2]
    )


@pytest.mark.parametrize(
    ("levels", "sentence"),
    [([0.5, 0.1, 0.9], "must rise"), ([0.0, 0.5, 1.0], "between 0 and 1"), ([0.1, 0.9], "middle one must be 0.5")],
)
def test_bad_quantiles_are_named(levels, sentence):
    with pytest.raises(MisconfigurationException, match=sentence):
        Forecaster(LinearForecaster, quantiles=levels)


def test_it_learns_a_season_with_noise_better_than_naive(tmp_path):
    torch.manual_seed(0)
    data = passengers(batch_size=16)
    net = partial(LinearForecaster, kernel=0, normalise="last")
    task = Forecaster(net, optimizer=lambda p: torch.optim.AdamW(p, lr=3e-3))
    run = trainer(tmp_path, 60)
    run.fit(task, data)
    scores = run.test(task, data, verbose=False)[0]
    assert scores["test/mase"] < 0.8 * scores["test/naive_mase"]


def test_scores_of_a_split_are_means_over_its_windows_whatever_the_batches(tmp_path):
    found = []
    for batch_size in (1, 5, 64):
        torch.manual_seed(0)
        data = shops(batch_size=batch_size)
        task = Forecaster(lambda sizes: RecurrentForecaster(sizes, "gru", 8), quantiles=[0.2, 0.5, 0.8])
        found.append(trainer(tmp_path).test(task, data, verbose=False)[0])
    assert {"test/mse", "test/mase", "test/naive_mase", "test/coverage", "test/crps", "test/loss"} <= set(found[0])
    for scores in found[1:]:
        assert scores == pytest.approx(found[0], rel=1e-5)


def test_forecasts_are_drawn(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    data = shops(batch_size=8)
    task = Forecaster(lambda sizes: RecurrentForecaster(sizes, "gru", 8), quantiles=[0.2, 0.5, 0.8])
    logger = TensorBoardLogger(tmp_path, "", "")
    run = trainer(tmp_path, logger=logger, callbacks=[ForecastFigures(count=2)])
    run.fit(task, data)
    run.test(task, data, verbose=False)
    events = EventAccumulator(str(tmp_path), size_guidance={"images": 0}).Reload()
    assert set(events.Tags()["images"]) == {"val/forecasts", "test/forecasts"}
