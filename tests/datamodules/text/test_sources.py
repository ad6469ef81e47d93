"""Tables of labelled texts."""

import csv
import gzip
import io
import json
import warnings
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet
import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.text import TextFolder, TextTable
from datamodules.tokens import Tokens
from datamodules.types import TextClassFacts

SAMPLES = Path(__file__).parents[2] / "samples"


def texts_of(data, split):
    return [(text.text, text.label) for text in data.read(split)]


@pytest.fixture
def table(tmp_path):
    def write(content, name="t.csv", **options):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return TextTable(str(path), **options)

    return write


@pytest.mark.parametrize("name", ["reviews.csv", "reviews.tsv", "reviews.jsonl", "reviews.parquet"])
def test_own_tables_are_the_same(name, tmp_path):
    path = SAMPLES / "texts" / name
    if name.endswith("parquet"):
        import pyarrow.csv
        import pyarrow.parquet

        path = tmp_path / name
        pyarrow.parquet.write_table(pyarrow.csv.read_csv(SAMPLES / "texts" / "reviews.csv"), path)
    data = TextTable(str(path))
    reference = TextTable(str(SAMPLES / "texts" / "reviews.csv"))
    for split in ("train", "val", "test"):
        assert texts_of(data, split) == texts_of(reference, split)
    parts = [set(texts_of(data, split)) for split in ("train", "val", "test")]
    assert [len(texts_of(data, split)) for split in ("train", "val", "test")] == [32, 4, 4]
    assert len(parts[0]) > 20


def test_quoted_texts_of_several_lines_and_long_ones(table):
    long = "word " * 100_000
    data = table(f'text,label\n"one\ntwo",a\n{long},b\n"",a\n', max_length=7)
    texts = list(data.open(data.path))
    assert [text.label for text in texts] == ["a", "b", "a"]
    assert texts[0].text == "one\ntwo"
    assert texts[1].where == "line 4"
    tokens = Tokens.learn(["word"])
    facts = TextClassFacts(classes=["a", "b"], class_counts=[1, 1], tokenizer=tokens.json, num_inputs=len(tokens))
    data.load_state_dict({"seed": 0, "facts": facts.state(), "progress": {"steps": 0, "epoch": 0, "layouts": []}})
    assert data.lengths(data.examples(data.open(data.path), train=False)).tolist() == [2, 7, 0]


ROWS = [
    ("null", "001", "so good, 10 €"),
    ("NA", "02", 'a "quoted"\nline'),
    ("7", "None", "\u4e0d\u9519"),
    ("", "1", ""),
]
TABLE = [dict(zip(("id", "label", "text"), row, strict=True)) for row in ROWS]


def written(rows, separator=",", end="\n"):
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator=end)
    writer.writerows([list(rows[0]), *(row.values() for row in rows)])
    return out.getvalue()


def workbook(path):
    book = openpyxl.Workbook()
    for row in [list(TABLE[0]), *ROWS]:
        book.active.append(row)
    book.save(path)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("t.csv", lambda path: path.write_text(written(TABLE))),
        ("semicolons.csv", lambda path: path.write_text(written(TABLE, ";"))),
        ("bars.csv", lambda path: path.write_text(written(TABLE, "|"))),
        ("t.tsv", lambda path: path.write_text(written(TABLE, "\t"))),
        ("bom.csv", lambda path: path.write_bytes(written(TABLE).encode("utf-8-sig"))),
        ("windows.csv", lambda path: path.write_bytes(written(TABLE, ";", "\r\n").encode("utf-16"))),
        ("t.csv.gz", lambda path: path.write_bytes(gzip.compress(written(TABLE).encode(), mtime=0))),
        ("t.jsonl", lambda path: path.write_text("".join(json.dumps(row) + "\n" for row in TABLE))),
        ("t.json", lambda path: path.write_text(json.dumps(TABLE))),
        ("t.parquet", lambda path: pa.parquet.write_table(pa.Table.from_pylist(TABLE), path)),
        ("t.xlsx", workbook),
    ],
)
def test_one_table_in_every_form(tmp_path, name, write):
    """Labels are names, whatever they look like; quoted texts go over lines; nothing is an empty text."""
    write(tmp_path / name)
    found = [(text.label, text.text) for text in TextTable(str(tmp_path / name)).open(tmp_path / name)]
    assert found == [row[1:] for row in ROWS]
    # To be predicted, with the user's own columns; Excel has no empty texts.
    data = TextTable("train.csv", predict_path=str(tmp_path / name))
    rows = [text.row for text in data.read_predict(tmp_path / name)]
    assert [{key: value or "" for key, value in row.items()} for row in rows] == TABLE


def test_other_code_pages_are_told(table):
    content = written(TABLE).replace("\u4e0d\u9519", "bon").encode("cp1252")
    data = table(content, encoding="cp1252")
    assert "so good, 10 €" in {text.text for text in data.open(data.path)}
    with pytest.raises(MisconfigurationException, match=r"t.csv, line 2: byte 0x80 is not UTF-8; .*--data.encoding"):
        table(content).setup("fit")


def test_classes_that_look_missing_or_like_numbers(table):
    names = ["001", "01", "1", "1.0", "None", "NA", "null", "nan", "true", "-"]
    data = table("text,label\n" + "".join(f"word {i},{name}\n" for name in names for i in range(5)))
    data.setup("fit")
    assert data.facts.classes == sorted(names)


@pytest.mark.parametrize(
    ("name", "content", "left_out", "first"),
    [
        ("t.csv", "text,label\nx,a\nonly one cell\ny,b\nz,\n", 2, "line 3: 1 cells, but the header has 2"),
        ("t.jsonl", '{"text": "x", "label": "a"}\n{"text": "z"}\n{\n{"text": "y", "label": "b"}\n', 2, "line 2"),
    ],
)
def test_faulty_rows_are_left_out_if_asked(table, name, content, left_out, first):
    data = table(content, name=name, on_error="skip")
    source = data.source(data.path)
    with pytest.warns(UserWarning, match=f"left out {left_out} of 4 texts; the first: .*{first}"):
        assert [text.text for text in source] == ["x", "y"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it has been told
        assert [text.text for text in data.source(data.path)] == ["x", "y"]
    with pytest.raises(MisconfigurationException, match=f"{first}.*--data.on_error skip leaves such out"):
        list(table(content, name=name).open(data.path))


def test_classes_unknown_to_training_are_left_out_if_asked(table, tmp_path):
    other = tmp_path / "val.csv"
    other.write_text("text,label\nx,a\ny,c\nz,b\n")
    data = table("text,label\n" + "x,a\ny,b\n" * 10, val_path=str(other), on_error="skip")
    with pytest.warns(UserWarning, match="left out 1 of 3 texts; the first: .*val.csv, line 3: the class `c`"):
        data.setup("fit")
    assert data.datasets["val"].target.tolist() == [0, 1]


def test_folders_of_texts(tmp_path):
    files = {"train/a/1.txt": "one", "train/a/deep/2.TXT": "two", "train/b/3.txt": "", "valid/b/4.txt": "four"}
    files |= {"train/a/.hidden.txt": "no", "train/__MACOSX/x.txt": "no", "train/a/._1.txt": "no", "train/b/5.pdf": "no"}
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    data = TextFolder(str(tmp_path), test_fraction=0.0)
    with pytest.warns(UserWarning, match=r"1 files that are not .txt are left out, such as b/5.pdf"):
        assert texts_of(data, "train") == [("one", "a"), ("two", "a"), ("", "b")]
    assert texts_of(data, "val") == [("four", "b")]
    rows = [text.row for text in data.read_predict(tmp_path / "valid")]
    assert rows == [{"file": "b/4.txt", "text": "four"}]
    (tmp_path / "train/a/6.txt").write_bytes(b"\xff\xfe\xfd")
    with pytest.raises(MisconfigurationException, match=r"6.txt"):
        list(TextFolder(str(tmp_path)).read("val") and TextFolder(str(tmp_path), test_fraction=0.0).read("train"))
    with pytest.warns(UserWarning, match="left out 1 of 4 texts"):
        assert len(list(TextFolder(str(tmp_path), test_fraction=0.0, on_error="skip").read("train"))) == 3
    with pytest.raises(MisconfigurationException, match=r"holds no <class>/\*.txt files \(but a/x.docx\)"):
        (tmp_path / "docs/a").mkdir(parents=True)
        (tmp_path / "docs/a/x.docx").write_text("x")
        TextFolder(str(tmp_path / "docs")).setup("fit")


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("text,label\nx,a\ny\n", {}, "line 3: 1 cells, but the header has 2"),
        ("text,label\nx,a\ny,\n", {}, "line 3: `label` is empty"),
        ("text,mood\nx,a\n", {}, "no column `label`; there are: text, mood"),
        ("text,label\n", {}, "has no rows"),
        ("text,label\n" + "x,a\n" * 20, {}, "only one class, a"),
        (
            "label,text\n" + "".join(f"b,{i}\n" for i in range(60)),
            {"target": "text", "column": "label"},
            "60 classes for 60 examples, such as `0`: is that the column of the classes",
        ),
        ("text,label\n" + "x,a\ny,b\n" * 9, {"val_fraction": 0.0}, "nothing to validate on: data.val_fraction is 0"),
        ("text,label\n" + "x,a\ny,b\n" * 9, {"min_count": 99}, "no word occurs 99 times or more"),
        ("text,label\n" + "x,a\ny,b\n" * 9, {"max_length": 0}, "data.max_length is 0; it must be at least 1"),
        ("text,label\nx,a\ncafé,b\n".encode("latin-1"), {}, r"line 3: byte 0xe9 is not UTF-8.*--data.encoding cp1252"),
        (b"text,label\nx,a\n", {"encoding": "klingon"}, "no encoding `klingon`"),
    ],
)
def test_bad_tables(table, content, options, message):
    with pytest.raises(MisconfigurationException, match=message):
        table(content, **options).setup("fit")


def test_bad_json(table):
    with pytest.raises(MisconfigurationException, match="line 2 is not JSON"):
        table('{"text": "x", "label": "a"}\n{"text"\n', name="t.jsonl").setup("fit")
    with pytest.raises(MisconfigurationException, match="line 1: there is no `label`"):
        table('{"text": "x"}\n', name="t.jsonl").setup("fit")


def test_other_encodings(table):
    data = table(("text,label\n" + "café,a\nthé,b\n" * 5).encode("latin-1"), encoding="latin-1")
    assert {text for text, _ in texts_of(data, "train")} == {"café", "thé"}
    bom = table(("text,label\n" + "red,a\nblue,b\n" * 5).encode("utf-8-sig"))
    bom.setup("fit")
    assert bom.facts.classes == ["a", "b"]


def class_folders(root, names):
    for name in names:
        for kind in ("pos", "neg"):
            (root / name / kind).mkdir(parents=True)
            for k in range(10):
                (root / name / kind / f"{k}.txt").write_text(f"{name} {kind} {k}")


@pytest.mark.parametrize(
    ("names", "shares"),
    [
        (["Train", "Test"], [18, 2, 20]),
        (["training", "testing"], [18, 2, 20]),
        (["train", "TESTING"], [18, 2, 20]),
        (["train", "validate", "test"], [20, 20, 20]),
        (["Training", "Dev"], [18, 20, 2]),
    ],
)
def test_folders_of_splits_are_found_by_what_people_call_them(tmp_path, names, shares):
    class_folders(tmp_path, names)
    data = TextFolder(str(tmp_path), test_fraction=0.1)
    parts = [texts_of(data, split) for split in ("train", "val", "test")]
    assert [len(part) for part in parts] == shares
    assert {label for part in parts for _, label in part} == {"pos", "neg"}
    for part in parts:
        assert len({text.split()[0] for text, _ in part}) == 1


def test_folders_beside_those_of_the_splits_are_told(tmp_path):
    class_folders(tmp_path, ["train", "test", "unlabelled"])
    with pytest.warns(UserWarning, match="left out the folders unlabelled, which are not train, val or test"):
        TextFolder(str(tmp_path)).read("train")
    class_folders(tmp_path, ["Testing"])
    with pytest.raises(MisconfigurationException, match="are both for the test split; keep one"):
        TextFolder(str(tmp_path))
    class_folders(tmp_path / "classes", ["a", "test"])
    with pytest.warns(UserWarning, match="test taken for a class: there is no folder train"):
        TextFolder(str(tmp_path / "classes")).read("train")


@pytest.mark.parametrize(
    ("options", "column"),
    [
        ({"column": "label"}, "label"),
        ({"target": "text"}, "text"),
        ({"column": ["a", "a"]}, "a"),
        ({"column": ["a", "label"]}, "label"),
        ({"target": ["x", "y", "x"], "kind": "labels"}, "x"),
    ],
)
def test_a_column_is_not_for_two_things(options, column):
    with pytest.raises(MisconfigurationException, match=f"the column `{column}` is named twice, by data."):
        TextTable("t.csv", **options)
