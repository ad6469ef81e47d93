import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.sampling import BatchIndices
from datamodules.series import Series

SAMPLES = Path(__file__).parents[2] / "samples"
SHOPS = {
    "path": str(SAMPLES / "series" / "shops.csv"),
    "target": "sales",
    "id": "shop",
    "past_covariates": ["visitors"],
    "known_covariates": ["holiday"],
    "calendar": ["weekday"],
    "context": 10,
    "horizon": 4,
    "val_fraction": 0.2,
}


def everything(data, split):
    return data.datasets[split].__getitems__(BatchIndices(range(len(data.datasets[split]))))


def wide(folder, columns=None, **more):
    """A file of 60 hours with two series, its columns changed as asked, and the datamodule that reads it."""
    table = pd.DataFrame(
        {
            "time": pd.date_range("2020-01-01", periods=60, freq="h").astype(str),
            "a": np.arange(60.0),
            "b": np.sin(np.arange(60.0)),
        }
    ).assign(**(columns or {}))
    path = folder / "wide.csv"
    table.to_csv(path, index=False)
    return Series(str(path), **{"context": 6, "horizon": 3, **more})


def learned(data):
    data.setup("fit")
    return data


def test_facts_come_from_the_training_part_alone(tmp_path):
    one, two = learned(wide(tmp_path)), None
    late = np.where(np.arange(60) < 42, np.arange(60.0), 1000.0)
    two = learned(wide(tmp_path, {"a": late}))
    assert torch.equal(one.facts.mean, two.facts.mean)
    assert one.facts.mean[0, 0] == np.arange(42).mean()
    assert one.facts.seasonal_error[0, 0] == 1 * one.facts.season


def test_borders_may_be_times(tmp_path):
    data = learned(wide(tmp_path, borders=["2020-01-02 00:00", "2020-01-03 00:00"]))
    data.setup("test")
    assert [len(data.datasets[split]) for split in ("train", "val", "test")] == [24 - 8, 24 - 2, 12 - 2]


def test_series_below_each_other_are_kept_apart():
    data = learned(Series(**SHOPS))
    assert data.facts.series == ["north", "south"]
    assert (len(data.facts.past), data.facts.num_known, data.facts.season) == (1, 3, 7)
    (history, known, series), target = everything(data, "train")
    assert history.shape == (2 * (54 - 13), 10, 2)
    assert known.shape == (82, 14, 3)
    assert target.shape == (82, 4, 1)
    frame = pd.read_csv(SHOPS["path"])
    for number, name in enumerate(data.facts.series):
        sales = frame.sales[frame.shop == name].to_numpy()[:54]
        scaled = (sales - sales.mean()) / sales.std()
        windows = np.lib.stride_tricks.sliding_window_view(scaled, 14)
        torch.testing.assert_close(history[series == number, :, 0].double().numpy(), windows[:, :10], atol=1e-5, rtol=0)
        torch.testing.assert_close(target[series == number, :, 0].double().numpy(), windows[:, 10:], atol=1e-5, rtol=0)
    holiday = frame.holiday[frame.shop == "north"].to_numpy()[:14]
    assert ((known[0, :, 0] > 0).numpy() == (holiday == 1)).all()


def test_the_logarithm_is_scaled(tmp_path):
    data = learned(wide(tmp_path, {"a": np.exp(np.arange(60.0) / 9), "b": 2.0 + np.arange(60) % 5}, scale="log"))
    assert data.facts.mean[0, 0] == pytest.approx(np.arange(42).mean() / 9)
    with pytest.raises(MisconfigurationException, match="column `b` is not positive at 2020-01-01 00:00:00"):
        learned(wide(tmp_path, scale="log", target=["b"]))


def hours(k, time):
    times = pd.date_range("2020-01-01", periods=60, freq="h").astype(str).to_list()
    times[k] = time
    return {"time": times}


@pytest.mark.parametrize(
    ("columns", "more", "sentence"),
    [
        (hours(5, "2020-01-01 04:00:00"), {}, "row 6: 2020-01-01 04:00:00 is the same time as in row 5"),
        (hours(5, "2020-01-01 04:30:00"), {}, "row 6: 2020-01-01 04:30:00 is not on a step of `h`"),
        (
            {"b": [*[1.5, 2.5] * 15, None, None, *[0.5] * 28]},
            {},
            "row 31 .*: column `b` has no value, nor in the 1 row",
        ),
        ({"b": [*[1.0] * 42, *[2.0] * 18]}, {}, "column `b` is constant in the training part"),
        ({"b": ["x", *[2.0] * 59]}, {"target": ["a", "b"]}, "row 1, column `b`: `x` is not a finite number"),
        (
            {"b": ["0", *(f"{k % 9} kg" for k in range(59))]},
            {"target": ["a", "b"]},
            "row 2, column `b`: `0 kg` is not a finite",
        ),
        ({}, {"target": "c"}, "has no column `c`; there are: time, a, b"),
        ({}, {"context": 40}, "the train part has 42 rows, which is too short for a context of 40 and a horizon of 3"),
        ({}, {"horizon": 7}, "the val part has 6 rows after 6 rows to look back on, which is too short"),
        ({}, {"season": 24}, "data.season is 24, but the context of 6 steps"),
    ],
)
def test_bad_input_is_named(tmp_path, columns, more, sentence):
    with pytest.raises(MisconfigurationException, match=sentence):
        learned(wide(tmp_path, columns, **more))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"horizon": 0}, "must be at least 1"),
        ({"stride": 0}, "must be at least 1"),
        ({"borders": ["2020-01-01"]}, "two times"),
        ({"zone": "Mars/Olympus"}, "no zone `Mars/Olympus`"),
        ({"season": 0}, "data.season is 0"),
        ({"freq": "zz"}, "data.freq: there is no step `zz`"),
        ({"resample": "7 moons"}, "data.resample: there is no step `7 moons`"),
    ],
)
def test_bad_arguments_are_named(arguments, sentence):
    with pytest.raises(MisconfigurationException, match=sentence):
        Series("f.csv", **arguments)


def trained(data, path):
    """A datamodule for prediction, with the facts of a trained one."""
    arguments = {**SHOPS, "predict_path": str(path)} if data.id else {"path": "", "context": 6, "horizon": 3}
    fresh = Series(**{**arguments, "predict_path": str(path)})
    fresh.load_state_dict(data.state_dict())
    return fresh


def test_forecasts_go_on_where_the_file_ends(tmp_path):
    data = learned(wide(tmp_path))
    data = trained(data, tmp_path / "wide.csv")
    data.setup("predict")
    (history, known, _), target = everything(data, "predict")
    assert target is None
    assert known.shape == (1, 9, 0)
    restored = history[0].double() * data.facts.std[0] + data.facts.mean[0]
    torch.testing.assert_close(restored[:, 0], torch.arange(54.0, 60.0).double(), atol=1e-4, rtol=0)
    row = {
        "forecast": [[60.0, 0.0], [61.0, 1.0], [62.0, 2.0]],
        "quantiles": {0.1: [[0.0, 0.0]] * 3, 0.9: [[99.0, 5.0]] * 3},
    }
    assert data.describe(0) == {"series": ""}
    written = pd.read_csv(data.write([row], tmp_path))
    assert written.columns.tolist() == ["time", "a", "a_0.1", "a_0.9", "b", "b_0.1", "b_0.9"]
    assert written.time.tolist() == ["2020-01-03 12:00:00", "2020-01-03 13:00:00", "2020-01-03 14:00:00"]
    assert written.a.tolist() == [60, 61, 62]
    data.draw([row], tmp_path)
    assert (tmp_path / "predictions.png").read_bytes()[:4] == b"\x89PNG"


def test_the_order_of_the_columns_does_not_matter(tmp_path):
    data = learned(wide(tmp_path))
    frame = pd.read_csv(tmp_path / "wide.csv")
    frame[["b", "time", "a"]].to_csv(tmp_path / "turned.csv", index=False)
    data = trained(data, tmp_path / "turned.csv")
    data.setup("predict")
    (history, _, _), _ = everything(data, "predict")
    restored = history[0].double() * data.facts.std[0] + data.facts.mean[0]
    torch.testing.assert_close(restored[:, 0], torch.arange(54.0, 60.0).double(), atol=1e-4, rtol=0)


def test_known_covariates_are_taken_from_the_rows_ahead(tmp_path):
    data = learned(Series(**SHOPS))
    frame = pd.read_csv(SHOPS["path"])
    days = pd.date_range("2021-04-01", periods=4).astype(str)
    ahead = pd.concat(
        [pd.DataFrame({"day": days, "shop": shop, "holiday": [0, 0, 1, 0]}) for shop in ("north", "south")]
    )
    path = tmp_path / "ahead.csv"
    pd.concat([frame, ahead]).to_csv(path, index=False)
    data = trained(data, path)
    data.setup("predict")
    (history, known, series), _ = everything(data, "predict")
    assert series.tolist() == [0, 1]
    assert (known[0, -4:, 0] > 0).tolist() == [False, False, True, False]
    last = frame.sales[frame.shop == "south"].to_numpy()[-10:]
    torch.testing.assert_close(
        history[1, :, 0].double() * data.facts.std[1, 0] + data.facts.mean[1, 0], torch.tensor(last), atol=1e-3, rtol=0
    )
    row = {"forecast": [[1.0]] * 4, "quantiles": {}}
    written = pd.read_csv(data.write([row, row], tmp_path))
    assert written.shop.tolist() == ["north"] * 4 + ["south"] * 4
    assert written.day.tolist() == [*days, *days]
    assert [line[-2:] for line in (tmp_path / "predictions.csv").read_text().split()[1:]] == [
        ",0",
        ",0",
        ",1",
        ",0",
    ] * 2

    frame.to_csv(path, index=False)
    with pytest.raises(MisconfigurationException, match=r"holiday must be given for 4 more rows .* there are 0"):
        trained(learned(Series(**SHOPS)), path).setup("predict")


def test_prediction_names_what_differs_from_training(tmp_path):
    data = learned(wide(tmp_path))
    table = pd.read_csv(tmp_path / "wide.csv")
    path = tmp_path / "new.csv"

    table.assign(time=pd.date_range("2020-01-01", periods=60, freq="D")).to_csv(path, index=False)
    with pytest.raises(
        MisconfigurationException,
        match=r"row 2: 2020-01-02 00:00:00 is a step of `D` after .* but the step must be `h`",
    ):
        trained(data, path).setup("predict")
    table.assign(a=table.b, b=table.a * 1000).to_csv(path, index=False)
    with pytest.warns(UserWarning, match="column `b` is .* in training: is it the same quantity"):
        trained(data, path).setup("predict")
    table.drop(columns="b").to_csv(path, index=False)
    with pytest.raises(MisconfigurationException, match="has no column `b`"):
        trained(data, path).setup("predict")
    table[:5].to_csv(path, index=False)
    with pytest.raises(MisconfigurationException, match="has 5 rows, but a forecast looks back on 6"):
        trained(data, path).setup("predict")
    other = Series("", context=6, horizon=4)
    with pytest.raises(MisconfigurationException, match="trained for context 6 and horizon 3, not 6 and 4"):
        other.load_state_dict(data.state_dict())


@pytest.mark.parametrize("low", [0, 900])
def test_thousands_that_are_read_as_decimals_are_told(tmp_path, low):
    whole = [low + 1000 + k * 37 % 100 for k in range(60)]
    data = learned(wide(tmp_path, {"a": [low, *whole[1:]], "b": whole[::-1]}))
    table, path = pd.read_csv(tmp_path / "wide.csv").drop(columns="a"), tmp_path / "new.csv"
    table.assign(a=[f"{number / 1000:.3f}" for number in whole]).to_csv(path, index=False)
    with pytest.warns(UserWarning, match=r"column `a` is [12]\.\d+ at .* in training: is it the .* decimal sign"):
        trained(data, path).setup("predict")
    table.assign(a=["950", *(f"{number / 1000:.3f}" for number in whole[1:])]).to_csv(path, index=False)
    with pytest.raises(MisconfigurationException, match=r"in column `a` is .* cannot be told"):
        trained(data, path).setup("predict")
    table.assign(a=whole).to_csv(path, index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        trained(data, path).setup("predict")


def test_numbers_that_are_all_far_smaller_are_told(tmp_path):
    numbers = np.array([900.5 + k * 370 % 1000 for k in range(60)])
    data = learned(wide(tmp_path, {"a": numbers, "b": -numbers}))
    path = tmp_path / "new.csv"
    for name in "ab":
        table = pd.read_csv(tmp_path / "wide.csv")
        table[name] /= 1000
        table.to_csv(path, index=False)
        with pytest.warns(UserWarning, match=f"column `{name}` is .* in training: is it the same quantity"):
            trained(data, path).setup("predict")


@pytest.mark.parametrize("name", ["time", None])
def test_times_may_be_the_index_of_a_given_table(tmp_path, name):
    data = learned(wide(tmp_path))
    table = pd.read_csv(tmp_path / "wide.csv", parse_dates=["time"])
    (segment,) = data.read_objects(table.set_index("time").rename_axis(name))
    assert segment.times[5] == table.time.iloc[-1]
    assert segment.frame.a.tolist()[:6] == table.a.tolist()[-6:]


def test_a_series_that_training_did_not_see_is_named(tmp_path):
    data = learned(Series(**{**SHOPS, "known_covariates": []}))
    frame = pd.read_csv(SHOPS["path"]).assign(shop="west")[::2]
    frame.to_csv(tmp_path / "west.csv", index=False)
    fresh = Series(**{**SHOPS, "known_covariates": [], "predict_path": str(tmp_path / "west.csv")})
    fresh.load_state_dict(data.state_dict())
    with pytest.raises(MisconfigurationException, match="shop `west` was not among the series of training"):
        fresh.setup("predict")


def test_the_stride_of_training_windows_never_reaches_evaluation(tmp_path):
    """Each step of validation and test is forecast at all distances, whatever the stride."""
    plain, wider = learned(wide(tmp_path)), learned(wide(tmp_path, stride=4))
    for data in (plain, wider):
        data.setup("test")
    assert len(wider.datasets["train"]) == -(-len(plain.datasets["train"]) // 4)
    for split in ("val", "test"):
        one, two = (everything(data, split) for data in (plain, wider))
        assert torch.equal(one.target, two.target)
        assert torch.equal(one.inputs.history, two.inputs.history)


def shops(folder, **more):
    """Three shops of 60 days; what is asked is changed in some of them."""
    table = pd.DataFrame({"day": pd.date_range("2021-01-01", periods=60).astype(str), "sales": np.arange(60) % 7 + 1.0})
    frames = [(more.pop(name, lambda frame: frame)(table)).assign(shop=name) for name in ("007", "12", "3")]
    pd.concat(frames).to_csv(folder / "shops.csv", index=False)
    options = {"target": "sales", "id": "shop", "context": 6, "horizon": 3, **more}
    return Series(str(folder / "shops.csv"), **options)


def test_series_that_are_too_short_or_constant_are_left_out_and_named(tmp_path):
    data = shops(tmp_path, **{"12": lambda frame: frame[:8], "3": lambda frame: frame.assign(sales=5.0)})
    with (
        pytest.warns(UserWarning, match="left out of the train part .*: 1 of 3 series, shop 12; .*too short"),
        pytest.warns(UserWarning, match="as constant: 1 of 2 series, shop 3; .*constant in the training part"),
    ):
        data.setup("fit")
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # they have been named
        data.setup("test")
    assert data.facts.series == ["007"]
    alone = learned(shops(tmp_path, **{"12": lambda frame: frame[:0], "3": lambda frame: frame[:0]}))
    assert torch.equal(everything(data, "train").target, everything(alone, "train").target)
    shops(tmp_path, **{"12": lambda frame: frame[:8], "3": lambda frame: frame.assign(sales=5.0)})
    fresh = Series("", id="shop", context=6, horizon=3, predict_path=str(tmp_path / "shops.csv"))
    fresh.load_state_dict(data.state_dict())
    with pytest.warns(
        UserWarning, match="no forecast of .*: 2 of 3 series, shop 12, 3; the first: .*`12` was not among"
    ):
        fresh.setup("predict")
    assert len(fresh.datasets["predict"]) == 1
    with pytest.raises(MisconfigurationException, match="the train part of `007` has 8 rows, which is too short"):
        learned(shops(tmp_path, **dict.fromkeys(("007", "12", "3"), lambda frame: frame[:8])))


def test_a_series_that_ends_before_the_test_part_is_evaluated_as_far_as_it_goes(tmp_path):
    data = shops(tmp_path, borders=["2021-02-12", "2021-02-20"], **{"12": lambda frame: frame[:50]})
    data.setup("fit")
    with pytest.warns(UserWarning, match="left out of the test part .*: 1 of 3 series, shop 12"):
        data.setup("test")
    assert everything(data, "val").inputs.series.unique().tolist() == [0, 1, 2]
    assert everything(data, "test").inputs.series.unique().tolist() == [0, 2]


def test_series_that_disappear_or_end_early_are_said_when_forecasts_begin(tmp_path):
    data = learned(shops(tmp_path))
    shops(tmp_path, **{"12": lambda frame: frame[:50], "3": lambda frame: frame[:0]})
    fresh = Series("", id="shop", context=6, horizon=3, predict_path=str(tmp_path / "shops.csv"))
    fresh.load_state_dict(data.state_dict())
    with (
        pytest.warns(UserWarning, match="1 of 2 series end before 2021-03-01 .*shop 12"),
        pytest.warns(UserWarning, match="does not hold all series of training, without shop 3"),
    ):
        fresh.setup("predict")
    rows = [{"forecast": [[1.0]] * 3, "quantiles": {}}] * 2
    written = pd.read_csv(fresh.write(rows, tmp_path), dtype=str)
    assert written.shop.tolist() == ["007"] * 3 + ["12"] * 3
    starts = ("2021-03-02", "2021-02-20")
    assert written.day.tolist() == [str(day.date()) for start in starts for day in pd.date_range(start, periods=3)]


def test_rows_of_the_future_are_not_trained_on(tmp_path):
    """A file whose known covariates go on is read for training too."""
    frame = pd.read_csv(SHOPS["path"])
    days = pd.date_range("2021-04-01", periods=4).astype(str)
    ahead = [pd.DataFrame({"day": days, "shop": shop, "holiday": 0}) for shop in ("north", "south")]
    pd.concat([frame, *ahead]).to_csv(tmp_path / "ahead.csv", index=False)
    one, two = learned(Series(**SHOPS)), learned(Series(**{**SHOPS, "path": str(tmp_path / "ahead.csv")}))
    for data in (one, two):
        data.setup("test")
    for split in ("train", "val", "test"):
        assert torch.equal(everything(one, split).target, everything(two, split).target)


@pytest.mark.parametrize(
    ("form", "first"),
    [("%d/%m/%Y", "01/03/2020"), ("%Y-%m-%dT%H:%M:%SZ", "2020-03-01T00:00:00Z"), ("%Y%m%d", "20200301")],
)
def test_forecasts_are_dated_as_the_file_is_and_unrounded(tmp_path, form, first):
    days = pd.date_range("2020-01-01", periods=60)
    path = tmp_path / "f.csv"
    pd.DataFrame({"t": days.strftime(form), "y": np.arange(60) % 7}).to_csv(path, index=False)
    data = learned(Series(str(path), context=6, horizon=3, calendar=["weekday"]))
    fresh = Series("", context=6, horizon=3, calendar=["weekday"], predict_path=str(path))
    fresh.load_state_dict(data.state_dict())
    fresh.setup("predict")
    value = 12345678.123456789
    written = fresh.write([{"forecast": [[value], [1 / 3], [2.0]], "quantiles": {}}], tmp_path).read_text().split()
    assert written[1] == f"{first},{value!r}"
    assert float(written[2].split(",")[1]) == 1 / 3


def test_rows_put_together_are_dated_by_more_than_the_file_shows(tmp_path):
    times = pd.date_range("2020-01-01", periods=60)
    path = tmp_path / "f.csv"
    pd.DataFrame({"t": times.strftime("%Y-%m-%d"), "y": np.arange(60) % 7}).to_csv(path, index=False)
    options = {"context": 6, "horizon": 3, "resample": "12h", "gaps": "linear"}
    data = learned(Series(str(path), **options))
    fresh = Series("", predict_path=str(path), **options)
    fresh.load_state_dict(data.state_dict())
    fresh.setup("predict")
    written = pd.read_csv(fresh.write([{"forecast": [[1.0]] * 3, "quantiles": {}}], tmp_path))
    assert written.t.tolist() == ["2020-02-29 12:00:00", "2020-03-01 00:00:00", "2020-03-01 12:00:00"]


@pytest.mark.parametrize(("level", "move"), [(4e8, 3), (12345678, 8), (1e12, 5), (-5e9, 2)])
def test_large_levels_are_scaled_in_double_precision(tmp_path, level, move):
    y = level + move * np.sin(np.arange(60.0) * 2 * np.pi / 7) + np.arange(60) % 5 * move / 10
    data = learned(wide(tmp_path, {"a": y}, target="a", season=1))
    train = y[:42]
    assert data.facts.mean.item() == pytest.approx(train.mean(), rel=1e-15)
    assert data.facts.std.item() == pytest.approx(train.std(), rel=1e-6)
    assert data.facts.seasonal_error.item() == pytest.approx(np.abs(np.diff(train)).mean(), rel=1e-6)
    windows = np.lib.stride_tricks.sliding_window_view((train - train.mean()) / train.std(), 9)
    np.testing.assert_allclose(everything(data, "train").target[..., 0], windows[:, 6:], atol=1e-3)
    with pytest.raises(MisconfigurationException, match="column `a` moves too little around its level"):
        learned(wide(tmp_path, {"a": y}, target="a", scale="none"))


def test_unscaled_numbers_stay_as_they_are(tmp_path):
    data = learned(wide(tmp_path, scale="none"))
    assert everything(data, "train").inputs.history[0, :, 0].tolist() == [0, 1, 2, 3, 4, 5]


def test_a_series_that_repeats_has_no_seasonal_error(tmp_path):
    with pytest.warns(UserWarning, match="seasonal naive forecast of a is exact in the training part"):
        data = learned(wide(tmp_path, {"a": 0.1 * (np.arange(60) % 3)}, season=3))
    assert data.facts.seasonal_error[0, 0] == 0
    assert data.facts.seasonal_error[0, 1] > 0


def test_a_known_covariate_that_never_changes_in_training_changes_nothing(tmp_path):
    data = learned(wide(tmp_path, {"b": [*[0.0] * 50, *[1.0] * 10]}, target="a", known_covariates=["b"]))
    data.setup("test")
    assert everything(data, "train").inputs.known.abs().max() == 0
    assert everything(data, "test").inputs.known.abs().max() == 1  # not a billion


def test_options_that_differ_from_training_are_refused(tmp_path):
    state = learned(wide(tmp_path)).state_dict()
    for options, sentence in (
        ({"calendar": ["hour"]}, r"trained with data.calendar \[\], not \['hour'\]"),
        ({"scale": "log"}, "trained with data.scale standard, not log"),
    ):
        with pytest.raises(MisconfigurationException, match=sentence):
            Series("", context=6, horizon=3, **options).load_state_dict(state)


def test_borders_are_read_as_the_dates_of_the_file(tmp_path):
    days = pd.date_range("2020-01-01", periods=120)
    path = tmp_path / "f.csv"
    pd.DataFrame({"t": days.strftime("%d/%m/%Y"), "y": np.arange(120) % 7}).to_csv(path, index=False)
    for borders in (["05/03/2020", "06/04/2020"], ["2020-03-05", "2020-04-06"]):
        data = learned(Series(str(path), context=6, horizon=3, borders=borders))
        assert len(data.datasets["train"]) == 64 - 8
        assert len(data.datasets["val"]) == 32 - 2
    with pytest.raises(MisconfigurationException, match="are no times"):
        learned(Series(str(path), context=6, horizon=3, borders=["then", "later"]))
