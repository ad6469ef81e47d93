"""Columns of dates: told from most of their cells, an odd one is refused; every later file is read as training was."""

from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.sampling import BatchIndices
from experiments.deployment.export.scripts.table import encode
from tests.datamodules.tables.test_right_answers import NOISE, RNG, columns, predicted, ready, write


def days_of(count=60):
    return [pd.Timestamp(2024, k % 12 + 1, k % 28 + 1) for k in range(count)]


@pytest.mark.parametrize("word", ["NA", "null", "n/a", "None", "", "#N/A"])
@pytest.mark.parametrize("differ", [False, True])
def test_a_word_for_missing_is_no_category_among_dates(tmp_path, word, differ):
    days = list(pd.date_range("2024-01-01", periods=60)) if differ else days_of()
    cells = [word if k % 30 == 5 else str(day.date()) for k, day in enumerate(days)]
    data = ready(write(tmp_path, [f"{cell},{'ab'[k % 2]},{k % 7}" for k, cell in enumerate(cells)]), scale=False)
    assert columns(data) == {"x": "date", "c": "category"}
    where = data.read("train").where
    inputs = data.datasets["train"].__getitems__(BatchIndices(range(len(where)))).inputs
    since = [(days[k] - pd.Timestamp("1970-01-01")).days for k in where if k % 30 != 5]
    assert inputs[torch.tensor(where % 30 != 5), 0].tolist() == since
    assert inputs[torch.tensor(where % 30 == 5), 0].tolist() == [np.median(since)] * sum(where % 30 == 5)


@pytest.mark.parametrize("word", ["unknown", "2024-02-30", "0000-00-00"])
def test_an_odd_cell_among_dates_is_refused_by_row_and_value(tmp_path, word):
    cells = [word if k in (5, 6) else str(day.date()) for k, day in enumerate(days_of())]
    path = write(tmp_path, [f"{cell},{'ab'[k % 2]},{k % 7}" for k, cell in enumerate(cells)])
    told = (
        rf"table.csv, row [67], column `x`: '{word}' is not a date .*--data.missing .*{word}.*--data.categorical \[x\]"
    )
    with pytest.raises(MisconfigurationException, match=told):
        ready(path, stages=("fit", "test"))
    assert columns(ready(path, missing=[word], stages=("fit", "test")))["x"] == "date"
    assert columns(ready(path, categorical=["x"]))["x"] == "category"
    with pytest.warns(UserWarning, match="left out"):
        data = ready(path, on_error="skip", stages=("fit", "test"))
    assert sum(len(examples) for examples in data.datasets.values()) == 58


@pytest.mark.parametrize("often", [5, 6, 10])
def test_a_column_of_texts_with_some_dates_stays_categories(tmp_path, often):
    cells = [str(day.date()) if k % 10 < 10 - often else "open" for k, day in enumerate(days_of(100))]
    prose = [f"on {day.date()} it rained" for day in days_of(100)]
    rows = [f"{cell},{text},{k % 7}" for k, (cell, text) in enumerate(zip(cells, prose, strict=True))]
    data = ready(write(tmp_path, rows), keep=["x", "c"])
    assert columns(data) == {"x": "category", "c": "category"}


def test_dates_that_a_spreadsheet_half_converted_are_refused(tmp_path):
    days = pd.date_range("2024-01-01", periods=90)
    cells = [datetime(day.year, day.day, day.month) if day.day < 13 else day.strftime("%d/%m/%Y") for day in days]
    table = pd.DataFrame({"x": pd.Series(cells, dtype="object"), "c": ["a", "b"] * 45, "y": range(90)})
    table.to_excel(tmp_path / "t.xlsx", index=False)
    told = r"t.xlsx, row \d+, column `x`: '2024-\d\d-0\d 00:00:00' is not a date in the form of the others \(`\d\d/"
    with pytest.raises(MisconfigurationException, match=told):
        ready(str(tmp_path / "t.xlsx"))


@pytest.mark.parametrize("split", ["train", "val", "test"])
@pytest.mark.parametrize("by", [{"split_column": "s"}, {"time_column": "x"}])
def test_the_order_of_day_and_month_is_told_from_the_whole_column(tmp_path, split, by):
    names = [split, *["train", "val", "test"] * 10]
    cells = ["13/04/2022", *[f"{RNG.integers(1, 13):02}/{RNG.integers(1, 13):02}/2022" for _ in range(30)]]
    rows = [f"{cell},{'ab'[k % 2]},{NOISE[k]},{names[k]}" for k, cell in enumerate(cells)]
    data = ready(write(tmp_path, rows, header="x,c,y,s"), scale=False, stages=("fit", "test"), **by)
    truth = [datetime.strptime(cell, "%d/%m/%Y").toordinal() for cell in cells]
    if by == {"time_column": "x"}:
        assert min(truth[k] for k in data.read("test").where) >= max(truth[k] for k in data.read("train").where)
        return
    for name, examples in data.datasets.items():
        where = data.read(name).where
        inputs = examples.__getitems__(BatchIndices(range(len(where)))).inputs
        assert inputs[:, 0].tolist() == [truth[k] - date(1970, 1, 1).toordinal() for k in where]


def exported(data):
    return {"columns": data.facts.columns, "missing": [], "missing_words": []}


OFFSETS = ["-08:00", "+01:00", "Z", ""]


@pytest.mark.parametrize("trained", OFFSETS)
@pytest.mark.parametrize("later", OFFSETS)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_times_with_an_offset_are_not_read_beside_times_without(tmp_path, trained, later, ending):
    cells = [f"{day.date()}T{k % 24:02}:00:00{trained}" for k, day in enumerate(days_of())]
    rows = [f"{cell},{'ab'[k % 2]},{k % 7}" for k, cell in enumerate(cells)]
    data = ready(write(tmp_path, rows), scale=False, stages=("fit", "test"))
    assert [column["zoned"] for column in data.facts.columns if column["kind"] == "date"] == [bool(trained)]
    cell, new = f"2024-03-05T08:00:00{later}", tmp_path / f"new.{ending}"
    frame = pd.DataFrame({"x": [None, cell], "c": ["a", "b"]})
    if ending == "csv":
        frame.to_csv(new, index=False)
    else:
        frame.assign(x=pd.to_datetime(frame["x"])).to_parquet(new)
    if bool(trained) != bool(later):
        has, had = ("a", "none") if later else ("no", "one")
        with pytest.raises(
            MisconfigurationException, match=rf"row 2, column `x`: .*has {has} UTC offset, .*had {had};"
        ):
            predicted(data, new)
        with pytest.raises(ValueError, match=rf"row 1, x: .*has {has} UTC offset, those of training had {had}"):
            encode([{"x": cell, "c": "b"}], exported(data))
        data.facts.columns[0].pop("zoned")  # as in an older run, which has not told it
    hours = {"-08:00": 16, "+01:00": 7, "Z": 8, "": 8}[later]
    wanted = date(2024, 3, 5).toordinal() - date(1970, 1, 1).toordinal() + hours / 24
    inputs = predicted(data, new)[1]
    assert inputs[0].item() == pytest.approx(wanted, abs=1e-3)
    assert encode([{"x": cell, "c": "b"}], exported(data))[0] == pytest.approx(inputs.numpy(), abs=1e-3)


def test_a_single_time_with_an_offset_is_refused_not_all_the_others(tmp_path):
    cells = [f"{day.date()}T08:00:00{'Z' if k == 7 else ''}" for k, day in enumerate(days_of())]
    path = write(tmp_path, [f"{cell},{'ab'[k % 2]},{k % 7}" for k, cell in enumerate(cells)])
    with pytest.raises(
        MisconfigurationException, match=r"row 8, column `x`: '2024-08-08T08:00:00Z' is not a date in the"
    ):
        ready(path, stages=("fit", "test"))


def test_times_of_several_offsets_in_memory(tmp_path):
    cells = [f"{day.date()}T08:00:00+0{k % 2 + 1}:00" for k, day in enumerate(days_of())]
    data = ready(write(tmp_path, [f"{cell},{'ab'[k % 2]},{k % 7}" for k, cell in enumerate(cells)]), scale=False)
    new = ["2024-03-05T06:00+01:00", "2024-07-05T08:00+02:00"]
    data.ask(pd.DataFrame({"x": pd.Series([pd.Timestamp(cell) for cell in new], dtype="object"), "c": ["a", "b"]}))
    data.setup("predict")
    inputs = data.datasets["predict"].__getitems__(BatchIndices(range(2))).inputs
    wanted = [date(2024, 3, 5).toordinal() + 5 / 24, date(2024, 7, 5).toordinal() + 6 / 24]
    assert inputs[:, 0].tolist() == pytest.approx([day - date(1970, 1, 1).toordinal() for day in wanted], abs=1e-3)
    data.ask(pd.DataFrame({"x": pd.Series([pd.Timestamp(new[0]), datetime(2024, 7, 5)]), "c": ["a", "b"]}))
    with pytest.raises(
        MisconfigurationException, match=r"row 2, column `x`: '2024-07-05 00:00:00' is not a date in the"
    ):
        data.setup("predict")
