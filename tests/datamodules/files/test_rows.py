"""One table in every form is one table; what cannot be read is said with its place."""

import bz2
import gzip
import io
import json
import lzma
import zipfile

import pandas as pd
import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files import opening
from datamodules.files.columns import _plain_columns
from datamodules.files.faults import Faults
from datamodules.files.frame import read_frame, read_texts
from datamodules.files.rows import column_names, read_rows, require

CELLS = [
    {"id": "01", "text": 'quoted, "so"\nin two lines', "label": "ä;|\t"},
    {"id": "2", "text": "", "label": "None"},
    {"id": "3", "text": "plain", "label": "NA"},
]


def csv(separator=",", end="\n", encoding="utf-8"):
    frame = pd.DataFrame(CELLS).replace("\n", end, regex=True)
    return frame.to_csv(sep=separator, index=False, lineterminator=end).encode(encoding)


def jsonl():
    return "".join(json.dumps(row, ensure_ascii=False) + "\n\n" for row in CELLS).encode()


def parquet():
    buffer = io.BytesIO()
    pd.DataFrame(CELLS).to_parquet(buffer)
    return buffer.getvalue()


def excel():
    buffer = io.BytesIO()
    pd.DataFrame([{**row, "id": row["id"]} for row in CELLS]).to_excel(buffer, index=False)
    return buffer.getvalue()


def zipped(content, *names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, content)
    return buffer.getvalue()


FORMS = {
    "comma.csv": csv(),
    "semicolon.csv": csv(";"),
    "tab.csv": csv("\t"),
    "tab.tsv": csv("\t"),
    "bar.txt": csv("|"),
    "mark.csv": csv(encoding="utf-8-sig"),
    "utf16.csv": csv(encoding="utf-16"),
    "utf32.csv": csv(encoding="utf-32"),
    "packed.csv.gz": gzip.compress(csv(";"), mtime=0),
    "packed.csv.bz2": bz2.compress(csv()),
    "packed.CSV.XZ": lzma.compress(csv("\t", encoding="utf-16")),
    "packed.csv.zip": zipped(csv(), "inner.csv", "__MACOSX/._inner.csv", "folder/"),
    "lines.jsonl": jsonl(),
    "lines.jsonl.gz": gzip.compress(jsonl(), mtime=0),
    "lines.json": jsonl(),
    "array.json": json.dumps(CELLS).encode(),
    "utf16.jsonl": jsonl().decode().encode("utf-16"),
    "table.parquet": parquet(),
    "table.xlsx": excel(),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_has_the_same_rows(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(FORMS[name])
    rows = [row for _, row in read_rows(path)]
    assert [{key: value or "" for key, value in row.items()} for row in rows] == CELLS
    assert column_names(path) == ["id", "text", "label"]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le", "latin-1"])
def test_an_encoding_that_is_told(tmp_path, encoding):
    path = tmp_path / "t.csv"
    path.write_bytes(csv(encoding=encoding))
    assert [row for _, row in read_rows(path, encoding)] == CELLS


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_places_are_lines_of_the_file(tmp_path, end):
    path = tmp_path / "t.csv"
    path.write_bytes(csv(end=end) + end.encode())
    rows = list(read_rows(path))
    assert [place for place, _ in rows] == ["line 2", "line 4", "line 5"]
    assert rows[0][1]["text"] == CELLS[0]["text"].replace("\n", end)


def test_the_separator_is_told_from_all_rows_not_from_the_header_alone(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a, in m;b\n1,5;2\n1,25;2\n7;2\n")
    assert next(read_rows(path))[1] == {"a, in m": "1,5", "b": "2"}
    path.write_text('only column\n"with, commas; and more"\nnone\n')
    assert [row["only column"] for _, row in read_rows(path)] == ["with, commas; and more", "none"]
    path.write_text("a:b\n1:2\n")
    assert next(read_rows(path, separator=":"))[1] == {"a": "1", "b": "2"}


def test_quotation_marks_in_tab_separated_texts_are_text_unless_they_are_closed(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text('text\tlabel\n"Hi," he said.\ta\n5" pipe\tb\n"open\tc\n')
    assert [row["text"] for _, row in read_rows(path)] == ['"Hi," he said.', '5" pipe', '"open']
    path.write_text('text\tlabel\n"with a\ttab"\ta\n5" pipe\tb\n')
    assert [row["text"] for _, row in read_rows(path)] == ["with a\ttab", '5" pipe']


def test_faulty_rows_are_counted(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('a,b\n1,2\n1,2,3\n1\n"x" y,2\n3,4\n')
    faults = Faults("skip", "t.csv")
    assert [row["a"] for _, row in read_rows(path, faults=faults)] == ["1", "3"]
    assert faults.count == 3
    assert "line 3: 3 cells, but the header has 2 (separated by commas)" in faults.first
    path.write_text('{"a": 1}\n[2]\n{"a": 3\n{"a": 4}\n')
    faults = Faults("skip", "t.jsonl")
    assert [row["a"] for _, row in read_rows(path.rename(tmp_path / "t.jsonl"), faults=faults)] == [1, 4]
    assert faults.count == 2


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "t.csv is empty"),
        ("t.csv", b"a,b\n", "has no rows below its header"),
        ("t.csv", b"a,a\n1,2\n", "two columns named `a`"),
        ("t.csv", b"a,b\n1,2,3\n", "line 2: 3 cells, but the header has 2"),
        ("t.csv", b'a,b\n1,"2\n3,"4\n', "line 2: a quotation mark is not closed"),
        ("t.csv", csv(encoding="cp1252"), r"line 3: byte 0xe4 is not UTF-8; .*--data.encoding cp1252"),
        ("t.csv", csv(encoding="utf-16-be"), "--data.encoding utf-16-be"),
        ("t.csv", csv(encoding="utf-16")[:-1], "is not UTF-16"),
        ("t.csv", excel(), "is an archive or an Excel file"),
        ("t.csv.gz", gzip.compress(csv(), mtime=0)[:-9], "t.csv.gz cannot be read"),
        ("t.csv.gz", csv(), "Not a gzipped file"),
        ("t.zip", zipped(csv(), "a.csv", "b.csv"), "holds 2 files"),
        ("t.xls", b"old", "is an old Excel file: save it as .xlsx or as CSV"),
        ("t.xlsx", b"none", "t.xlsx is no archive, or damaged"),
        ("t.xlsx", zipped(b"x", "a.xml"), "t.xlsx is not a whole Excel file"),
        ("t.parquet", parquet()[:-9], "t.parquet is not a whole Parquet file"),
        ("t.json", b'[{"a": 1}, 2]', "row 2 is not a JSON object"),
        ("t.json", b'[{"a": 1},', "t.json is not JSON"),
        ("t.jsonl", b'{"a": 1}\n{"b": }\n', "line 2 is not JSON"),
        ("t.jsonl", b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", "line 1 is nested too deep"),
        ("t.jsonl", b'{"a": ' + b"9" * 5000 + b"}\n", "line 1 is not JSON"),
    ],
)
def test_says_what_is_wrong(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MisconfigurationException, match=message) as error:
        list(read_rows(tmp_path / name))
    assert "\n" not in str(error.value)


def test_says_that_there_is_no_file(tmp_path):
    with pytest.raises(MisconfigurationException, match="there is no file"):
        list(read_rows(tmp_path / "none.csv"))
    with pytest.raises(MisconfigurationException, match="is a folder, not a file"):
        list(read_rows(tmp_path))
    with pytest.raises(MisconfigurationException, match="no encoding `klingon`"):
        (tmp_path / "t.csv").write_text("a\n1\n")
        list(read_rows(tmp_path / "t.csv", "klingon"))
    with pytest.raises(MisconfigurationException, match="a separator is one character"):
        list(read_rows(tmp_path / "t.csv", separator="::"))


def test_one_column_keeps_its_empty_cells(tmp_path):
    cells = ["one", "", "two, or so", "", ""]
    frame = pd.DataFrame({"text": cells})
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_csv(tmp_path / "quoted.csv", index=False, quoting=1)
    (tmp_path / "blank.csv").write_text('text\n\none\n\n""\n"two, or so"\n""\n""\n\n')  # as people write it
    for name in ("t.csv", "quoted.csv", "blank.csv"):
        assert [row["text"] for _, row in read_rows(tmp_path / name)] == cells
        frame = read_texts(tmp_path / name)
        assert frame["text"].astype("object").fillna("").tolist() == cells
    pd.DataFrame({"text": cells}).to_excel(tmp_path / "t.xlsx", index=False)  # those at the end cannot be seen
    assert list(read_rows(tmp_path / "t.xlsx")) == [
        ("row 2", {"text": "one"}),
        ("row 3", {"text": None}),
        ("row 4", {"text": "two, or so"}),
    ]


def words_with_marks(separator, size=3000):
    """A table of words where every tenth is a quotation mark, beyond the head of the file too."""
    words = ['"' if k % 10 == 5 else f"word{k}" for k in range(size)]
    return words, f"n{separator}word\n" + "".join(f"{k}{separator}{word}\n" for k, word in enumerate(words))


@pytest.mark.parametrize("first", ["\t", ""])
def test_quotation_marks_that_are_words_swallow_no_rows(tmp_path, first):
    words, text = words_with_marks("\t")
    path = tmp_path / "t.tsv"
    if not first:  # only beyond the head
        words = [word if k > 9000 else "w" for k, word in enumerate(words * 4)]
        text = "n\tword\n" + "".join(f"{k}\t{word}\n" for k, word in enumerate(words))
    path.write_text(text)
    assert [row["word"] for _, row in read_rows(path)] == words
    assert read_texts(path)["word"].tolist() == words


@pytest.mark.parametrize("cells", ['"one\ta\ntwo"\tb', '"\tb', '"one\tb\n'])
def test_lines_with_as_many_cells_as_the_header_are_rows(tmp_path, cells):
    path = tmp_path / "t.tsv"
    path.write_text(f"text\tlabel\nfirst\ta\n{cells}\nlast\ta\n")
    lines = [line.split("\t") for line in path.read_text().split("\n")[1:] if line]
    assert [list(row.values()) for _, row in read_rows(path)] == lines


def test_rows_that_a_cell_may_have_swallowed_are_asked_for(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(words_with_marks(",", 20)[1])
    with pytest.raises(
        MisconfigurationException, match="line 7: a quotation mark opens a cell that goes on to line 17"
    ):
        list(read_rows(path))
    path.write_text('text,label\nshort,a\n"Yes, please\nthank you",b\n')  # a sentence, and the blank says so
    assert [row["text"] for _, row in read_rows(path)] == ["short", "Yes, please\nthank you"]


@pytest.mark.parametrize(
    "text", ['text\tlabel\n"one\n\ntwo"\ta\n', '"text"\t"label"\n"one\t1\ntwo"\t"a"\n', 'text\n"a\nb"\n']
)
def test_line_breaks_in_cells_are_no_rows(tmp_path, text):
    path = tmp_path / "t.tsv"
    path.write_text(text)
    (row,) = [row for _, row in read_rows(path)]
    assert row == pd.read_csv(path, sep="\t").iloc[0].to_dict()


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;\r"])
@pytest.mark.parametrize("quoted", [False, True])
def test_excel_says_the_separator_above_the_header(tmp_path, first, quoted):
    path = tmp_path / "t.csv"
    mark = '"' if quoted else ""
    path.write_text(f"{first}\na, x;b\n1,5;{mark}u{mark}\n\n2,5;v\n")
    assert column_names(path) == ["a, x", "b"]
    rows = [("line 3", {"a, x": "1,5", "b": "u"}), ("line 5", {"a, x": "2,5", "b": "v"})]
    assert list(read_rows(path)) == rows
    assert read_texts(path).to_dict("records") == [row for _, row in rows]
    assert read_frame(path)["a, x"].tolist() == [1.5, 2.5]
    assert (_plain_columns(path, None, None) is None) == ('"' in path.read_text())
    path.write_text(f"{first}\na;b\n1;2\n1;2;3\n")
    with pytest.raises(
        MisconfigurationException, match=r"line 4: 3 cells, but the header has 2 \(separated by semicolons"
    ):
        list(read_rows(path))


def test_excel_cells_keep_their_types(tmp_path):
    frame = pd.DataFrame({"n": [1, 2], "f": [0.5, None], "d": pd.to_datetime(["2024-01-02", "2024-03-04"])})
    with pd.ExcelWriter(tmp_path / "t.xlsx") as book:
        frame.to_excel(book, sheet_name="first", index=False)
        frame.to_excel(book, sheet_name="second", index=False)
    with pytest.warns(UserWarning, match="has 2 sheets; the first, `first`, is read"):
        rows = [row for _, row in read_rows(tmp_path / "t.xlsx")]
    assert [row["n"] for row in rows] == [1, 2]
    assert [row["f"] for row in rows] == [0.5, None]
    assert rows[1]["d"] == pd.Timestamp("2024-03-04")


def test_packed_files_that_unpack_to_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "UNPACKED", 1000)
    for name, pack in (("t.csv.gz", gzip.compress), ("t.csv.bz2", bz2.compress), ("t.csv.xz", lzma.compress)):
        (tmp_path / name).write_bytes(pack(b"a,b\n" + b"1,2\n" * 500_000))
        with pytest.raises(MisconfigurationException, match="unpacks to more than 100 times its size"):
            list(read_rows(tmp_path / name))


def test_lines_that_are_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "MAX_LINE", 100)
    (tmp_path / "t.csv").write_text("a,b\n1,2\n1," + "x" * 200 + "\n")
    with pytest.raises(MisconfigurationException, match="line 3 has more than 100 characters"):
        list(read_rows(tmp_path / "t.csv"))


def test_the_nearest_name_of_a_missing_column():
    require("t.csv", ["a", None], ["a", "b"])
    with pytest.raises(MisconfigurationException, match="no column `prise`; did you mean `price`"):
        require("t.csv", ["prise"], ["id", "price"])
    with pytest.raises(MisconfigurationException, match="no column `x`; there are: id, price"):
        require("t.csv", ["x"], ["id", "price"])
    with pytest.raises(MisconfigurationException, match=r"its header has semicolons, but --data.separator says ','"):
        require("t.csv", ["price"], ["id;price"], ",")
