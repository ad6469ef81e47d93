"""Tables as frames: one file, one reading; and what was read is written again beside the predictions."""

import gzip

import pandas as pd
import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files import columns as module
from datamodules.files.faults import Faults
from datamodules.files.frame import read_frame, read_texts, tidy
from datamodules.files.objects import rows_in, tidy_frame
from datamodules.files.rows import column_names, read_rows
from datamodules.files.writing import write_with

TABLE = pd.DataFrame(
    {
        "zip": ["01067", "0A12", "80331", None] * 6,
        "count": range(24),
        "share": [1.5, None, -0.25, 3.0] * 6,
        "answer": ["None", "NA", "yes", None] * 6,
        "text": [f'quoted "{k}",\nin two lines' if k % 3 == 0 else f"plain {k}" for k in range(24)],
    }
)


def lists(frame):
    return {
        str(name): [None if pd.isna(value) else value for value in column.tolist()] for name, column in frame.items()
    }


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz", "t.jsonl", "t.json", "t.parquet", "t.xlsx"])
def test_every_form_gives_the_same_frame(tmp_path, name):
    path = tmp_path / name
    if name == "t.parquet":
        TABLE.to_parquet(path)
    elif name == "t.xlsx":
        TABLE.to_excel(path, index=False)
    elif name.startswith("t.json"):
        TABLE.to_json(path, orient="records", lines=name == "t.jsonl", force_ascii=False)
    else:
        text = TABLE.to_csv(sep="\t" if name == "t.tsv" else ";", decimal=",", index=False)
        path.write_bytes(gzip.compress(text.encode("utf-16"), mtime=0) if name == "t.csv.gz" else text.encode())
    assert lists(read_frame(path)) == lists(TABLE)


def test_plain_files_are_read_as_all_others(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_text("\n a ,b\n1,x\n\n2, y\n,\n 3 ,z z\n")
    assert lists(read_texts(path)) == {"a": ["1", "2", None, "3 "], "b": ["x", "y", None, "z z"]}
    path.write_text('a,b\n"1",x\n2,"y"\n')
    assert lists(read_texts(path)) == {"a": ["1", "2"], "b": ["x", "y"]}
    path.write_text("a,b\n1,x\n\n2,y\n,\n3,\n")
    quick = lists(read_texts(path))
    assert module._plain_columns(path, None, None) is not None
    monkeypatch.setattr(module, "_plain_columns", lambda *_: None)
    assert lists(read_texts(path)) == quick == {"a": ["1", "2", None, "3"], "b": ["x", "y", None, None]}


def test_long_files_come_in_chunks(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    TABLE.to_csv(path, index=False)
    whole = lists(read_frame(path))
    monkeypatch.setattr(module, "CHUNK", 5)
    assert lists(read_frame(path)) == whole


def test_missing_words(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("n,c\n1,?\nNA, -\nnull,a\n?,None\n")
    assert lists(read_frame(path, missing=["?", "-"])) == {"n": [1, None, None, None], "c": [None, None, "a", "None"]}
    pd.DataFrame({"n": [1, 999], "c": ["a", "-"]}).to_parquet(tmp_path / "t.parquet")
    assert lists(read_frame(tmp_path / "t.parquet", missing=["999", "-"])) == {"n": [1, None], "c": ["a", None]}


def test_other_words_among_numbers_stay(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("n\n" + "1\n" * 20 + "many\n")
    assert lists(read_frame(path))["n"] == ["1"] * 20 + ["many"]


def test_keys_may_be_left_out_of_json(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n{"b": [1, 2]}\n{"a": 2.5, "b": true}\n')
    assert lists(read_frame(tmp_path / "t.jsonl")) == {"a": [1, None, 2.5], "b": [None, "[1, 2]", "True"]}


def test_frames_from_elsewhere():
    frame = pd.DataFrame({"o": ["a", None, "b"], "n": [1, 2, 3]}, index=[5, 7, 9]).astype({"o": object})
    assert lists(tidy(frame)) == {"o": ["a", None, "b"], "n": [1, 2, 3]}


EXTRA = pd.DataFrame({"prediction": ["x", "y"], "kept": [1, 2]})


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("t.csv", 'id,a\n001,"1,50"\n\n002,\n', 'id,a,prediction,kept\n001,"1,50",x,1\n002,,y,2\n'),
        ("t.csv", "id;kept\n1;1,50\n2;\n", "id;given_kept;prediction;kept\n1;1,50;x;1\n2;;y;2\n"),
        ("t.jsonl", '{"id": "1", "a": [1]}\n{"id": 2}\n', "id,a,prediction,kept\n1,[1],x,1\n2,,y,2\n"),
    ],
)
def test_rows_are_written_as_they_were(tmp_path, name, content, wanted):
    (tmp_path / name).write_text(content)
    assert write_with(tmp_path / name, EXTRA, tmp_path).read_text() == wanted


def test_rows_of_packed_and_other_files_are_written_as_they_were(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress("ä;b\n01;2\n02;3\n".encode("utf-16"), mtime=0))
    assert write_with(tmp_path / "t.csv.gz", EXTRA, tmp_path).read_text().splitlines()[1] == "01;2;x;1"
    pd.DataFrame({"id": ["01", "02"], "n": [1, 2]}).to_excel(tmp_path / "t.xlsx", index=False)
    assert write_with(tmp_path / "t.xlsx", EXTRA, tmp_path).read_text().splitlines()[1] == "01,1,x,1"
    table = pd.DataFrame({"n": [1.5, 2.5], "kept": [7, 8]}, index=[4, 6])
    table.to_parquet(tmp_path / "t.parquet")
    back = pd.read_parquet(write_with(tmp_path / "t.parquet", EXTRA, tmp_path))
    assert back.to_dict("list") == {
        "n": [1.5, 2.5],
        "given_kept": [7, 8],
        "prediction": ["x", "y"],
        "kept": [1, 2],
    }


def test_rows_that_were_not_predicted_are_left_out(tmp_path):
    (tmp_path / "t.csv").write_text("a\n1\n2\n3\n4\n")
    extra = EXTRA.set_axis([1, 3])
    assert write_with(tmp_path / "t.csv", extra, tmp_path).read_text() == "a,prediction,kept\n2,x,1\n4,y,2\n"
    pd.DataFrame({"a": [1, 2, 3, 4]}).to_parquet(tmp_path / "t.parquet")
    back = pd.read_parquet(write_with(tmp_path / "t.parquet", extra, tmp_path))
    assert back.to_dict("list") == {"a": [2, 4], "prediction": ["x", "y"], "kept": [1, 2]}
    with pytest.raises(MisconfigurationException, match="changed meanwhile"):
        write_with(tmp_path / "t.csv", EXTRA.set_axis([3, 4]), tmp_path)


def test_rows_that_could_not_be_read_are_left_out_there_too(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n1\n3,4\n")
    faults = Faults("skip", "t.csv")
    assert write_with(tmp_path / "t.csv", EXTRA, tmp_path, faults=faults).read_text().splitlines()[1:] == [
        "1,2,x,1",
        "3,4,y,2",
    ]


def test_odd_types_of_parquet(tmp_path):
    table = pd.DataFrame({"t": pd.to_timedelta([1, 2], unit="h"), "b": [b"x", "ä".encode()], "l": [[1], None]})
    table.to_parquet(tmp_path / "t.parquet")
    assert lists(read_frame(tmp_path / "t.parquet")) == {"t": [3600, 7200], "b": ["x", "ä"], "l": ["[1]", None]}


TIMES = pd.date_range("2024-01-01", periods=3)


@pytest.mark.parametrize(
    ("index", "wanted"),
    [
        (pd.Index([30, 50, 40], name="age"), {"age": [30, 50, 40]}),
        (pd.Index(["x", "y", None], name="age"), {"age": ["x", "y", None]}),
        (pd.RangeIndex(5, 8, name="age"), {"age": [5, 6, 7]}),
        (TIMES.rename("day"), {"day": TIMES.tolist()}),
        (TIMES, {"index": TIMES.tolist()}),
        (pd.MultiIndex.from_arrays([[3, 1, 2], TIMES], names=["age", None]), {"age": [3, 1, 2], "index": list(TIMES)}),
        (pd.RangeIndex(5, 8), {}),
        (pd.Index([30, 50, 40]), {}),
        (pd.Index(["x", "y", "z"]), {}),
        (pd.Index([30, 50, 40], name="b"), {}),  # there is such a column
    ],
)
def test_an_index_with_a_name_or_of_times_is_a_column(tmp_path, index, wanted):
    frame = pd.DataFrame({"b": [1.5, 2.5, 3.5]}, index=index)
    path = tmp_path / "t.parquet"
    frame.to_parquet(path)
    wanted = wanted | {"b": [1.5, 2.5, 3.5]}
    assert lists(read_texts(path)) == lists(tidy(frame)) == lists(tidy_frame(frame)) == wanted
    assert list(read_texts(path)) == column_names(path) == list(wanted)
    assert (
        [dict(row) for _, row in read_rows(path)]
        == rows_in(frame)
        == [dict(zip(wanted, row, strict=True)) for row in zip(*wanted.values(), strict=True)]
    )
    assert list(tidy(pd.DataFrame({"index": [1, 2, 3]}, index=TIMES))) == ["index_", "index"]
