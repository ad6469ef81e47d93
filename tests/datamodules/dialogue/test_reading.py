import gzip
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.dialogue import DailyDialog
from datamodules.dialogue.reading import Dialogue, find_files, natural, read_dialogues


@pytest.mark.parametrize("name", ["qa.csv", "qa.tsv", "qa.csv.gz", "qa.jsonl"])
def test_questions_and_answers(tmp_path, name):
    path = tmp_path / name
    delimiter = "\t" if "tsv" in name else ","
    text = delimiter.join(("id", "answer", "question")) + "\n" + delimiter.join(("1", '"It is\nten."', "Late?")) + "\n"
    if "jsonl" in name:
        text = json.dumps({"question": "Late?", "answer": "It is\nten."}) + "\n\n"
    path.write_bytes(gzip.compress(text.encode(), mtime=0) if name.endswith("gz") else text.encode())
    assert read_dialogues(path).dialogues == [Dialogue(["Late?", "It is\nten."])]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"", "is empty"),
        ("a.jsonl", b'{"turns": ["a"]}\n{"turns": ["a", \n', "line 2 is not JSON"),
        ("a.jsonl", b'{"turns": ["a"]}\n\n["a", "b"]\n', "line 3 is not a JSON object"),
        ("a.jsonl", b'{"turns": ["a", 3]}\n', "line 1, `turns`: a turn is 3, not text"),
        ("a.jsonl", b'{"turns": []}\n', "line 1, `turns` is not of the form"),
        ("a.jsonl", b'{"turns": "a"}\n', "line 1, `turns` is not of the form"),
        ("a.jsonl", b'{"turns": ["a"]}\n{"turns": ["\xe9"]}\n', "line 2: byte 0xe9 is not UTF-8"),
        ("a.jsonl", b'{"said": "a"}\n', "line 1 holds no dialogue but `said`; it needs `turns`, `messages`"),
        ("a.jsonl", b'{"messages": [{"role": "user"}]}\n', "line 1, `messages`: a message is not of the form"),
        ("a.jsonl", b'{"messages": [{"role": "system", "content": "a"}]}\n', "nobody says anything"),
        ("a.csv", b"question,reply\na,b\n", "no column `answer`"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"question,answer\na,b\na,b,c\n", "line 3: 3 cells, but the header has 2"),
        ("a.csv", b"question,answer\n", "has no rows below its header"),
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
    with pytest.raises(MisconfigurationException, match=r"train\.zip is .*damaged"):
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


def said(*entries):
    return [{"role": name, "content": words} for name, words in entries]


SUPPORT = [("user", "It broke."), ("user", "Help!"), ("assistant", "Which one?"), ("user", "A2."), ("assistant", "Ok.")]
TURNS = ["It broke.\nHelp!", "Which one?", "A2.", "Ok."]


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "system", "content": "Be kind."}, *said(*SUPPORT)]},
        {"messages": [{**one, "content": [{"type": "text", "text": one["content"]}]} for one in said(*SUPPORT)]},
        {"conversations": [
            {"from": "human" if one["role"] == "user" else "gpt", "value": one["content"]} for one in said(*SUPPORT)
        ]},
    ],
    ids=["messages", "parts", "sharegpt"],
)  # fmt: skip
def test_replies_are_what_the_assistant_says(tmp_path, row):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"id": 7, **row}) + "\n")
    (dialogue,), rows = read_dialogues(path)
    assert dialogue == Dialogue(TURNS, replier=1)
    assert dialogue.replies() == [1, 3]
    assert rows is None
    (dialogue,), rows = read_dialogues(path, unanswered=True)
    assert dialogue.turns == TURNS[:3], "the last answer is what is asked for"
    assert rows[0]["id"] == 7


def test_whoever_begins(tmp_path):
    path = tmp_path / "a.jsonl"
    lists = [
        {"messages": said(("assistant", "Hello!"), ("user", "Hi."), ("assistant", "Well?"))},
        {"dialog": ["Hello!", "Hi.", "Well?"]},
        {"messages": said(("Anna", "Hello!"), ("Bo", "Hi."), ("Anna", "Well?"), ("Anna", "Bo?"))},
        {"messages": said(("user", "Hello!"), ("assistant", None), ("tool", "42"), ("assistant", "Hi."))},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in lists))
    dialogues = read_dialogues(path).dialogues
    assert [dialogue.replies() for dialogue in dialogues] == [[2], [1, 2], [1, 2], [1]]
    assert dialogues[2].turns == ["Hello!", "Hi.", "Well?\nBo?"]
    assert dialogues[3].turns == ["Hello!", "Hi."]
    path.write_text(json.dumps({"messages": said(("Anna", "a"), ("Bo", "b"), ("Cem", "c"))}))
    with pytest.raises(MisconfigurationException, match="more than two speak: anna, bo, cem"):
        read_dialogues(path)


QUESTIONS = pd.DataFrame(
    {"id": ["01", "02"], "question": ["Grüße; wie geht's?", 'A "b"'], "answer": ["Gut,\ndanke", "|"]}
)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.csv", lambda path: QUESTIONS.to_csv(path, index=False, sep=";")),
        ("a.csv", lambda path: QUESTIONS.to_csv(path, index=False, sep="\t")),
        ("a.csv", lambda path: QUESTIONS.to_csv(path, index=False, sep="|", encoding="utf-8-sig")),
        ("a.csv", lambda path: QUESTIONS.to_csv(path, index=False, encoding="utf-16")),
        ("a.parquet", QUESTIONS.to_parquet),
        ("a.xlsx", lambda path: QUESTIONS.to_excel(path, index=False)),
        ("a.jsonl", lambda path: QUESTIONS.rename(columns={"question": "prompt", "answer": "completion"}).to_json(
            path, orient="records", lines=True)),
        ("a.json", lambda path: QUESTIONS.rename(columns={"question": "instruction", "answer": "output"}).to_json(
            path, orient="records")),
    ],
)  # fmt: skip
def test_a_table_is_read_alike_in_every_dialect(tmp_path, name, write):
    write(tmp_path / name)
    pairs = QUESTIONS[["question", "answer"]].to_numpy().tolist()
    assert read_dialogues(tmp_path / name).dialogues == [Dialogue(pair) for pair in pairs]
    dialogues, rows = read_dialogues(tmp_path / name, unanswered=True)
    assert [dialogue.turns for dialogue in dialogues] == [pair[:1] for pair in pairs]
    assert [row["id"] for row in rows] == ["01", "02"]


def test_columns_of_other_names(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('Question ;ANSWER\n"Tea?";"No."\n')
    assert read_dialogues(path).dialogues == [Dialogue(["Tea?", "No."])]
    path.write_text("messages\n" + '"[{""role"": ""user"", ""content"": ""Tea?""}]"\n')
    assert read_dialogues(path).dialogues == [Dialogue(["Tea?"])]
    path = tmp_path / "a.jsonl"
    rows = [
        {"instruction": "Add.", "input": "1, 2", "output": "3"},
        {"instruction": "Hi.", "input": "", "output": "Ho."},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_dialogues(path).dialogues == [Dialogue(["Add.\n1, 2", "3"]), Dialogue(["Hi.", "Ho."])]
    assert read_dialogues(path, unanswered=True).dialogues[0] == Dialogue(["Add.\n1, 2"])


def test_lists_in_parquet(tmp_path):
    pd.DataFrame({"dialog": [["Hello!", "Hi."]], "act": [[1, 2]]}).to_parquet(tmp_path / "a.parquet")
    assert read_dialogues(tmp_path / "a.parquet").dialogues == [Dialogue(["Hello!", "Hi."])]


def test_faulty_rows_are_left_out_and_counted_if_asked(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"turns": ["a", "b"]}\n{"turns": [1]}\nnonsense\n{"turns": ["c", "d"]}\n')
    with pytest.warns(UserWarning, match=r"left out 2 of 4 dialogues; the first: .*a\.jsonl, line 2, `turns`"):
        assert len(read_dialogues(path, on_error="skip").dialogues) == 2
    with pytest.raises(MisconfigurationException, match=r"line 2, `turns`: a turn is 1, not text"):
        read_dialogues(path)


def test_files_of_splits(tmp_path):
    for name in ("train.csv.gz", "dev.jsonl", "other.csv"):
        (tmp_path / name).touch()
    assert find_files(tmp_path) == {"train": tmp_path / "train.csv.gz", "val": tmp_path / "dev.jsonl"}
    (tmp_path / "train.csv.gz").unlink()
    (tmp_path / "dev.jsonl").unlink()
    assert find_files(tmp_path) == {"train": tmp_path / "other.csv"}
    (tmp_path / "third.xlsx").touch()
    with pytest.raises(MisconfigurationException, match=r"no train\.jsonl .* and 2 others"):
        find_files(tmp_path)


@pytest.mark.parametrize("form", [str, lambda turns: str(tuple(turns)), lambda turns: str(np.array(turns)), json.dumps])
def test_turns_in_a_csv_may_be_a_list_of_any_program(tmp_path, form):
    turns = ["It's broken.", 'Say "help"', "A2, please."]
    pd.DataFrame([{"turns": form(turns)}] * 2).to_csv(tmp_path / "a.csv", index=False)
    assert [dialogue.turns for dialogue in read_dialogues(tmp_path / "a.csv").dialogues] == [turns, turns]


def test_files_of_splits_are_found_by_what_people_call_them(tmp_path):
    for name in ("Training.csv", "valid.jsonl", "TESTING.tsv.gz", "notes.csv"):
        (tmp_path / name).touch()
    found = {split: file.name for split, file in find_files(tmp_path).items()}
    assert found == {"train": "Training.csv", "val": "valid.jsonl", "test": "TESTING.tsv.gz"}
    (tmp_path / "test2016.csv").touch()
    with pytest.warns(UserWarning, match="left out test2016, whose names are not train, val or test alone"):
        find_files(tmp_path)
    (tmp_path / "dev.csv").touch()
    with pytest.raises(MisconfigurationException, match="dev and valid are both for the val split; keep one"):
        find_files(tmp_path)
