"""Files with a word a line."""

import gzip
from pathlib import Path

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.tagging.conll import Sentence, read_columns, read_conllu
from datamodules.tagging.reading import ReadOptions, read_untagged


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_columns(tmp_path: Path) -> None:
    text = "\ufeff-DOCSTART- -X- O O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n \t\n\nBlackburn NNP B-NP B-PER\n"
    path = write(tmp_path / "a.conll", text)
    assert read_columns(path) == [
        Sentence(["EU", "rejects"], ["B-ORG", "O"], f"{path}:3"),
        Sentence(["Blackburn"], ["B-PER"], f"{path}:7"),
    ]
    assert [s.tags for s in read_columns(path, target=1)] == [["NNP", "VBZ"], ["NNP"]]
    assert [s.words for s in read_columns(path, word=2, target=None)] == [["B-NP", "B-VP"], ["B-NP"]]


def test_tabs_keep_blanks_in_words_and_hashes_are_words(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conll", "New York\tB-LOC\n#\tO\n")
    assert read_columns(path)[0][:2] == (["New York", "#"], ["B-LOC", "O"])


def test_gzip(tmp_path: Path) -> None:
    path = tmp_path / "a.conll.gz"
    path.write_bytes(gzip.compress("café O\n".encode(), mtime=0))
    assert read_columns(path)[0].words == ["café"]
    path.write_bytes(b"not zipped O\n")
    with pytest.raises(MisconfigurationException, match=r"a\.conll\.gz cannot be read"):
        read_columns(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a O\nb\n", r"bad\.conll:2: 1 column.*'b'"),
        ("", r"bad\.conll is empty"),
        ("\n \n-DOCSTART- O\n", r"bad\.conll holds no sentence"),
    ],
)
def test_bad_columns_are_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MisconfigurationException, match=message):
        read_columns(write(tmp_path / "bad.conll", text))


def test_missing_and_binary_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=r"there is no file .*nothing"):
        read_columns(tmp_path / "nothing")
    (tmp_path / "latin").write_bytes(b"caf\xe9 O\n")
    with pytest.raises(MisconfigurationException, match="latin, line 1: byte 0xe9 is not UTF-8"):
        read_columns(tmp_path / "latin")


CONLLU = """# sent_id = 1
1-2\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tdo\tdo\tAUX\tVBP\tMood=Ind|Number=Plur\t0\troot\t_\t_
2\tn't\tnot\tPART\tRB\t_\t1\tadvmod\t_\t_
2.1\tgo\tgo\tVERB\tVB\t_\t_\t_\t_\t_

1\tCats\tcat\tNOUN\tNNS\tNumber=Plur\t0\troot\t_\t_
"""


def test_conllu(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conllu", CONLLU)
    assert read_conllu(path) == [
        Sentence(["do", "n't"], ["AUX", "PART"], f"{path}:3"),
        Sentence(["Cats"], ["NOUN"], f"{path}:7"),
    ]
    assert [s.tags for s in read_conllu(path, "xpos")] == [["VBP", "RB"], ["NNS"]]
    assert [s.tags for s in read_conllu(path, "Number")] == [["Plur", "_"], ["Plur"]]
    write(path, CONLLU + "2\tsit\n")
    with pytest.raises(MisconfigurationException, match=r"a\.conllu:8: 2 column"):
        read_conllu(path)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "The cat sat .\nIt slept\n\n", [["The", "cat", "sat", "."], ["It", "slept"]]),
        ("a.txt", "The\ncat\n\nIt\nslept\n", [["The", "cat"], ["It", "slept"]]),  # columns, one of them
        ("a.txt", "The DT O\ncat NN O\n\nIt PRP O\n", [["The", "cat"], ["It"]]),
        ("a.txt", "One paragraph .\n\nAnd another one\n", [["One", "paragraph", "."], ["And", "another", "one"]]),
        ("a.conllu", CONLLU, [["do", "n't"], ["Cats"]]),
    ],
)
def test_untagged(tmp_path: Path, name: str, text: str, words: list[list[str]]) -> None:
    found = read_untagged(write(tmp_path / name, text), ReadOptions())
    assert [s.words for s in found] == words
    assert all(not s.tags for s in found)
