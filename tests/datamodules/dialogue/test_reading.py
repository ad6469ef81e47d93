import gzip
import json
import zipfile

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.dialogue import DailyDialog
from datamodules.dialogue.reading import natural, read_dialogues


@pytest.mark.parametrize("name", ["qa.csv", "qa.tsv", "qa.csv.gz", "qa.jsonl"])
def test_questions_and_answers(tmp_path, name):
    path = tmp_path / name
    delimiter = "\t" if "tsv" in name else ","
    text = delimiter.join(("id", "answer", "question")) + "\n" + delimiter.join(("1", '"It is\nten."', "Late?")) + "\n"
    if "jsonl" in name:
        text = json.dumps({"question": "Late?", "answer": "It is\nten."}) + "\n\n"
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    assert read_dialogues(path) == [["Late?", "It is\nten."]]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"", "holds no dialogue"),
        ("a.jsonl", b'{"turns": ["a"]}\n{"turns": ["a", \n', "line 2 is not JSON"),
        ("a.jsonl", b'{"turns": ["a"]}\n\n["a", "b"]\n', "line 3 is not of the form"),
        ("a.jsonl", b'{"turns": ["a", 3]}\n', "line 1 is not of the form"),
        ("a.jsonl", b'{"turns": []}\n', "line 1 is not of the form"),
        ("a.jsonl", b'{"turns": ["a"]}\n{"turns": ["\xe9"]}\n', "line 2 is not UTF-8"),
        ("a.csv", b"question,reply\na,b\n", "no column `answer`"),
        ("a.csv", b"", "no column `question`"),
        ("a.csv", b"question,answer\na,b\na,b,c\n", "line 3: 3 columns instead of 2"),
        ("a.csv", b"question,answer\n", "holds no dialogue"),
        ("a.txt", b"a\n", "jsonl"),
    ],
)
def test_bad_files_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MisconfigurationException, match=message) as error:
        read_dialogues(tmp_path / name)
    assert str(tmp_path / name) in str(error.value)


def test_damaged_archives(tmp_path):
    folder = tmp_path / "daily_dialog"
    folder.mkdir()
    (folder / "train.zip").write_bytes(b"not an archive")
    with pytest.raises(MisconfigurationException, match=r"train\.zip is damaged"):
        DailyDialog(root=str(tmp_path)).read("train")
    with zipfile.ZipFile(folder / "test.zip", "w") as archive:
        archive.writestr("other.txt", "")
    with pytest.raises(MisconfigurationException, match="holds no test/dialogues_test"):
        DailyDialog(root=str(tmp_path)).read("test")


@pytest.mark.parametrize(
    ("tokenized", "text"),
    [
        ("I \u2019 Ve paid $ 5 , OK ?", "I've paid $5, OK?"),
        ("don \u2019 t  go at 7 o ' clock ( please ) .", "don't go at 7 o'clock (please)."),
        ("It's the best way .", "It's the best way."),
    ],
)
def test_natural(tokenized, text):
    assert natural(tokenized) == text
