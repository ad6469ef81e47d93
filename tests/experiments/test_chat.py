"""``leyden chat``."""

import io
import json
import sys

import pytest

from experiments.chat import Chat
from experiments.program import main
from modules.translation import Translator

SELECT = """
model:
  class_path: modules.dialogue.ResponseSelector
  init_args:
    net: {class_path: modules.nets.text.SentenceLSTM, init_args: {size: 8, hidden: 8}}
    size: 8
data: {class_path: datamodules.dialogue.DialogueText, init_args: {path: PATH, candidates: 2, num_tokens: 300}}
"""
WRITE = """
model:
  class_path: modules.translation.Translator
  init_args:
    net: {class_path: modules.nets.seq2seq.RecurrentSeq2Seq, init_args: {size: 8, hidden: 8, tied: all}}
    max_length: 5
    distinct: true
    temperature: 0.5
    top_k: 3
data: {class_path: datamodules.dialogue.DialogueText, init_args: {path: PATH, num_tokens: 300}}
"""


@pytest.fixture(params=[SELECT, WRITE], ids=["select", "write"])
def run(request, leyden, tmp_path):
    for split in ("train", "val", "test"):
        lines = "".join(json.dumps({"turns": [f"{i}?", f"No, {i}.", "Oh."]}) + "\n" for i in range(4))
        (tmp_path / f"{split}.jsonl").write_text(lines)
    config = tmp_path / "talk.yaml"
    config.write_text(request.param.replace("PATH", str(tmp_path)))
    assert leyden("fit", "--config", config, "--trainer.max_epochs=1", "--trainer.enable_model_summary=false") == 0
    return tmp_path / "runs" / "talk" / "0"


class Pipe(io.StringIO):
    """Standard input as a pipe."""

    def __init__(self, content):
        super().__init__()
        self.buffer = io.BytesIO(content)


def test_a_pipe_gets_a_line_for_each_line(run, monkeypatch, capsys):
    capsys.readouterr()
    monkeypatch.setattr(sys, "stdin", Pipe("1?\n\nÇa va?\r\n2?".encode()))
    assert main(["chat", "--ckpt_path", str(run), "--temperature", "0.8"]) == 0
    replies = capsys.readouterr().out.split("\n")
    assert len(replies) == 5
    assert replies[1] == replies[4] == ""


def test_chat_remembers_what_was_said(run):
    chat = Chat(run)
    first = chat.reply("1?")
    assert chat.turns == ["1?", first]
    second = chat.reply("2?")
    assert chat.turns == ["1?", first, "2?", second]
    chat.forget()
    assert chat.reply("1?") == first  # at temperature 0 the same is said again


def test_chance_is_that_of_the_run_but_for_the_temperature(run):
    task = Chat(run, 0.8).task
    if isinstance(task, Translator):
        assert (task.sampling.temperature, task.sampling.top_k, task.sampling.top_p) == (0.8, 3, 1.0)
        assert Chat(run).task.sampling is None
    else:
        assert (task.temperature, Chat(run).task.temperature) == (0.8, 0)


def test_bad_input_is_told(run, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", Pipe(b"1?\n\xff\n"))
    assert main(["chat", "--ckpt_path", str(run)]) == 1
    assert "line 2 of the input is not UTF-8" in capsys.readouterr().err
    assert main(["chat", "--ckpt_path", str(run), "--temperature", "-1"]) == 1
    assert "--temperature is -1.0" in capsys.readouterr().err
    assert main(["chat", "--ckpt_path", "nowhere"]) == 1
    assert "nowhere" in capsys.readouterr().err


def test_only_dialogues_can_be_talked_to(leyden, digits, tmp_path, capsys):
    assert leyden("fit", "--config", digits, "--trainer.max_epochs=1") == 0
    assert main(["chat", "--ckpt_path", str(tmp_path / "runs" / "digits" / "0")]) == 1
    assert "is a Classifier of Digits; to chat, train on dialogues" in capsys.readouterr().err
