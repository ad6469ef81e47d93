from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torchmetrics.functional import (
    mean_absolute_error,
    mean_squared_error,
    symmetric_mean_absolute_percentage_error,
)

from modules.metrics import ForecastErrors, QuantileScores
from modules.metrics.forecasts import Forecasts, Truth


def test_scores_are_those_of_torchmetrics_over_all_windows():
    torch.manual_seed(0)
    size = (7, 5, 2)
    scaled, original, naive, naive_original = (torch.randn(size) for _ in range(4))
    truth, truth_original = torch.randn(size), torch.randn(size)
    error = torch.rand(7, 1, 2) + 0.5
    metric = ForecastErrors()
    for part in (slice(0, 4), slice(4, 7)):  # batches of different size
        forecasts = Forecasts(
            scaled[part, ..., None], original[part, ..., None], naive[part], naive_original[part], error[part]
        )
        metric.update(forecasts, Truth(truth[part], truth_original[part]))
    flat = [values.flatten() for values in (scaled, truth, original, truth_original, naive)]
    expected = {
        "mse": mean_squared_error(flat[0], flat[1]),
        "mae": mean_absolute_error(flat[0], flat[1]),
        "rmse": mean_squared_error(flat[0], flat[1], squared=False),
        "mae_original": mean_absolute_error(flat[2], flat[3]),
        "rmse_original": mean_squared_error(flat[2], flat[3], squared=False),
        "smape": symmetric_mean_absolute_percentage_error(flat[2], flat[3]),
        "mase": ((original - truth_original).abs() / error).mean(),
        "naive_mse": mean_squared_error(flat[4], flat[1]),
        "naive_mae": mean_absolute_error(flat[4], flat[1]),
        "naive_mase": ((naive_original - truth_original).abs() / error).mean(),
    }
    found = metric.compute()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value.double(), rtol=1e-6, atol=0, msg=name)


def test_quantiles_are_scored_one_by_one():
    torch.manual_seed(0)
    levels = [0.1, 0.5, 0.9]
    forecast, truth = torch.randn(6, 4, 2, 3).sort(-1).values, torch.randn(6, 4, 2)
    metric = QuantileScores(levels)
    for part in (slice(0, 1), slice(1, 6)):
        metric.update(SimpleNamespace(scaled=forecast[part]), SimpleNamespace(scaled=truth[part]))
    covered, loss = [], []
    for quantiles, value in zip(forecast.view(-1, 3).tolist(), truth.flatten().tolist(), strict=True):
        covered.append(quantiles[0] <= value <= quantiles[2])
        for q, level in zip(quantiles, levels, strict=True):
            loss.append(2 * (level * (value - q) if value >= q else (1 - level) * (q - value)))
    assert metric.compute()["coverage"].item() == pytest.approx(np.mean(covered))
    assert metric.compute()["crps"].item() == pytest.approx(np.mean(loss))


def test_the_ends_of_an_interval_belong_to_it():
    metric = QuantileScores([0.1, 0.5, 0.9])
    quantiles = torch.tensor([0.0, 1.0, 2.0]).expand(4, 1, 1, 3)
    metric.update(
        SimpleNamespace(scaled=quantiles), SimpleNamespace(scaled=torch.tensor([-1e-6, 0, 2, 2.1]).view(4, 1, 1))
    )
    assert metric.compute()["coverage"].item() == 0.5


def test_the_crps_of_many_quantiles_is_that_of_the_normal_distribution():
    levels = (torch.arange(999) + 1) / 1000
    quantiles = torch.distributions.Normal(0.0, 1.0).icdf(levels)
    metric = QuantileScores(levels.tolist())
    metric.update(SimpleNamespace(scaled=quantiles.view(1, 1, 1, -1)), SimpleNamespace(scaled=torch.zeros(1, 1, 1)))
    # CRPS(N(0, 1), 0) = 2 phi(0) - 1 / sqrt(pi), Gneiting et al. 2005
    assert metric.compute()["crps"].item() == pytest.approx(2 / np.sqrt(2 * np.pi) - 1 / np.sqrt(np.pi), abs=2e-3)


def errors(forecast, truth, seasonal_error):
    """Scores of forecasts whose scaled and original values are the same."""
    metric = ForecastErrors()
    shape = (len(forecast), 1, 1)
    values, target = (torch.tensor(some, dtype=torch.double).view(shape) for some in (forecast, truth))
    divisor = torch.tensor(seasonal_error, dtype=torch.double).view(shape)
    metric.update(Forecasts(values[..., None], values[..., None], values, values, divisor), Truth(target, target))
    return {name: value.item() for name, value in metric.compute().items()}


def test_mase_is_over_the_series_that_have_something_to_divide_by():
    assert errors([1.0, 5.0], [2.0, 2.0], [0.5, 0.0])["mase"] == 2
    scores = errors([1.0, 5.0], [2.0, 2.0], [0.0, 0.0])
    assert np.isnan(scores["mase"])
    assert np.isnan(scores["naive_mase"])
    assert scores["mae"] == 2


def test_what_is_not_finite_is_left_out_of_no_score():
    for value in (float("nan"), float("inf")):
        scores = errors([1.0, value], [2.0, 2.0], [0.5, 0.5])
        assert not any(np.isfinite(score) for score in scores.values())


def test_smape_is_0_where_both_are_0():
    assert errors([0.0, 1.0], [0.0, 3.0], [1.0, 1.0])["smape"] == pytest.approx(0.5)


def test_sums_are_in_double_precision_also_where_the_states_were_cast():
    """As by ``precision: bf16-true``, which casts all floating numbers of a model."""
    metric = torch.nn.ModuleList([ForecastErrors()]).to(torch.bfloat16)[0]
    truth = torch.zeros(1000, 1, 1)
    values = truth.double() + 0.1
    for _ in range(20):
        metric.update(
            Forecasts(values[..., None], values[..., None], values, values, values), Truth(truth, truth.double())
        )
    assert metric.compute()["mae_original"].item() == pytest.approx(0.1, rel=1e-12)
    assert metric.compute()["mse"].item() == pytest.approx(0.01, rel=1e-12)
    assert metric.compute()["mase"].item() == pytest.approx(1, rel=1e-12)


def test_scores_say_their_direction():
    for metric in (ForecastErrors(), QuantileScores([0.1, 0.5, 0.9])):
        assert metric.compute().keys() == metric.higher_is_better.keys()
    assert not any(ForecastErrors().higher_is_better.values())
