import numpy as np
import pandas as pd
import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.dates import read_dates, write_dates


def column(cells):
    return pd.Series(cells, name="when")


@pytest.mark.parametrize(
    ("cells", "second", "form"),
    [
        (["2020-01-31", "2020-02-01"], "2020-02-01", "%Y-%m-%d"),
        (["2020-01", "2020-02"], "2020-02-01", "%Y-%m"),
        (["2020/1/5", "2020/1/6"], "2020-01-06", "%Y/%-m/%-d"),
        (["2020.01.05 13:30:00", "2020.01.05 14:30:00"], "2020-01-05 14:30", "%Y.%m.%d %H:%M:%S"),
        (["26/12/2022", "01/02/2023"], "2023-02-01", "%d/%m/%Y"),
        (["12-26-2022", "02-01-2023"], "2023-02-01", "%m-%d-%Y"),
        (["31.12.68", "01.01.69", "02.01.69"], "1969-01-01", "%d.%m.%y"),
        (["13/1/2020 0:15", "14/1/2020 0:15"], "2020-01-14 00:15", "%d/%-m/%Y %-H:%M"),
        (["01/13/2020 12:00 AM", "01/13/2020 01:00 PM"], "2020-01-13 13:00", "%m/%d/%Y %I:%M %p"),
        (["12/2019", "01/2020"], "2020-01-01", "%m/%Y"),
        (["2020Q4", "2021Q1"], "2021-01-01", "%YQ%q"),
        (["Q4 2020", "Q1 2021"], "2021-01-01", "Q%q %Y"),
        (["2020-W53", "2021-W01"], "2021-01-04", "%G-W%V"),
        (["2021-W01-1", "2021-W01-2"], "2021-01-05", "%G-W%V-%u"),
        (["Jan 2020", "Feb 2020"], "2020-02-01", "%b %Y"),
        (["Dec-68", "Jan-69"], "1969-01-01", "%b-%y"),
        (["31-Jan-20", "1-Feb-20"], "2020-02-01", "%d-%b-%y"),
        (["1 January 2020", "2 January 2020"], "2020-01-02", "%-d %B %Y"),
        (["January 5, 2020", "January 6, 2020"], "2020-01-06", "%B %-d, %Y"),
        ([1999, 2000], "2000-01-01", "%Y"),
        ([202001, 202002], "2020-02-01", "%Y%m"),
        ([20200131, 20200201], "2020-02-01", "%Y%m%d"),
        (["202001312300", "202002010000"], "2020-02-01", "%Y%m%d%H%M"),
        ([1580515200, 1580518800], "2020-02-01 01:00", "epoch s"),
        ([1580515200000, 1580518800000], "2020-02-01 01:00", "epoch ms"),
    ],
)
def test_dates_are_read_and_written_as_people_write_them(cells, second, form):
    dates = read_dates(column(cells), "f.csv")
    assert dates.local[1] == pd.Timestamp(second)
    assert dates.form == form
    assert [str(cell) for cell in write_dates(dates.local, dates.form)][1] == str(cells[1]).replace("1-Feb", "01-Feb")


def test_a_leap_day_and_the_last_hour_of_a_day():
    dates = read_dates(column(["29.02.2020 23:00", "29.02.2020 24:00"]), "f.csv")
    assert dates.local.tolist() == [pd.Timestamp("2020-02-29 23:00"), pd.Timestamp("2020-03-01")]
    for cell in ("29/02/2021", "31/04/2021", "30/01/2021 25:00", "30/01/2021 12:61", "2020-02-29"):
        dates = read_dates(column(["13/02/2021", "14/02/2021", cell]), "f.csv")  # another form than the rest has, too
        assert dates.local.isna().tolist() == [False, False, True]


def test_day_and_month_are_told_by_the_whole_column_never_by_the_first_cell():
    days = [f"{day:02}/12/2022" for day in range(1, 32)]
    assert read_dates(column(days), "f.csv").local.tolist() == pd.date_range("2022-12-01", "2022-12-31").tolist()
    months = [f"01/{month:02}/{year}" for year in (2012, 2013) for month in range(1, 13)]  # all could be in January
    dates = read_dates(column(months), "f.csv")
    assert dates.local.tolist() == pd.date_range("2012-01-01", "2013-12-01", freq="MS").tolist()
    assert dates.order == "dmy"
    gaps = ["03/01/2020", "05/01/2020", "01/02/2020", "02/02/2020", "01/03/2020"]  # ascends only with days first
    assert read_dates(column(gaps), "f.csv").local[2] == pd.Timestamp("2020-02-01")
    dates = read_dates(column(["12/26/2022", *days]), "f.csv")  # a single cell does not outvote the others
    assert dates.local.isna().tolist() == [True] + [False] * 31


def test_a_column_that_can_be_read_in_two_ways_is_refused_unless_it_is_said():
    cells = column(["03/04/2020", "04/04/2020", "05/04/2020"])  # three days, or three months
    with pytest.raises(MisconfigurationException) as error:
        read_dates(cells, "f.csv")
    assert "`03/04/2020` in column `when`" in str(error.value)
    assert str(error.value).endswith("--data.date_format %d/%m/%Y or %m/%d/%Y")
    assert read_dates(cells, "f.csv", form="%m/%d/%Y").local[2] == pd.Timestamp("2020-05-04")
    for order, first in (("dmy", "2020-04-03"), ("mdy", "2020-03-04")):  # as in training
        assert read_dates(cells, "f.csv", order=order).local[0] == pd.Timestamp(first)
    assert read_dates(column(["2020-05-04"]), "f.csv", order="dmy").local[0] == pd.Timestamp("2020-05-04")


def test_offsets_are_kept_beside_the_clock_of_the_place():
    cells = ["2023-10-29T02:30:00+02:00", "2023-10-29T02:30:00+01:00"]
    dates = read_dates(column(cells), "f.csv")
    assert dates.offset.tolist() == [120, 60]
    assert dates.utc.tolist() == [pd.Timestamp("2023-10-29 00:30"), pd.Timestamp("2023-10-29 01:30")]
    local = pd.DatetimeIndex(cells, tz="Europe/Amsterdam")
    assert write_dates(local, dates.form) == cells
    for cell in ("2020-01-01 00:00Z", "2020-01-01 00:00 UTC", "2020-01-01 01:00+0100", "2019-12-31T19:00-05:00[EST]"):
        assert read_dates(column([cell]), "f.csv").utc[0] == pd.Timestamp("2020-01-01")
    assert write_dates(local, "%Y-%m-%d %H:%MZ")[0] == "2023-10-29 00:30Z"
    mixed = read_dates(column([*cells, "2023-10-29 04:00"]), "f.csv")
    assert np.isnat(mixed.local[2].to_numpy())  # by no clock that is known


def test_what_is_a_date_already_stays_it():
    times = pd.date_range("2020-01-01", periods=3, tz="Europe/Paris")
    dates = read_dates(column(times), "f.parquet")
    assert dates.offset.tolist() == [60] * 3
    assert dates.local[0] == pd.Timestamp("2020-01-01")
    assert write_dates(times, dates.form) == list(times)


@pytest.mark.parametrize("cells", [[0.5, 1.5], [43831, 43832], [0, 1, 2]])
def test_numbers_that_are_no_dates_are_refused(cells):
    with pytest.raises(MisconfigurationException, match="column `when` holds numbers, not times"):
        read_dates(column(cells), "f.csv")


def test_a_bad_format_is_named():
    with pytest.raises(MisconfigurationException, match=r"data.date_format `%q` is no format of dates"):
        read_dates(column(["2020"]), "f.csv", form="%q")
