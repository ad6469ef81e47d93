"""Tables of labelled texts."""

from pathlib import Path

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.text import TextTable
from datamodules.tokens import Tokens
from datamodules.types import TextFacts

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
    facts = TextFacts(classes=["a", "b"], class_counts=[1, 1], tokenizer=tokens.json, num_inputs=len(tokens))
    data.load_state_dict({"seed": 0, "facts": facts.state(), "progress": {"steps": 0, "epoch": 0, "layouts": []}})
    assert data.lengths(data.examples(data.open(data.path), train=False)).tolist() == [2, 7, 0]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("text,label\nx,a\ny\n", {}, "line 3: 1 cells, but the header has 2"),
        ("text,label\nx,a\ny,\n", {}, "line 3: `label` is empty"),
        ("text,mood\nx,a\n", {}, "no column `label`; there are: text, mood"),
        ("text,label\n", {}, "has no rows"),
        ("text,label\n" + "x,a\n" * 20, {}, "only one class, a"),
        ("text,label\nx,a\ncafé,b\n".encode("latin-1"), {}, r"line 3: byte 0xe9 is not UTF-8.*--data.encoding cp1252"),
        (b"text,label\nx,a\n", {"encoding": "klingon"}, "no encoding `klingon`"),
    ],
)
def test_bad_tables(table, content, options, message):
    data = table(content, **options)
    with pytest.raises(MisconfigurationException, match=message):
        data.setup("fit")


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
