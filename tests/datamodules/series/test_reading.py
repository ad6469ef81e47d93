"""Files as people have them: either the right series, or one sentence."""

import gzip
import io
import json
import unicodedata
import warnings

import numpy as np
import pandas as pd
import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.series import columns
from datamodules.series.reading import Layout, SeriesReader
from datamodules.series.timeline import Rules


def waves(size=60):
    return np.round(10 + 3 * np.sin(np.arange(size) * 2 * np.pi / 7), 3)


def daily(form="%Y-%m-%d", size=60, start="2020-02-01"):
    return pd.DataFrame({"day": pd.date_range(start, periods=size).strftime(form), "y": waves(size)})


def write(folder, frame, name="f.csv", **more):
    frame.to_csv(folder / name, index=False, **more)
    return folder / name


def read(path, told=None, **options):
    return SeriesReader(**options).read(path, told)


def one(found):
    (segment,) = found.segments
    return segment


# ---- dialects


def as_text(frame, separator=","):
    buffer = io.StringIO()
    frame.to_csv(buffer, index=False, sep=separator)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("f.csv", lambda f: as_text(f, ";").encode()),
        ("f.tsv", lambda f: as_text(f, "\t").encode()),
        ("f.csv", lambda f: as_text(f, "|").encode("utf-8-sig")),
        ("f.csv", lambda f: as_text(f).encode("utf-16")),
        ("f.csv", lambda f: as_text(f).replace("\n", "\r\n").encode()),
        ("f.csv.gz", lambda f: gzip.compress(as_text(f).encode(), mtime=0)),
        ("f.jsonl", lambda f: "".join(json.dumps(row) + "\n" for row in f.to_dict("records")).encode()),
    ],
)
def test_every_dialect_gives_the_same_series(tmp_path, name, content):
    frame = daily().rename(columns={"y": "käufe"})
    (tmp_path / name).write_bytes(content(frame))
    segment = one(read(tmp_path / name))
    assert segment.frame["käufe"].tolist() == frame["käufe"].tolist()
    assert list(segment.times) == list(pd.to_datetime(frame.day))


@pytest.mark.parametrize("name", ["day", None])
def test_times_may_be_the_index_of_a_parquet_file(tmp_path, name):
    frame = daily().assign(day=lambda frame: pd.to_datetime(frame.day)).set_index("day").rename_axis(name)
    frame.to_parquet(tmp_path / "f.parquet")
    for options in ({}, {"time": name or "index"}):
        segment = one(read(tmp_path / "f.parquet", **options))
        assert list(segment.times) == list(frame.index)
        assert segment.frame.to_dict("list") == {"y": frame.y.tolist()}


def test_the_encoding_can_be_said(tmp_path):
    path = tmp_path / "f.csv"
    path.write_bytes(as_text(daily().rename(columns={"y": "käufe"})).encode("cp1252"))
    with pytest.raises(MisconfigurationException, match=r"--data.encoding"):
        read(path)
    assert read(path, encoding="cp1252").layout.targets == ["käufe"]


# ---- numbers


@pytest.mark.parametrize(
    ("form", "separator"),
    [("{:,.3f}", ","), ("€ {:.3f}", ","), ("{:.3f}", ","), ("german", ";")],
)
def test_numbers_are_read_as_people_write_them(tmp_path, form, separator):
    y = waves() * 1000
    german = [f"{v:,.3f}".translate(str.maketrans(",.", ".,")) for v in y]
    frame = daily().assign(y=german if form == "german" else [form.format(v) for v in y])
    found = read(write(tmp_path, frame, sep=separator))
    np.testing.assert_allclose(one(found).frame.y, y, rtol=1e-12)
    assert found.layout.decimal == ("," if form == "german" else ".")


def test_the_decimal_sign_of_training_holds_for_later_files(tmp_path):
    told = read(write(tmp_path, daily().assign(y=[f"{v:.2f}".replace(".", ",") for v in waves()]), sep=";")).layout
    later = write(tmp_path, daily().assign(y=[f"1.00{k % 9}" for k in range(60)]), sep=";")  # thousands, by that
    assert one(read(later, told)).frame.y.tolist() == [1000 + k % 9 for k in range(60)]
    assert one(read(later, told._replace(decimal="."))).frame.y.iloc[1] == 1.001


def test_columns_with_different_decimal_signs_are_refused(tmp_path):
    path = write(tmp_path, daily().assign(z=[f"{v:.2f}".replace(".", ",") for v in waves()]))
    with pytest.raises(MisconfigurationException, match=r"sign of column `y` is `\.`, but that of column `z` is `,`"):
        read(path)
    assert one(read(path, targets=["z"])).frame.z.tolist() == [float(f"{v:.2f}") for v in waves()]


@pytest.mark.parametrize("unit", ["{} kg", "{}%", "€{}", "{} EUR"])
def test_the_unit_of_training_holds_for_later_files(tmp_path, unit):
    def write_as(form, name="later.csv"):
        return write(tmp_path, daily().assign(y=[form.format(v) for v in waves()]), name)

    told = read(write_as(unit)).layout
    assert told.units == {"y": unit.strip(" {}")}
    assert one(read(write_as(unit), told)).frame.y.tolist() == waves().tolist()
    bare = write_as("{}"), tmp_path / "later.parquet"
    daily().to_parquet(bare[1])
    for path in bare:
        if unit in ("{} kg", "{}%"):
            with pytest.raises(MisconfigurationException, match=r"`10.0` is not a finite number in .* \(write the"):
                read(path, told)
        else:
            assert one(read(path, told)).frame.y.tolist() == waves().tolist()
    for form in {"{} kg", "{} g", "{}%", "${}", "{} CHF"} - {unit}:
        with pytest.raises(MisconfigurationException, match=r"column `y`: .*10\.0.* is not a finite number"):
            read(write_as(form), told)
        with pytest.raises(MisconfigurationException, match=r"column `y`: .*10\.0.* is not a finite number"):
            read(write_as(form), read(write_as("{}", "f.csv")).layout)  # training had none


def test_large_levels_keep_every_digit(tmp_path):
    y = [12345678 + k % 7 + 0.125 for k in range(60)]
    assert one(read(write(tmp_path, daily().assign(y=y)))).frame.y.tolist() == y


@pytest.mark.parametrize("cell", ["1o", "inf", "soon"])
def test_a_cell_that_is_no_number_stops_or_becomes_a_gap(tmp_path, cell):
    frame = daily().astype({"y": str})
    frame.loc[30, "y"] = cell
    path = write(tmp_path, frame)
    with pytest.raises(MisconfigurationException, match=rf"row 31, column `y`: `{cell}` is not a finite number \(--"):
        read(path)
    with pytest.warns(UserWarning, match="left out 1 of 60 numbers"):
        segment = one(read(path, on_error="skip", rules=Rules(gaps="previous")))
    assert segment.frame.y.iloc[30] == segment.frame.y.iloc[29]
    with (
        pytest.warns(UserWarning, match="left out 1 of 60 numbers"),
        pytest.raises(MisconfigurationException, match=r"row 31 .*: column `y` has no value; fill with data.gaps"),
    ):
        read(path, on_error="skip")


def test_columns_that_are_not_forecast_are_named(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr(columns, "rank_zero_info", told.append)
    path = write(tmp_path, daily().assign(note="x", shop="007", empty=""))
    assert read(path).layout.targets == ["y"]
    assert told == [f"{path}: columns without numbers are not forecast: note, shop, empty"]
    with pytest.raises(MisconfigurationException, match="column `empty` has no value at all"):
        read(tmp_path / "f.csv", targets=["empty"])


def test_truth_values_may_be_covariates(tmp_path):
    path = write(tmp_path, daily().assign(holiday=[k % 7 == 0 for k in range(60)]))
    assert one(read(path, targets=["y"], known=["holiday"])).frame.holiday.tolist()[:8] == [1, 0, 0, 0, 0, 0, 0, 1]


# ---- times


def test_dates_are_read_day_first_where_the_whole_column_says_so(tmp_path):
    monthly = pd.date_range("2012-01-01", periods=96, freq="MS")
    path = write(tmp_path, pd.DataFrame({"when": monthly.strftime("%d/%m/%Y"), "kwh": waves(96)}))
    found = read(path)
    assert (found.layout.frequency, found.layout.date_order, found.date_form) == ("MS", "dmy", "%d/%m/%Y")
    assert list(one(found).times) == list(monthly)
    assert one(found).frame.kwh.tolist() == waves(96).tolist()


def test_the_order_of_training_holds_for_later_files(tmp_path):
    told = read(write(tmp_path, daily("%d/%m/%Y"))).layout
    later = write(tmp_path, daily("%d/%m/%Y", 12, "2020-03-01"))  # by itself it might begin with the month
    with pytest.raises(
        MisconfigurationException, match=r"cannot be told from the whole column; say it: --data.date_fo"
    ):
        read(later)
    assert list(one(read(later, told)).times) == list(pd.date_range("2020-03-01", periods=12))
    turned = write(tmp_path, daily("%m/%d/%Y", 40, "2020-03-01"), "turned.csv")  # has days beyond the 12th
    with pytest.raises(
        MisconfigurationException, match=r"row 13: .*`03/13/2020`, which is no time \(.* order dmy, as in"
    ):
        read(turned, told)
    assert read(turned, told, date_format="%m/%d/%Y").segments[0].times[0] == pd.Timestamp("2020-03-01")
    monthly = read(later, date_format="%m/%d/%Y", rules=Rules(resample="MS"))
    assert list(one(monthly).times) == list(pd.date_range("2020-01-01", periods=12, freq="MS"))


def test_a_cell_that_is_no_time_stops_or_is_left_out(tmp_path):
    frame = daily()
    frame.loc[len(frame)] = ["Total", 600.0]
    path = write(tmp_path, frame)
    with pytest.raises(
        MisconfigurationException, match=r"row 61: `day` is `Total`, which is no time \(--data.on_error"
    ):
        read(path)
    with pytest.warns(UserWarning, match="left out 1 of 61 rows; the first: .*row 61"):
        assert len(one(read(path, on_error="skip")).frame) == 60
    with pytest.raises(MisconfigurationException, match=r"row 1: `y` is .*; name the column of times \(data.time\)"):
        read(path, time="y")


def test_a_row_that_cannot_be_read_is_told_once(tmp_path):
    path = write(tmp_path, daily())
    path.write_text(path.read_text() + "2021-01-01\n")
    with pytest.warns(UserWarning, match="left out") as told:
        assert len(one(read(path, on_error="skip")).frame) == 60
    assert ["left out 1 of 61 rows" in str(warning.message) for warning in told] == [True]


@pytest.mark.parametrize("size", [60, 1200])  # so many different texts are kept in another way
def test_an_empty_time_is_named(tmp_path, size):
    frame = daily(size=size)
    frame.loc[7, "day"] = ""
    with pytest.raises(MisconfigurationException, match="row 8: `day` is empty"):
        read(write(tmp_path, frame))


def test_rows_that_a_spreadsheet_leaves_empty_are_passed_over(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text(as_text(daily()) + ",\n,\n")
    assert len(one(read(path)).frame) == 60


def test_files_that_begin_with_the_latest_are_turned_round_and_others_sorted(tmp_path):
    frame = daily()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        turned = one(read(write(tmp_path, frame[::-1])))
        assert turned.frame.y.tolist() == turned.columns(["y"])[:, 0].tolist() == frame.y.tolist()
    with pytest.warns(UserWarning, match=r"rows are sorted by time; in the file, row \d+ "):
        assert one(read(write(tmp_path, frame.sample(frac=1, random_state=0)))).frame.y.tolist() == frame.y.tolist()


def hours(zone=None, size=24 * 15):
    times = pd.date_range("2023-10-20", periods=size, freq="h", tz="UTC")
    return times.tz_convert("Europe/Amsterdam") if zone is None else times.tz_convert(zone)


def test_a_time_that_stands_twice_in_one_of_unsorted_series_is_named(tmp_path):
    frame = pd.concat([daily().assign(shop="A"), daily().assign(shop="B"), daily()[7:8].assign(shop="A")])
    path = write(tmp_path, frame.sample(frac=1, random_state=0)[["day", "shop", "y"]])
    rows = [k + 1 for k, row in pd.read_csv(path).iterrows() if (row.day, row.shop) == ("2020-02-08", "A")]
    said = f"shop `A`, row {rows[1]}: 2020-02-08 00:00:00 is the same time as in row {rows[0]}"
    with pytest.raises(MisconfigurationException, match=said):
        read(path, id="shop")
    with pytest.warns(UserWarning, match=f"left out 1 of 2 series; the first: .*{said}"):
        assert one(read(path, id="shop", on_error="skip")).name == "B"


def test_offsets_are_converted_also_across_the_change_of_clocks(tmp_path):
    frame = pd.DataFrame({"t": [time.isoformat() for time in hours()], "y": waves(24 * 15)})
    path = write(tmp_path, frame)
    with pytest.warns(UserWarning, match="several UTC offsets and are converted to UTC"):
        found = read(path)
    assert (found.layout.zone, found.layout.frequency) == ("UTC", "h")
    assert list(one(found).times) == list(hours("UTC"))
    local = read(path, zone="Europe/Amsterdam")
    assert list(one(local).times) == list(hours())
    assert [time.hour for time in one(local).times[:2]] == [2, 3]
    naive = write(tmp_path, frame.assign(t=[time.strftime("%Y-%m-%d %H:%M") for time in hours()]))
    with pytest.raises(MisconfigurationException, match=r"2023-10-29 02:00:00 is the same time .*data.zone"):
        read(naive)
    assert list(one(read(naive, zone="Europe/Amsterdam")).times) == list(hours())
    later = one(read(naive, found.layout, zone="Europe/Amsterdam")).times
    assert (list(later), str(later.tz)) == (list(hours("UTC")), "UTC")
    with pytest.raises(MisconfigurationException, match="no UTC offset, those of training had"):
        read(naive, found.layout)


def test_one_offset_stays(tmp_path):
    times = hours("+05:30", 100)
    found = read(write(tmp_path, pd.DataFrame({"t": [time.isoformat() for time in times], "y": waves(100)})))
    assert found.layout.zone == "+05:30"
    assert list(one(found).times) == list(times)
    with pytest.raises(MisconfigurationException, match="have a UTC offset, those of training had none"):
        read(tmp_path / "f.csv", Layout("t", ["y"], "h", "", "", "", {}))


def test_days_of_a_place_are_not_days_of_utc(tmp_path):
    days = pd.date_range("2023-10-20", periods=30, tz="Europe/Paris")
    frame = pd.DataFrame({"t": [day.isoformat() for day in days], "y": waves(30)})
    with pytest.raises(MisconfigurationException, match="only the local ones are evenly spaced; say the zone"):
        read(write(tmp_path, frame))
    frame.assign(t=days).to_parquet(tmp_path / "f.parquet")  # names the zone
    for found in (read(tmp_path / "f.csv", zone="Europe/Paris"), read(tmp_path / "f.parquet")):
        assert (found.layout.frequency, found.layout.zone) == ("D", "Europe/Paris")
        assert list(one(found).times) == list(days)


def test_the_hour_that_is_skipped_in_spring_is_explained(tmp_path):
    times = pd.date_range("2024-03-25", periods=240, freq="h", tz="Europe/Paris")
    path = write(tmp_path, pd.DataFrame({"t": times.strftime("%Y-%m-%d %H:%M"), "y": waves(240)}))
    with pytest.raises(
        MisconfigurationException, match=r"1 steps of `h` are missing.*clocks went forward \(data.zone\)"
    ):
        read(path)
    assert list(one(read(path, zone="Europe/Paris")).times) == list(times)


@pytest.mark.parametrize(
    ("times", "freq"),
    [
        ([f"{year}Q{quarter}" for year in range(2000, 2015) for quarter in range(1, 5)], "QS-JAN"),
        (pd.date_range("2019-12-30", periods=60, freq="7D").strftime("%G-W%V"), "W-MON"),
        (1580515200 + 3600 * np.arange(60), "h"),
        (pd.date_range("2015-01-31", periods=60, freq="ME").strftime("%d.%m.%Y"), "ME"),
        (pd.date_range("2015-01-01", periods=60, freq="B").strftime("%Y-%m-%d"), "B"),
        (np.arange(1950, 2010), "YS-JAN"),
    ],
)
def test_steps_of_all_kinds(tmp_path, times, freq):
    found = read(write(tmp_path, pd.DataFrame({"t": times, "y": waves()})))
    assert found.layout.frequency == freq
    assert one(found).frame.y.tolist() == waves().tolist()


def test_holidays_among_working_days_are_gaps_and_weekends_are_not(tmp_path):
    days = pd.date_range("2015-01-01", periods=60, freq="B").delete([20, 21])
    path = write(tmp_path, pd.DataFrame({"t": days.astype(str), "y": waves(58)}))
    with pytest.raises(MisconfigurationException, match="2 steps of `B` are missing, the first after row 20"):
        read(path)
    assert len(one(read(path, rules=Rules(gaps="previous"))).frame) == 60


@pytest.mark.parametrize(
    ("times", "sentence"),
    [
        (
            pd.date_range("2020-01-01", periods=60).delete(30).insert(30, pd.Timestamp("2020-01-30")),
            "row 31: .* same time",
        ),
        (pd.to_datetime("2020-01-01") + pd.to_timedelta(np.arange(60) ** 2 * 7 % 5003, unit="min"), "no common step"),
        (pd.date_range("2015-01-01", periods=60, freq="MS") + pd.Timedelta("14D"), "no common step.*data.resample"),
        (pd.date_range("2020-01-01", periods=61).drop("2020-02-29"), r"1 steps of `D` are missing.*\(2020-02-28"),
    ],
)
def test_steps_that_are_not_even_are_explained(tmp_path, times, sentence):
    path = write(tmp_path, pd.DataFrame({"t": times.sort_values().astype(str), "y": waves(len(times))}))
    with pytest.raises(MisconfigurationException, match=sentence):
        read(path)


@pytest.mark.parametrize("size", [1, 2])
def test_few_rows_are_too_few(tmp_path, size):
    with pytest.raises(MisconfigurationException, match=rf"f.csv has {size} time\(s\), and a step is told from three"):
        read(write(tmp_path, daily(size=size)))


def test_a_sum_of_nothing_is_missing_and_a_step_that_may_go_on_is_said(tmp_path):
    times = pd.date_range("2020-01-01", periods=24 * 6 + 5, freq="h").delete(range(30, 80))
    path = write(tmp_path, pd.DataFrame({"t": times.astype(str), "y": 1.0}))
    with (
        pytest.warns(UserWarning, match="last step of `D` .* is put together from 5 rows, others from 24: is it over"),
        pytest.raises(MisconfigurationException, match="column `y` has no value at 2020-01-03"),
    ):
        read(path, rules=Rules(resample="D", resample_by="sum"))


# ---- many series


def shops(*names, size=60):
    return pd.concat([daily(size=size).assign(shop=name) for name in names])


def test_names_of_series_stay_as_they_are_written(tmp_path):
    table = shops("south", "007", "12")
    path = write(tmp_path, table.assign(y=np.arange(180.0)).sort_values("day", kind="stable"))  # a day below a day
    found = read(path, id="shop", targets=["y"]).segments
    assert [segment.name for segment in found] == ["south", "007", "12"]
    assert [segment.frame.y.tolist() for segment in found] == [list(range(k, k + 60)) for k in (0, 60, 120)]
    shops("7", "12").astype({"shop": int}).to_parquet(tmp_path / "f.parquet")
    assert [segment.name for segment in read(tmp_path / "f.parquet", id="shop").segments] == ["7", "12"]


def test_blanks_around_the_name_of_a_series_are_no_part_of_it(tmp_path):
    table = shops("a", "b").assign(y=np.arange(120.0))
    names = [name + " " * (k % 3 == 0) if k % 2 else " " * (k % 5 == 0) + name for k, name in enumerate(table.shop)]
    found = read(write(tmp_path, table.assign(shop=names)), id="shop", targets=["y"]).segments
    assert [segment.name for segment in found] == ["a", "b"]
    assert [segment.frame.y.tolist() for segment in found] == [list(range(k, k + 60)) for k in (0, 60)]


def test_the_name_of_a_series_is_one_in_both_forms_of_unicode(tmp_path):
    table = shops("K\u00f6ln", "b").assign(y=np.arange(120.0))
    names = [unicodedata.normalize("NFD", name) if k % 2 else name for k, name in enumerate(table.shop)]
    found = read(write(tmp_path, table.assign(shop=names)), id="shop", targets=["y"]).segments
    assert [segment.name for segment in found] == ["K\u00f6ln", "b"]


def test_a_row_of_no_series_is_named(tmp_path):
    path = write(tmp_path, shops("a", ""))
    with pytest.raises(MisconfigurationException, match="row 61: `shop` is empty"):
        read(path, id="shop", targets=["y"])


def test_a_faulty_series_stops_or_is_left_out(tmp_path):
    frame = shops("a", "b", "c")
    frame.iloc[70, 0] = frame.iloc[69, 0]
    path = write(tmp_path, frame)
    with pytest.raises(MisconfigurationException, match=r"shop `b`, row 71: .* same time .*\(--data.on_error skip"):
        read(path, id="shop", targets=["y"])
    with pytest.warns(UserWarning, match="left out 1 of 3 series; the first: .*shop `b`, row 71"):
        segments = read(path, id="shop", targets=["y"], on_error="skip").segments
    assert [segment.name for segment in segments] == ["a", "c"]


def test_rows_after_the_last_target_are_the_future(tmp_path):
    frame = pd.concat([daily().assign(holiday=0), daily(size=3, start="2020-04-01").assign(y="", holiday=[0, 1, 0])])
    path = write(tmp_path, frame)
    segment = one(read(path, targets=["y"], known=["holiday"]))
    assert (len(segment.frame), segment.future, len(segment.given.frame)) == (63, 3, 60)
    assert segment.frame.holiday.tolist()[-3:] == [0, 1, 0]
    segment = one(read(path, targets=["y"]))
    assert (len(segment.frame), segment.future) == (60, 0)
    segment = one(read(path, targets=["y"], known=["holiday"], rules=Rules(resample="3D")))
    assert (len(segment.frame), segment.future) == (21, 1)
