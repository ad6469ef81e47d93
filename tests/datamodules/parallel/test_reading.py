"""One corpus, one reading: whatever the files are."""

import bz2
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.parallel import ParallelText
from datamodules.parallel.reading import Pairs, find_files, read_table

SOURCE = ["A dog, asleep.", 'She says "no".', "One\ntwo", "Ünïcode; |", "12"]
TARGET = ["Ein Hund, der schläft.", 'Sie sagt "nein".', "Eins\nzwei", "Unicode; |", "zwölf"]
FRAME = pd.DataFrame({"id": ["007", "008", "009", "010", "011"], "en": SOURCE, "de": TARGET})


def csv(separator: str, encoding: str) -> Callable[[Path], None]:
    return lambda path: FRAME.to_csv(path, sep=separator, encoding=encoding, index=False)


def lines(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


ROWS = FRAME.to_dict("records")
HUB = [{"id": row["id"], "translation": {"en": row["en"], "de": row["de"]}} for row in ROWS]
FILES: dict[str, Callable[[Path], Any]] = {
    "a.csv": csv(",", "utf-8"), "b.csv": csv(";", "utf-8"), "c.csv": csv("\t", "utf-8"), "d.csv": csv("|", "utf-8"),
    "a.tsv": csv("\t", "utf-8"), "e.csv": csv(",", "utf-8-sig"), "f.csv": csv(";", "utf-16"),
    "g.csv.gz": csv(",", "utf-8"), "a.txt": csv("\t", "utf-8"),
    "a.parquet": FRAME.to_parquet, "a.xlsx": lambda path: FRAME.to_excel(path, index=False),
    "a.jsonl": lambda path: path.write_bytes(lines(ROWS)), "a.json": lambda path: path.write_text(json.dumps(ROWS)),
    "b.jsonl.bz2": lambda path: path.write_bytes(bz2.compress(lines(ROWS))),
    "hub.jsonl": lambda path: path.write_bytes(lines(HUB)),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_table_is_read_alike_in_every_dialect(tmp_path: Path, name: str) -> None:
    FILES[name](tmp_path / name)
    assert read_table(tmp_path / name, "en", "de")[:2] == (SOURCE, TARGET)
    data = ParallelText(str(tmp_path / name), num_tokens=300, test_fraction=0.2, val_fraction=0.2)
    assert [len(data.read(split).source) for split in ("train", "val", "test")] == [3, 1, 1]


def test_an_encoding_that_is_told(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "a.csv", encoding="cp1252", index=False)
    assert read_table(tmp_path / "a.csv", "en", "de", "cp1252")[:2] == (SOURCE, TARGET)
    with pytest.raises(MisconfigurationException, match=r"a\.csv, line 2: byte 0xe4 is not UTF-8"):
        read_table(tmp_path / "a.csv", "en", "de")


def two(stem: Path, ending: str = "") -> None:
    pack = gzip.compress if ending else bytes
    for language, side in (("en", SOURCE), ("de", TARGET)):
        text = "".join(f"{text}\n".replace("\n", " ") + "\n" for text in side)
        stem.with_name(f"{stem.name}.{language}{ending}").write_bytes(pack(text.encode("utf-8-sig")))


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_two_files_are_found_by_stem_by_one_of_them_or_in_their_folder(tmp_path: Path, ending: str) -> None:
    two(tmp_path / "news.v2", ending)
    wanted = {"train": (tmp_path / f"news.v2.en{ending}", tmp_path / f"news.v2.de{ending}")}
    for path in ("news.v2", f"news.v2.en{ending}", f"news.v2.de{ending}", "."):
        assert find_files(tmp_path / path, "en", "de") == wanted
    whole = ParallelText(str(tmp_path), val_fraction=0, test_fraction=0).read("train")
    assert whole.source[0] == "A dog, asleep. "


def test_splits_go_by_many_names_and_those_missing_get_a_share(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "train.csv", index=False)
    two(tmp_path / "valid")
    data = ParallelText(str(tmp_path), test_fraction=0.2)
    assert set(find_files(tmp_path, "en", "de")) == {"train", "val"}
    assert [len(data.read(split).source) for split in ("train", "val", "test")] == [4, 5, 1]


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("nowhere", {}, r"no file or folder .*nowhere, nor two files .*nowhere.en and .*nowhere.de"),
        ("empty", {}, r"empty holds no train.en and train.de, no train table \(.*\), and no other"),
        ("two", {}, r"two holds no train.en .* and 2 other tables"),
        ("one.csv", {"val_fraction": 0.0}, r"none of 5 examples are for the split val; raise data.val_fraction"),
        ("one.csv", {"source": "english"}, r"has no column `english`; there are: id, en, de"),
        ("blank.csv", {}, r"blank.csv, column `de`: there is no text"),
        ("list.jsonl", {}, r"list.jsonl, line 2, column `de` holds a list, not text"),
        ("half.jsonl", {}, r"half.jsonl, line 1, column `en` holds half of a surrogate pair"),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path: Path, path: str, options: dict[str, Any], message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "two").mkdir()
    for file in ("one.csv", "two/a.csv", "two/b.csv"):
        FRAME.to_csv(tmp_path / file, index=False)
    FRAME.assign(de=" ").to_csv(tmp_path / "blank.csv", index=False)
    (tmp_path / "list.jsonl").write_bytes(lines([ROWS[0], {"en": "a", "de": ["b"]}]))
    (tmp_path / "half.jsonl").write_text('{"en": "\\ud83d", "de": "b"}\n')
    with pytest.raises(MisconfigurationException, match=message):
        ParallelText(str(tmp_path / path), **options).read("val")


def test_faulty_rows_are_left_out_and_counted_if_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(lines([ROWS[0], {"en": "a", "de": ["b"]}]) + b"{broken\n" + lines(ROWS[1:2]))
    with pytest.warns(UserWarning, match=r"left out 2 of 4 rows; the first: .*a\.jsonl, line 2, column `de`"):
        assert read_table(path, "en", "de", on_error="skip").source == SOURCE[:2]
    with pytest.raises(MisconfigurationException, match=r"line 2, column `de` holds a list.*--data.on_error skip"):
        read_table(path, "en", "de")


def test_cells_without_text_are_empty_and_numbers_are_text(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pd.DataFrame({"en": ["a", None, "c"], "de": [1.0, 2.5, None]}).to_parquet(path)
    assert read_table(path, "en", "de")[:2] == (["a", "", "c"], ["1", "2.5", ""])


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.xlsx", "a.jsonl", "hub.jsonl"])
def test_sentences_of_a_table_keep_its_columns(tmp_path: Path, name: str) -> None:
    FILES[name](tmp_path / name)
    data = ParallelText("nowhere", predict_path=str(tmp_path / name))
    found = data.read_predict(tmp_path / name)
    assert isinstance(found, Pairs)
    assert (found.source, found.target) == (SOURCE, None)
    assert found.rows is not None
    assert [row["id"] for row in found.rows] == list(FRAME["id"])
    assert [row["de"] for row in found.rows] == TARGET
    FRAME.drop(columns="de").to_csv(tmp_path / "sources.csv", index=False)
    assert data.read_predict(tmp_path / "sources.csv").source == SOURCE, "the target need not be there"


@pytest.mark.parametrize("place", [0, 2])
def test_a_row_of_json_that_lacks_a_language_is_a_fault_and_no_empty_translation(tmp_path, place):
    rows = [{"en": f"one {k}", "de": f"eins {k}"} for k in range(4)]
    del rows[place]["de"]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(MisconfigurationException, match=rf"t.jsonl, line {place + 1} has no column `de`"):
        read_table(tmp_path / "t.jsonl", "en", "de")
    pairs = read_table(tmp_path / "t.jsonl", "en", "de", on_error="skip")
    assert pairs.target == [f"eins {k}" for k in range(4) if k != place]
    assert len(read_table(tmp_path / "t.jsonl", "en", None).source) == 4
