"""A row that a message names is found in its file."""

import pandas as pd
import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.places import row_names
from datamodules.files.rows import read_rows
from datamodules.series import Series
from datamodules.tables import Tabular

DAYS = pd.date_range("2024-01-01", periods=60).strftime("%Y-%m-%d").tolist()


def table(folder, name):
    """Sixty rows, a blank one after each fourth, with a fault in number 41; and where that stands."""
    rows = [[day, "oops" if k == 40 else str(k * 7 % 11), "uv"[k % 2]] for k, day in enumerate(DAYS)]
    path = folder / name
    if name.endswith("xlsx"):
        spread = [cells for k, row in enumerate(rows) for cells in ([row, [None] * 3] if k % 4 == 3 else [row])]
        pd.DataFrame(spread, columns=["day", "a", "y"]).to_excel(path, index=False)
        return path, "row 52"  # 10 blank rows and the header above it
    text = "".join(",".join(row) + "\n" + "\n" * (k % 4 == 3) for k, row in enumerate(rows))
    path.write_text("day,a,y\n" + (text.replace(",u\n", ',"u"\n') if name == "quoted.csv" else text))
    assert path.read_text().split("\n")[51].startswith(f"{DAYS[40]},oops")
    return path, r"row 41 \(line 52\)"


@pytest.mark.parametrize("name", ["t.csv", "quoted.csv", "t.xlsx"])
def test_blank_lines_are_counted(tmp_path, name):
    path, place = table(tmp_path, name)
    for data in (
        Tabular(str(path), "y", "class", numeric=["a"], val_fraction=0.01, test_fraction=0.01),
        Series(str(path), target="a", context=5, horizon=2),
    ):
        with pytest.raises(MisconfigurationException, match=rf"{name}, {place}, column `a`: .oops"):
            data.setup("fit")


def test_rows_of_a_sheet_are_the_same_where_rows_are_read_one_by_one(tmp_path):
    path, place = table(tmp_path, "t.xlsx")
    assert [where for where, row in read_rows(path) if row["a"] == "oops"] == [place]


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("t.csv", "a,b\n1,2\n3,4\n", [1, 2]),
        ("t.csv", "a,b\n1,2\n3,4", [1, 2]),
        ("t.csv", "a,b\n1,2\n\n3,4\n", ["1", "2 (line 4)"]),
        ("t.csv", 'a,b\n"1\n2",2\n3,4\n', ["1", "2 (line 4)"]),
        ("t.csv", "sep=;\na;b\n1;2\n3;4\n", ["1 (line 3)", "2 (line 4)"]),
        ("t.csv", "a,b\n1,2\nrow of one\n3,4\n", ["1", "2 (line 4)"]),
        ("t.jsonl", '{"a": 1}\n{"a": 2}\n', [1, 2]),
        ("t.jsonl", '{"a": 1}\n\n{"a": 2}\n', ["1", "2 (line 3)"]),
        ("t.json", '[\n{"a": 1},\n{"a": 2}]\n', ["1", "2"]),
    ],
)
def test_rows_are_counted_and_lines_told_where_they_differ(tmp_path, name, text, wanted):
    (tmp_path / name).write_text(text)
    assert list(row_names(tmp_path / name, 2)) == wanted
    assert list(row_names(tmp_path / "nowhere.csv", 2)) == [1, 2]
