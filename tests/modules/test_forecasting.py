from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.sampling import BatchIndices
from datamodules.series import Series, Univariate
from modules.forecasting import Forecaster, pinball
from modules.nets.forecasting import LinearForecaster, PatchTransformer, RecurrentForecaster, SegmentGRU

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


def metered(folder, level, move, size=140):
    """A meter at a high level that moves by little."""
    steps = np.arange(size)
    y = level + move * np.sin(steps * 2 * np.pi / 7) + np.random.default_rng(0).normal(0, move / 10, size)
    path = folder / "meter.csv"
    days = pd.date_range("2021-01-04", periods=size).strftime("%d/%m/%Y")
    pd.DataFrame({"day": days, "meter": y}).to_csv(path, index=False, sep=";", decimal=",")
    return path, y


@pytest.mark.parametrize(("level", "move"), [(4e8, 3.0), (12345678.0, 8.0), (1e10, 20.0), (-3e8, 1.0)])
def test_a_high_level_keeps_its_digits_from_file_to_metric_to_forecast(tmp_path, level, move):
    path, y = metered(tmp_path, level, move)
    options = {"context": 14, "horizon": 5}
    data = Series(str(path), **options)
    task = Forecaster(lambda sizes: RecurrentForecaster(sizes, "gru", 8), quantiles=[0.1, 0.5, 0.9])
    run = trainer(tmp_path, 3)
    run.fit(task, data)
    scores = run.test(task, data, verbose=False)[0]
    std, naive = y[:98].std(), np.abs(y[7:98] - y[:91]).mean()
    assert scores["test/mae_original"] == pytest.approx(scores["test/mae"] * std, rel=1e-5)
    assert scores["test/rmse_original"] == pytest.approx(scores["test/rmse"] * std, rel=1e-5)
    assert scores["test/mase"] == pytest.approx(scores["test/mae"] * std / naive, rel=1e-5)
    # The naive forecast by hand, over every window of the test part.
    starts = range(112, 140 - 5 + 1)
    by_hand = [np.abs(y[s : s + 5] - y[s - 7 : s - 2]) for s in starts]
    assert scores["test/naive_mase"] == pytest.approx(np.mean(by_hand) / naive, rel=1e-4)

    fresh = Series(str(path), predict_path=str(path), **options)
    fresh.load_state_dict(data.state_dict())
    fresh.setup("predict")
    rows = task.predict_step(fresh.datasets["predict"].__getitems__(BatchIndices([0])), 0)
    written = pd.read_csv(fresh.write(rows, tmp_path))
    assert written.day.tolist() == ["24/05/2021", "25/05/2021", "26/05/2021", "27/05/2021", "28/05/2021"]
    scaled = task(fresh.datasets["predict"].__getitems__(BatchIndices([0])).inputs)[0, :, 0].sort(-1).values
    expected = scaled.detach().double().numpy() * std + y[:98].mean()
    for k, name in enumerate(["meter_0.1", "meter", "meter_0.9"]):
        np.testing.assert_allclose(written[name], expected[:, k], rtol=0, atol=move * 1e-4)
    assert len(set(written.meter)) == 5


def test_the_mase_of_a_series_that_repeats_is_not_a_number(tmp_path):
    path = tmp_path / "week.csv"
    days = pd.date_range("2021-01-04", periods=140).astype(str)
    visitors = [[12, 15, 14, 13, 20, 35, 30][k % 7] + (k % 3 if k >= 98 else 0) for k in range(140)]
    pd.DataFrame({"day": days, "visitors": visitors}).to_csv(path, index=False)
    data, task = Series(str(path), context=14, horizon=5), Forecaster(LinearForecaster)
    with pytest.warns(UserWarning, match="is exact in the training part"):
        scores = trainer(tmp_path).test(task, data, verbose=False)[0]
    assert np.isnan(scores["test/mase"])
    assert np.isnan(scores["test/naive_mase"])
    assert np.isfinite(scores["test/mae_original"])


NETS = {
    "linear": LinearForecaster,
    "recurrent": lambda sizes: RecurrentForecaster(sizes, "lstm", 8, bidirectional=True),
    "segments": lambda sizes: SegmentGRU(sizes, 7, 8, highway=True),
    "patches": lambda sizes: PatchTransformer(sizes, 4, 2, 8, 2, 1, 16),
}


@pytest.mark.parametrize("name", NETS)
def test_forecasts_do_not_depend_on_their_batch(name):
    data = shops()
    torch.manual_seed(0)
    task = built(data, NETS[name], quantiles=[0.1, 0.5, 0.9])
    split = data.datasets["val"]
    order = torch.randperm(len(split)).tolist()[:8]
    together = task.predict_step(split.__getitems__(BatchIndices(order)), 0)
    for k, index in enumerate(order):
        (alone,) = task.predict_step(split.__getitems__(BatchIndices([index])), 0)
        np.testing.assert_allclose(alone["forecast"], together[k]["forecast"], rtol=1e-5)
        for level in (0.1, 0.9):
            np.testing.assert_allclose(alone["quantiles"][level], together[k]["quantiles"][level], rtol=1e-5)


def test_a_network_that_does_not_go_with_the_data_is_refused():
    with pytest.raises(MisconfigurationException, match="a context of 14 steps holds no segment of 24"):
        built(shops(), SegmentGRU)
