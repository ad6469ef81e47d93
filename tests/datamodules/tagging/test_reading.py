"""Which reader reads which file, and what stays as it is written."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.tagging import Columns
from datamodules.tagging.reading import ReadOptions, read_tagged, read_untagged

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


# ---- comments and odd characters


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# sent_id = 1\n# text = Anna left\nAnna O\nleft O\n", ["Anna", "left"]),
        ("# id 52-39\tdomain=en\nAnna _ _ O\nleft _ _ O\n", ["Anna", "left"]),  # as many columns as a word
        ("# text = Anna\nAnna N X O\nleft V X O\n", ["Anna", "left"]),
        ("#begin document (bc/cctv/00); part 000\nAnna O\nleft O\n", ["Anna", "left"]),
        ("# a comment\tof tabs\nAnna\tx\tO\nleft\tx\tO\n", ["Anna", "left"]),
        ("Anna O\n# a comment amid\nleft O\n", ["Anna", "left"]),
        ("# O\nAnna O\n", ["#", "Anna"]),
        ("#\tO\n#fun\tB-x\nAnna\tO\n", ["#", "#fun", "Anna"]),
        ("# B-new\nAnna O\n", ["#", "Anna"]),
        ("# #\nAnna NNP\n", ["#", "Anna"]),  # the tag of # in the Penn Treebank
        ("Anna O\n#fun NEW\n", ["Anna", "#fun"]),
        ("#\tSYM\nAnna\tNNP\n", ["#", "Anna"]),
        ("# NN I-NP O\nAnna NN I-NP O\n", ["#", "Anna"]),
    ],
)
def test_comments_are_no_words_and_hashes_are(write: Write, text: str, words: list[str]) -> None:
    (sentence,) = read_tagged(write("a.conll", text), ReadOptions())
    assert sentence.words == words


@pytest.mark.parametrize("text", ["Anna O\n#fun\n", "Anna O\n#\n", "Anna O\n#fun with O\n"])
def test_a_hashtag_without_its_tag_is_no_comment(write: Write, text: str) -> None:
    with pytest.raises(MisconfigurationException, match=r"a\.conll:2: [13] column"):
        read_tagged(write("a.conll", text), ReadOptions())


@pytest.mark.parametrize(
    "word", ["10\u00a0000", "\u200b", "a\u2028b", "a\x00b", "\u00a0", "\x1c", "\x85", "\ufe0f", "😀", "e\u0301"]
)
def test_odd_characters_are_characters_of_words(write: Write, word: str) -> None:
    for separator in (" ", "\t"):
        (sentence,) = read_tagged(write("a.conll", f"{word}{separator}B-X\nleft{separator}O\n"), ReadOptions())
        assert (sentence.words, sentence.tags) == ([word, "left"], ["B-X", "O"])


def test_a_blank_is_a_word_between_tabs(write: Write) -> None:
    (sentence,) = read_tagged(write("a.conll", "a\tX\n \tSPACE\n"), ReadOptions())
    assert sentence.words == ["a", " "]
    with pytest.raises(MisconfigurationException, match=r"a\.conll:2: there is no word in column 0"):
        read_tagged(write("a.conll", "a\tX\n\tY\n"), ReadOptions())


def test_a_blank_within_a_word_is_told_instead_of_cutting_the_word(write: Write) -> None:
    path = write("a.conll", "Anna B-PER\nlives O\nin O\nNew York B-LOC\n")
    with pytest.raises(MisconfigurationException, match=r"a\.conll:4: 3 columns, but most lines have 2"):
        read_tagged(path, ReadOptions())
    path.write_text(path.read_text() + "\nBo B-PER\n")
    with pytest.warns(UserWarning, match=r"left out 1 of 2 sentences; the first: .*a\.conll:4"):
        assert [s.words for s in read_tagged(path, ReadOptions(on_error="skip"))] == [["Bo"]]


# ---- dialects and headers


@pytest.mark.parametrize(
    ("name", "content", "encoding"),
    [
        ("a.txt", "é O\r\nb X\r\n\r\nc O\r\n".encode(), None),
        ("a.txt", "é O\nb X\n\nc O\n".encode("utf-16"), None),
        ("a.txt", "\ufeffé O\nb X\n \t\nc O".encode(), None),
        ("a.txt", "é O\nb X\n\nc O\n".encode("cp1252"), "cp1252"),
        ("a.conll.gz", gzip.compress("é\tO\nb\tX\n\nc\tO\n".encode(), mtime=0), None),
        ("a.tsv", "Token\tTag\né\tO\nb\tX\n\nc\tO\n".encode(), None),  # a header of usual names
        ("a.txt", "word label\né O\nb X\n\nc O\n".encode(), None),
        ("a.tsv", "sentence_id\ttoken\ttag\n1\té\tO\n1\tb\tX\n2\tc\tO\n".encode(), None),
    ],
)
def test_every_dialect_gives_the_same_sentences(write: Write, name: str, content: bytes, encoding: str | None) -> None:
    found = read_tagged(write(name, content), ReadOptions(encoding=encoding))
    assert [(s.words, s.tags) for s in found] == [(["é", "b"], ["O", "X"]), (["c"], ["O"])]


def test_columns_may_be_named_in_a_header(write: Write) -> None:
    path = write("a.txt", "mot lemma genre\nchats chat N\ndorment dormir V\n")
    (sentence,) = read_tagged(path, ReadOptions("mot", "genre"))
    assert (sentence.words, sentence.tags) == (["chats", "dorment"], ["N", "V"])
    with pytest.raises(MisconfigurationException, match="no column `gen`; did you mean `genre`"):
        read_tagged(path, ReadOptions("mot", "gen"))


# ---- what to predict


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.conll", "Anna\nleft\n", [["Anna", "left"]]),  # the suffix says columns
        ("a.txt", "Anna\nleft\n", [["Anna"], ["left"]]),
        ("a.txt", "Anna\tN\nleft\tV\n", [["Anna", "left"]]),  # tabs do
        ("a.txt", "1\tAnna left\n2\tBo left\n", [["1", "Anna", "left"], ["2", "Bo", "left"]]),
        ("a.txt", "# sent_id = 1\nAnna N\nleft V\n\nBo N\n", [["Anna", "left"], ["Bo"]]),
        ("a.txt", "# no comment\nAnna left\n", [["#", "no", "comment"], ["Anna", "left"]]),
        ("a.txt", "\n \nAnna  left\n\u200b\n", [["Anna", "left"], ["\u200b"]]),
    ],
)
def test_sentences_to_predict(write: Write, name: str, text: str, words: list[list[str]]) -> None:
    assert [s.words for s in read_untagged(write(name, text), ReadOptions())] == words


def test_chinese_text_without_blanks(write: Write) -> None:
    path = write("a.txt", "我爱北京天安门广场和故宫\n")
    with pytest.warns(UserWarning, match=r"a\.txt:1: words without blanks"):
        assert len(read_untagged(path, ReadOptions())[0].words) == 1
    (sentence,) = read_untagged(path, ReadOptions(), by_character=True)
    assert sentence.words == [*"我爱北京天安门广场和故宫"]


# ---- predictions keep what the user gave


def predict(tmp_path: Path, path: Path, train: str = "Anna O\nleft O\n\n" * 20) -> Path:
    (tmp_path / "train.conll").write_text(train)
    data = Columns(str(tmp_path / "train.conll"), predict_path=str(path))
    data.setup("predict")
    rows: list[dict[str, Any]] = []
    for i, sentence in enumerate(data.predicted):
        tags = [f"T{j}" for j in range(len(sentence.words))]
        rows.append({**data.describe(i), "tags": tags, "probabilities": [0.12345] * len(tags)})
    return data.write(rows, tmp_path)


def test_columns_and_comments_are_kept(tmp_path: Path, write: Write) -> None:
    path = write("a.conll", "-DOCSTART- X\n\n# sent_id = 7\nAnna N\n# amid amid amid\nleft V\n\n\nBo N\n")
    assert predict(tmp_path, path).read_text() == (
        "-DOCSTART- X\n\n# sent_id = 7\nAnna\tN\tT0\t0.1235\n# amid amid amid\nleft\tV\tT1\t0.1235\n\n"
        "Bo\tN\tT0\t0.1235\n\n"
    )


def test_conllu_keeps_its_lines(tmp_path: Path, write: Write) -> None:
    line = "\t_" * 7
    path = write("a.conllu", f"# sent_id = 1\n1-2\tdon't\t_{line}\n1\tdo\tdo{line}\n2\tn't\tnot{line}\n\n")
    assert predict(tmp_path, path).read_text() == (
        f"# sent_id = 1\n1-2\tdon't\t_{line}\n1\tdo\tdo{line}\tT0\t0.1235\n2\tn't\tnot{line}\tT1\t0.1235\n\n"
    )


def test_tables_get_two_columns(tmp_path: Path, write: Write) -> None:
    path = write("a.csv", "id;token;sentence\n007;Anna;1\n008;left;1\n009;Bo;2\n")
    assert predict(tmp_path, path).read_text() == (
        "id;token;sentence;prediction;probability\n007;Anna;1;T0;0.1235\n008;left;1;T1;0.1235\n009;Bo;2;T0;0.1235\n"
    )
    path = write("a.jsonl", '{"id": "007", "tokens": ["Anna", "left"]}\n{"id": "008", "tokens": ["Bo"]}\n')
    found = [json.loads(line) for line in predict(tmp_path, path).read_text().splitlines()]
    assert found == [
        {"id": "007", "tokens": ["Anna", "left"], "prediction": ["T0", "T1"], "probability": [0.1235, 0.1235]},
        {"id": "008", "tokens": ["Bo"], "prediction": ["T0"], "probability": [0.1235]},
    ]
    pd.DataFrame(found).drop(columns=["prediction", "probability"]).to_parquet(tmp_path / "a.parquet")
    frame = pd.read_parquet(predict(tmp_path, tmp_path / "a.parquet"))
    assert frame["id"].tolist() == ["007", "008"]
    assert [list(tags) for tags in frame["prediction"]] == [["T0", "T1"], ["T0"]]


def test_several_files_to_predict(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    folder.mkdir()
    with pytest.raises(MisconfigurationException, match="new holds no file of sentences"):
        predict(tmp_path, folder)
    (folder / "a.txt").write_text("Anna left\n")
    (folder / "b.jsonl").write_text('{"tokens": ["Bo", "left"]}\n')
    (folder / ".hidden").write_text("not this\n")
    found = predict(tmp_path, folder).read_text()
    assert [line.split("\t")[0] for line in found.splitlines()] == ["Anna", "left", "", "Bo", "left", ""]


@pytest.mark.filterwarnings("ignore:1 tags of 200 chunks break IOB2")
def test_a_file_is_judged_as_a_whole_before_it_is_split(tmp_path: Path) -> None:
    path = tmp_path / "train.conll"
    path.write_text("Anna B-PER\nleft O\n\n" * 199 + "so O\nBo I-PER\n")  # one in two hundred
    places = set()
    for seed in range(60):
        data = Columns(str(path), test_fraction=0.05, val_fraction=0.05)
        data.seed = seed
        data.setup("fit")
        data.setup("test")
        assert data.facts.tags == ["O", "B-PER", "I-PER"]
        places |= {split for split in ("train", "val", "test") if any(s.words[0] == "so" for s in data.read(split))}
    assert places == {"train", "val", "test"}


def test_words_of_characters_make_characters_of_a_text(tmp_path: Path, write: Write) -> None:
    found = predict(tmp_path, write("a.txt", "我爱北京\n"), train="北 B\n京 I\n\n" * 20).read_text()
    assert found.splitlines()[:2] == ["我\tT0\t0.1235", "爱\tT1\t0.1235"]


def test_a_row_in_memory_that_lacks_the_words_is_named(tmp_path):
    (tmp_path / "t.conll").write_text("a N\nb V\n\n" * 20)
    data = Columns(str(tmp_path / "t.conll"))
    with pytest.raises(MisconfigurationException, match="the table, row 2 has no column `words`"):
        data.read_objects([{"words": ["a"]}, {"id": 1}])


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("t.csv", {"word": "tag"}),
        ("t.csv", {"word": 2, "target": -1}),
        ("t.csv", {"sentence": "token"}),
        ("t.conll", {"word": 1, "target": 1}),
    ],
)
def test_a_column_is_not_for_two_things(tmp_path, name, options):
    comma = "," if name == "t.csv" else " "
    header = "sentence_id,token,tag\n" if name == "t.csv" else ""
    (tmp_path / name).write_text(header + "".join(f"{k}{comma}w{k}{comma}N\n" for k in range(3)))
    with pytest.raises(MisconfigurationException, match="is named twice, by data"):
        read_tagged(tmp_path / name, ReadOptions(**options))
