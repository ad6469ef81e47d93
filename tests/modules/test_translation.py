import csv
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from sacrebleu.metrics import BLEU
from tokenizers import Tokenizer

from datamodules.parallel import Multi30k
from datamodules.tokens import END, PAD, Tokens
from modules.nets.seq2seq.recurrent import RecurrentSeq2Seq
from modules.nets.seq2seq.transformer import Transformer
from modules.translation import Translator, _words

SAMPLES = Path(__file__).parents[1] / "samples"


def transformer(num_source: int, num_target: int) -> Transformer:
    return Transformer(num_source, num_target, 32, 1, 2, 64, dropout=0.0)


def recurrent(num_source: int, num_target: int) -> RecurrentSeq2Seq:
    return RecurrentSeq2Seq(num_source, num_target, 32, 48, dropout=0.0)


def built(net: Any = transformer, data: dict[str, Any] | None = None, **options: Any) -> tuple[Translator, Multi30k]:
    torch.manual_seed(0)
    module = Multi30k(root=str(SAMPLES), num_tokens=400, **(data or {}))
    module.setup("fit")
    task = Translator(net, **options)
    task.use(module.facts)
    task.configure_model()
    return task, module


def test_loss_is_that_of_the_tokens_without_padding() -> None:
    task, module = built(label_smoothing=0.1)
    batch = module.datasets["train"].__getitems__([0, 1, 2, 3])
    source, target, _ = batch
    assert (target == 0).any()
    output = task.step(batch)
    logits = task.net(source, target[:, :-1])
    expected = F.cross_entropy(logits.transpose(1, 2), target[:, 1:], ignore_index=0, label_smoothing=0.1)
    torch.testing.assert_close(output.loss, expected)
    assert output.size == (target[:, 1:] != 0).sum()

    task.eval()
    batch = module.datasets["val"].__getitems__([0, 1])
    output = task.step(batch)
    logits = task.net(batch[0], batch[1][:, :-1])
    torch.testing.assert_close(output.loss, F.cross_entropy(logits.transpose(1, 2), batch[1][:, 1:], ignore_index=0))
    assert output.target == batch[2]


@pytest.mark.parametrize("net", [transformer, recurrent])
def test_learns_to_translate(net: Any) -> None:
    task, module = built(net)
    optimizer = torch.optim.AdamW(task.parameters(), lr=1e-2)
    batch = module.datasets["train"].__getitems__(range(44))
    for _ in range(60 if net is transformer else 90):
        optimizer.zero_grad()
        task.step(batch).loss.backward()
        optimizer.step()
    task.eval()
    source, _, references = module.datasets["val"].__getitems__(range(6))
    for beam_size in (1, 4):
        assert BLEU().corpus_score(task.write(source, beam_size), [references]).score > 60


def test_leyden_fits_tests_and_predicts(leyden: Callable[..., int], tmp_path: Path, capsys: Any, caplog: Any) -> None:
    config = Path(__file__).parents[2] / "configs/translation/multi30k_gru.yaml"
    small = ["--model.net.size=16", "--model.net.hidden=16", "--trainer.max_epochs=2", f"--data.root={SAMPLES}"]
    assert leyden("fit", "--config", config, *small) == 0
    run = tmp_path / "runs/multi30k_gru/0"
    assert leyden("test", "--ckpt_path", run, "--model.max_length=12") == 0
    assert "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp" in caplog.text
    scores = (run / "metrics.json").read_text()
    assert all(f'"test/{name}"' in scores for name in ("bleu", "chrf", "perplexity", "loss"))
    (tmp_path / "in.txt").write_text("A dog sleeps.\n\nMy sister sings.\n")
    assert leyden("predict", "--ckpt_path", run, "--data.predict_path", tmp_path / "in.txt") == 0
    lines = (run / "predictions.txt").read_text().split("\n")
    assert len(lines) == 4
    assert lines[1] == ""
    assert leyden("predict", "--ckpt_path", run, "--data.text", "A dog.", "--model.temperature=2") == 0
    assert len((run / "predictions.txt").read_text().splitlines()) == 1
    assert (
        leyden("predict", "--ckpt_path", run, "--data.text", "Ein Hund.", "--data.source=de", "--data.target=en") == 1
    )
    assert "translates en to de" in capsys.readouterr().err
    assert leyden("fit", "--config", config, *small, "--model.beam_size=0") == 1
    assert capsys.readouterr().err.startswith("leyden: beam_size is 0, val_beam_size 1; take at least 1")


def test_perplexity_is_the_exponential_of_the_loss_of_a_token(tmp_path: Path) -> None:
    task, module = built()
    trainer = Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, default_root_dir=tmp_path)
    (scores,) = trainer.validate(task, module, verbose=False)
    task.eval()
    steps = [task.step(module.datasets["val"].__getitems__([index])) for index in range(6)]
    losses = [output.loss.item() * int(output.size) for output in steps]
    mean = sum(losses) / sum(int(output.size) for output in steps)
    assert scores["val/perplexity"] == pytest.approx(math.exp(mean), rel=1e-5)
    task, _ = built(distinct=True)
    more = dict.fromkeys(("val/bleu", "val/chrf", "val/distinct_1", "val/distinct_2"), True)
    assert task.directions == more | {"val/loss": False, "val/perplexity": False}


def test_targets_end_where_they_must_and_an_empty_source_stays_empty() -> None:
    task, _ = built()
    source = torch.tensor([[50, 60, 3], [3, 0, 0]])
    for options in ({"beam_size": 3}, {"beam_size": 1}):
        texts = task.eval().write(source, **options)
        assert texts[0] != ""
        assert texts[1] == ""
    task.max_length = 1
    assert len(task.write(source, 1)[0]) <= len(task.write(source, 3)[0] + "longest word of all")
    task.max_length = 0


def test_validation_takes_the_best_tokens_and_a_test_what_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    task, module = built(beam_size=4, temperature=0.7, top_k=9, top_p=0.8)
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(task, "write", lambda source, *how: asked.append(how) or ["a"] * len(source))
    for testing in (False, True):
        task._trainer = SimpleNamespace(testing=testing)
        task.eval().step(module.datasets["val"].__getitems__([0]))
    task.predict_step(module.datasets["val"].__getitems__([0]), 0)
    assert asked[0] == (1,)
    for beam_size, sampling in asked[1:]:
        assert (beam_size, sampling.temperature, sampling.top_k, sampling.top_p) == (4, 0.7, 9, 0.8)
    assert len(asked) == 3


def test_a_text_is_one_line_for_every_program(monkeypatch: pytest.MonkeyPatch) -> None:
    task, _ = built()

    class Decoder:
        def decode_batch(self, ids: list[list[int]]) -> list[str]:
            return [" a\nb\u2028c\rd\x85e\x0bf \n"]

    monkeypatch.setattr(task, "target_tokens", Decoder())
    assert task.write(torch.tensor([[50, 3]])) == ["a b c d e f"]


def test_attention_of_words() -> None:
    task, module = built()
    source, target, references = module.datasets["val"].__getitems__([0, 1])
    for (read, written, weights), row, reference in zip(
        task.attention(source, target), source, references, strict=True
    ):
        assert " ".join(written) == f"{reference} <end>"
        assert " ".join(read) == f"{task.source_tokens.decode(row.tolist()).strip()} <end>"
        assert weights.shape == (len(written), len(read))
        torch.testing.assert_close(weights.sum(1), torch.ones(len(written)))


def test_marks_of_speakers_are_words() -> None:
    tokens = Tokens.learn(["Hello there! Hi."] * 9, "bpe", 300, lowercase=False, special=("<you>", "<me>"))
    ids = [i for text in ("<me>", "Hello there!", "<you>", "Hi.") for i in tokens.encode([text])[0]]
    words, owners = _words(Tokenizer.from_str(tokens.json), [*ids, END, PAD])
    assert words == ["<me>", "Hello", "there!", "<you>", "Hi.", "<end>"]
    assert owners == sorted(owners)
    assert len(owners) == len(ids) + 1


def test_a_vocabulary_each_cannot_have_one_embedding() -> None:
    def tied(num_source: int, num_target: int) -> Transformer:
        return Transformer(400, 400, 32, 1, 2, 64, tied="all")

    with pytest.raises(MisconfigurationException, match="a vocabulary that both languages share"):
        built(tied, {"joint": False})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_size": 0}, "beam_size is 0, val_beam_size 1; take at least 1"),
        ({"temperature": 1.0, "top_p": 2.0}, "top_p is 2.0; it must be above 0 and at most 1"),
        ({"temperature": 1.0, "top_k": 0}, "top_k is 0; it must be at least 1"),
        ({"temperature": 1.0, "top_k": -3}, "top_k is -3; it must be at least 1"),
        ({"temperature": -1.0}, "temperature is -1.0; it must be above 0"),
        ({"temperature": math.nan}, "temperature is nan; it must be above 0"),
        ({"temperature": math.inf}, "temperature is inf; it must be above 0, and finite"),
        ({"top_k": 5}, "top_k and top_p are for drawing by chance"),
        ({"top_p": 0.9}, "top_k and top_p are for drawing by chance"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0"),
        ({"label_smoothing": -0.1}, "label_smoothing is -0.1"),
        ({"length_penalty": math.nan}, "length_penalty is nan"),
        ({"max_length": 0}, "max_length is 0; it must be at least 1"),
    ],
)
def test_options_out_of_range_or_without_effect_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(MisconfigurationException, match=message):
        Translator(transformer, **options)


@pytest.mark.parametrize("net", [transformer, recurrent])
def test_neither_texts_nor_losses_depend_on_the_neighbours(net: Any) -> None:
    task, module = built(net)
    for parameter in task.net.parameters():
        torch.nn.init.normal_(parameter, std=0.3)  # untrained ones are all but indifferent
    examples, shuffled = module.datasets["train"], torch.randperm(40).tolist()
    task.eval()
    for beam_size in (1, 4):
        alone = {index: task.write(examples.source.pad([index]), beam_size)[0] for index in range(40)}
        together: dict[int, str] = {}
        for first in range(0, 40, 8):
            indices = shuffled[first : first + 8]
            together |= zip(indices, task.write(examples.source.pad(indices), beam_size), strict=True)
        assert together == alone
        assert len(set(alone.values())) > 5
    losses = [task.train(False).net(*examples.__getitems__([index])[:2]) for index in (3, 5)]
    both = task.net(*examples.__getitems__([3, 5])[:2])
    for row, logits in enumerate(losses):
        torch.testing.assert_close(both[row, : logits.shape[1]], logits[0], rtol=1e-5, atol=1e-5)


def test_odd_lines_get_a_line_each(leyden: Callable[..., int], tmp_path: Path) -> None:
    config = Path(__file__).parents[2] / "configs/translation/multi30k_gru.yaml"
    small = ["--model.net.size=16", "--model.net.hidden=16", "--trainer.max_epochs=1", f"--data.root={SAMPLES}"]
    assert leyden("fit", "--config", config, *small, "--trainer.limit_val_batches=1") == 0
    run, lines = (
        tmp_path / "runs/multi30k_gru/0",
        ["", "  ", "🐶", "\0", "\x0b", "a\u2028b", "<pad> <eos>", "ß" * 3000, "!"],
    )
    (tmp_path / "odd.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    assert leyden("predict", "--ckpt_path", run, "--data.predict_path", tmp_path / "odd.txt") == 0
    text = (run / "predictions.txt").read_text(encoding="utf-8")
    assert text.count("\n") == len(text.splitlines()) == len(lines)
    assert text.startswith("\n\n"), "blank lines stay blank"
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        assert [row["source"] for row in csv.DictReader(file)] == lines


def test_sentences_of_a_table_keep_its_columns(leyden: Callable[..., int], tmp_path: Path) -> None:
    config = Path(__file__).parents[2] / "configs/translation/multi30k_gru.yaml"
    small = ["--model.net.size=16", "--model.net.hidden=16", "--trainer.max_epochs=1", f"--data.root={SAMPLES}"]
    assert leyden("fit", "--config", config, *small, "--trainer.limit_val_batches=1") == 0
    run = tmp_path / "runs/multi30k_gru/0"
    (tmp_path / "in.csv").write_text("ticket;en;shop\n007;A dog, asleep.;s1\n010;A cat.;s2\n")
    assert leyden("predict", "--ckpt_path", run, "--data.predict_path", tmp_path / "in.csv", "--data.batch_size=1") == 0
    with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [list(row.values())[:3] for row in rows] == [["007", "A dog, asleep.", "s1"], ["010", "A cat.", "s2"]]
    assert [row["translation"] for row in rows] == (run / "predictions.txt").read_text().splitlines()
