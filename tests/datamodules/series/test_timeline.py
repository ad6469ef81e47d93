import math

import numpy as np
import pandas as pd
import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.series.timeline import Rules, calendar_features, regular, usual_season


def table(times, values=None):
    values = list(range(len(times))) if values is None else values
    return pd.DataFrame({"y": np.array(values, float)}, index=range(1, len(times) + 1)), pd.DatetimeIndex(times)


HOURS = list(pd.date_range("2020-01-01", periods=8, freq="h"))


def test_a_regular_table_stays_as_it_is():
    frame, freq = regular(*table(HOURS), Rules(), "f")
    assert freq == "h"
    assert frame["y"].tolist() == list(range(8))
    assert list(frame.index) == HOURS


@pytest.mark.parametrize(
    ("times", "freq"),
    [
        (pd.date_range("1949-01-01", periods=9, freq="MS"), "MS"),
        (pd.date_range("2002-01-01", periods=9, freq="7D"), "W-TUE"),
        (pd.date_range("2002-01-31", periods=9, freq="ME"), "ME"),
        (pd.date_range("2002-01-01", periods=9, freq="15min"), "15min"),
    ],
)
def test_the_step_is_told_from_the_times(times, freq):
    assert regular(*table(times), Rules(), "f")[1] == freq


def test_months_with_a_gap_are_found():
    times = list(pd.date_range("2000-01-01", periods=24, freq="MS"))
    del times[20]
    frame, freq = regular(*table(times), Rules(gaps="previous"), "f")
    assert (len(frame), freq) == (24, "MS")
    assert frame["y"].iloc[20] == 19


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t, v: ([*t[:3], t[2], *t[3:]], v), "f, row 4: 2020-01-01 02:00:00 is the same time as in row 3"),
        (lambda t, v: ([*t[:3], t[1], *t[4:]], v), "f, row 4: 2020-01-01 01:00:00 is the same time as in row 2"),
        (
            lambda t, v: ([*t[:4], t[4] + pd.Timedelta("10min"), *t[5:]], v),
            "f, row 5: 2020-01-01 04:10:00 is not on a step of `h` after 2020-01-01 03:00:00",
        ),
        (lambda t, v: (t[:3] + t[5:], v), "f: 2 steps of `h` are missing, the first after row 3 (2020-01-01 02:00:00)"),
        (
            lambda t, v: (t, [0, 1, math.nan, math.nan, math.nan, 5, math.nan, 7]),
            "f, row 3 (2020-01-01 02:00:00): column `y` has no value, nor in the 2 rows after it",
        ),
        (  # a later run is another one
            lambda t, v: (t, [0, 1, math.nan, 3, math.nan, math.nan, 6, 7]),
            "f, row 3 (2020-01-01 02:00:00): column `y` has no value; fill",
        ),
        (
            lambda t, v: (t[:2] + t[3:5] + t[7:], v),
            "f: 3 steps of `h` are missing, the first after row 2 (2020-01-01 01:",
        ),
    ],
)
def test_a_broken_rule_is_named_with_its_row(change, sentence):
    times, values = change(HOURS, None)
    with pytest.raises(MisconfigurationException) as error:
        regular(*table(times, values), Rules(freq="h" if len(times) < 6 else None), "f")
    assert str(error.value).startswith(sentence)


@pytest.mark.parametrize(("gaps", "filled"), [("linear", [0, 3, 6, 9, 12]), ("previous", [0, 0, 0, 9, 12])])
def test_gaps_are_filled_as_asked(gaps, filled):
    frame, _ = regular(*table([*HOURS[:2], *HOURS[3:5]], [0, math.nan, 9, 12]), Rules("h", gaps), "f")
    assert frame["y"].tolist() == filled


def test_a_gap_at_the_start_cannot_be_filled():
    with pytest.raises(MisconfigurationException, match="column `y` has no value at 2020-01-01 00:00:00, and none"):
        regular(*table(HOURS, [math.nan, *range(7)]), Rules(gaps="linear"), "f")


def test_a_gap_at_the_end_is_not_interpolated():
    with pytest.raises(MisconfigurationException, match="column `y` has no value at 2020-01-01 07:00:00, and none"):
        regular(*table(HOURS, [*range(7), math.nan]), Rules(gaps="linear"), "f")


def test_rows_are_put_together():
    frame, freq = regular(*table(HOURS), Rules(resample="4h", resample_by="sum"), "f")
    assert (frame["y"].tolist(), freq) == ([0 + 1 + 2 + 3, 4 + 5 + 6 + 7], "4h")


@pytest.mark.parametrize(
    ("freq", "season"),
    [("15min", 96), ("h", 24), ("D", 7), ("B", 5), ("7D", 52), ("W", 52), ("MS", 12), ("ME", 12), ("QS", 4), ("YS", 1)],
)
def test_usual_seasons(freq, season):
    assert usual_season(freq) == season


def test_calendar_features_are_phases():
    times = pd.DatetimeIndex(["2020-01-01 06:00", "2020-01-01 18:00"])
    features = calendar_features(times, ["hour", "weekday"])
    assert features.shape == (2, 4)
    np.testing.assert_allclose(features[:, 0], [1, -1], atol=1e-6)
    angle = 2 * math.pi * 2 / 7  # a Wednesday
    np.testing.assert_allclose(features[0, 2:], [math.sin(angle), math.cos(angle)], atol=1e-6)
