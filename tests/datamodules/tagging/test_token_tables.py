"""Tagged sentences in tables."""

import gzip
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.faults import Faults
from datamodules.tagging.token_tables import read_table

WORDS, TAGS = [["Anna", "naïve", "1979"], ["NA"]], [["B-PER", "O", "O"], ["O"]]


def rows() -> list[dict[str, Any]]:
    flat = [(i, word, tag) for i in range(2) for word, tag in zip(WORDS[i], TAGS[i], strict=True)]
    return [{"sentence_id": i, "token": word, "tag": tag} for i, word, tag in flat]


def lists() -> list[dict[str, Any]]:
    return [{"id": i, "tokens": WORDS[i], "ner_tags": TAGS[i]} for i in range(2)]


def as_csv(table: list[dict[str, Any]], separator: str = ",") -> str:
    lines = [list(table[0]), *(map(str, row.values()) for row in table)]
    return "\n".join(separator.join(line) for line in lines) + "\n"


def jsonl(table: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in table)


@pytest.mark.parametrize(
    ("name", "content", "encoding"),
    [
        ("a.csv", as_csv(rows()).encode(), None),
        ("a.csv", as_csv(rows(), ";").encode("utf-8-sig"), None),
        ("a.csv", as_csv(rows(), "|").replace("\n", "\r\n").encode("utf-16"), None),
        ("a.csv", as_csv(rows()).encode("cp1252"), "cp1252"),
        ("a.csv.gz", gzip.compress(as_csv(rows(), "\t").encode(), mtime=0), None),
        ("a.jsonl", jsonl(rows()).encode(), None),
        ("a.jsonl", jsonl(lists()).encode(), None),
        ("a.json", json.dumps(lists()).encode(), None),
        ("a.jsonl.gz", gzip.compress(jsonl(lists()).encode(), mtime=0), None),
        (
            "a.csv",
            "tokens;tags\n\"['Anna', 'naïve', '1979']\";\"['B-PER', 'O', 'O']\"\n['NA'];['O']\n".encode(),
            None,
        ),
        ("a.csv", "words,tags\nAnna naïve 1979,B-PER O O\nNA,O\n".encode(), None),
        (
            "a.csv",  # the first word only says which sentence
            "Sentence #,Word,POS,Tag\nSent 1,Anna,N,B-PER\n,naïve,A,O\n,1979,D,O\nSent 2,NA,X,O\n".encode(),
            None,
        ),
        ("a.csv", "token,tag\nAnna,B-PER\nnaïve,O\n1979,O\n\nNA,O\n".encode(), None),  # a blank line between them
        ("a.csv", "token,tag\nAnna,B-PER\nnaïve,O\n1979,O\n,\nNA,O\n".encode(), None),
        ("a.csv", 'token,tag,note\nAnna,B-PER,"of\ntwo lines"\nnaïve,O,\n1979,O,\n\nNA,O,\n'.encode(), None),
    ],
)  # fmt: skip
def test_every_form_gives_the_same_sentences(tmp_path: Path, name: str, content: bytes, encoding: str | None) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    found = read_table(path, encoding=encoding)
    assert [sentence.words for sentence in found] == WORDS
    assert [sentence.tags for sentence in found] == TAGS
    found = read_table(path, encoding=encoding, tagged=False)
    assert [sentence.words for sentence in found] == WORDS
    assert not any(sentence.tags for sentence in found)


@pytest.mark.parametrize("suffix", ["parquet", "xlsx"])
def test_parquet_and_excel(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    for table in (rows(), lists()) if suffix == "parquet" else (rows(),):
        frame = pd.DataFrame(table)
        frame.to_parquet(path) if suffix == "parquet" else frame.to_excel(path, index=False)
        assert [(s.words, s.tags) for s in read_table(path)] == list(zip(WORDS, TAGS, strict=True))


def test_places_and_rows_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("token,tag\nAnna,B-PER\nleft,O\n\nBo,O\n")
    first, second = read_table(path)
    assert (first.place, first.rows) == (f"{path}:2", [0, 1])
    assert (second.place, second.rows) == (f"{path}:5", [2])


def test_columns_are_named_or_numbered(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("nr,mot,genre\n1,Anna,N\n1,part,V\n2,Bo,N\n")
    for word, target, sentence in (("mot", "genre", "nr"), (1, -1, 0)):
        found = read_table(path, word, target, sentence)
        assert [(s.words, s.tags) for s in found] == [(["Anna", "part"], ["N", "V"]), (["Bo"], ["N"])]
    with pytest.raises(MisconfigurationException, match=r"name the column of the word \(--data.word\); there are: nr"):
        read_table(path)
    with pytest.raises(MisconfigurationException, match="no column `mott`; did you mean `mot`"):
        read_table(path, "mott", "genre", "nr")
    with pytest.raises(MisconfigurationException, match="3 columns, so none is number 7"):
        read_table(path, 1, 7, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("token,tag\nAnna,O\nleft,O\n", r"nothing tells which words make up a sentence: .*--data\.sentence"),
        ("token,tags,labels\nAnna,O,O\n", r"name the column of the target \(--data\.target\)"),  # two of usual names
        ("token,tag,sentence\nAnna,O,1\n,O,1\n", r"a\.csv:2: a word is missing"),
        ("token,tag,sentence\nAnna,O,1\nleft,,1\n", r"a\.csv:2: 2 words, but 1 tags"),
        ("tokens,tags\nAnna left,O\nBo left,O O\n", r"a\.csv:2: 2 words, but 1 tags"),
        ("tokens,tags\n[],[]\n", r"a\.csv:2: a word is missing"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    with pytest.raises(MisconfigurationException, match=message):
        read_table(path)


def test_faulty_sentences_are_skipped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(jsonl([*lists(), {"id": 7, "tokens": ["a", "b"], "ner_tags": ["O"]}]))
    with pytest.raises(MisconfigurationException, match=r"a\.jsonl:3: 2 words, but 1 tags .*on_error skip"):
        read_table(path)
    with pytest.warns(UserWarning, match="left out 1 of 3 sentences"):
        assert [s.words for s in read_table(path, faults=Faults("skip", str(path)))] == WORDS


@pytest.mark.parametrize("form", [np.array, tuple, lambda texts: list(np.array(texts))])
def test_lists_as_numpy_and_python_write_them(tmp_path: Path, form: Callable[[list[str]], object]) -> None:
    words, tags = [["it", "'s", "a", '"b"'], ["Yes"]], [["N", "V", "D", "N"], ["X"]]
    table = [{"tokens": form(w), "tags": form(t)} for w, t in zip(words, tags, strict=True)]
    pd.DataFrame(table).to_csv(tmp_path / "a.csv", index=False)
    found = read_table(tmp_path / "a.csv")
    assert ([s.words for s in found], [s.tags for s in found]) == (words, tags)
    numbers = [{"tokens": form(w), "ner_tags": np.arange(len(w))} for w in words]
    pd.DataFrame(numbers).to_csv(tmp_path / "a.csv", index=False)
    assert [s.tags for s in read_table(tmp_path / "a.csv")] == [["0", "1", "2", "3"], ["0"]]


@pytest.mark.parametrize("damaged", ["['a' 'b' ... 'c']", "['it', 's' ok]"])
@pytest.mark.parametrize("other", ["['one' 'two']", "one two", ""])
def test_a_cell_that_looks_like_a_list_and_is_none_is_a_fault(tmp_path: Path, damaged: str, other: str) -> None:
    (tmp_path / "a.csv").write_text(f'tokens,id\n"{other or "[x]"}",1\n"{damaged}",2\n')
    with pytest.raises(MisconfigurationException, match=r"a.csv:3: .* looks like a list, but is none"):
        read_table(tmp_path / "a.csv", tagged=False)
    faults = Faults("skip", "a.csv")
    assert len(read_table(tmp_path / "a.csv", tagged=False, faults=faults)) == faults.count == 1


def numbered(path: Path, ids: Sequence[object]) -> list[list[str]]:
    pd.DataFrame({"sentence_id": ids, "token": [f"w{k}" for k in range(len(ids))], "tag": "N"}).to_csv(
        path, index=False
    )
    return [sentence.words for sentence in read_table(path)]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 1, 2, 2, 3, 3, 2, 2], r"a.csv, line 8: the words of sentence `2` do not stand together"),
        (["a", "a", "b", "b", "c", "c", "b"], r"line 8: the words of sentence `b` .* \(column `sentence_id`\)"),
        ([1, 2, 1, 2], r"line 4: the words of sentence `1` do not stand together"),
        ([1, 2, 3] * 4, r"line 5: the words of sentence `1` do not stand together"),
    ],
)
def test_a_sentence_between_whose_words_are_others_is_refused(tmp_path: Path, ids: list[object], message: str) -> None:
    with pytest.raises(MisconfigurationException, match=message):
        numbered(tmp_path / "a.csv", ids)


def test_shuffled_rows_are_refused(tmp_path: Path) -> None:
    for seed in range(20):
        ids = np.random.default_rng(seed).permutation(np.repeat(np.arange(40), 4)).tolist()
        with pytest.raises(MisconfigurationException, match="do not stand together"):
            numbered(tmp_path / "a.csv", ids)


@pytest.mark.parametrize(
    ("sizes", "times"),
    [
        ([(1, 2), (2, 3), (3, 1), (1, 3), (2, 2), (1, 2), (2, 2)], 2),
        ([("s1", 2), ("s2", 3), ("s1", 3), ("s2", 2), ("s3", 2)], 1),
        ([(5, 2), (6, 2), (1, 2), (2, 2), (3, 2), (1, 2), (2, 2)], 1),  # begins within a document
        ([(9, 2), (8, 2), (7, 2)], 0),
    ],
)
@pytest.mark.filterwarnings("always")
def test_sentences_that_documents_number_anew_stay_their_own(
    tmp_path: Path, sizes: list[tuple[object, int]], times: int
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        found = numbered(tmp_path / "a.csv", [key for key, size in sizes for _ in range(size)])
    assert [len(words) for words in found] == [size for _, size in sizes]
    told = [str(warning.message) for warning in caught if "begin anew" in str(warning.message)]
    assert len(told) == bool(times)
    assert all(f"begin anew {times} times" in text for text in told)


@pytest.mark.parametrize("place", [0, 1])
def test_a_row_of_json_that_lacks_the_tags_is_a_fault_of_this_row(tmp_path: Path, place: int) -> None:
    table = lists()
    del table[place]["ner_tags"]
    (tmp_path / "a.jsonl").write_text(jsonl(table))
    with pytest.raises(MisconfigurationException, match=rf"a.jsonl:{place + 1}: {len(WORDS[place])} words, but 0 tags"):
        read_table(tmp_path / "a.jsonl")
    found = read_table(tmp_path / "a.jsonl", faults=Faults("skip", "a.jsonl"))
    assert [s.words for s in found] == [WORDS[1 - place]]
