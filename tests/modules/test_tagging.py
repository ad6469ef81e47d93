"""Taggers through the program: train, test, predict, and what goes wrong."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from datamodules.sampling import BatchIndices
from datamodules.tagging.conll import Sentence
from datamodules.tagging.examples import PieceSentences, WordSentences
from datamodules.tokens import Tokens
from datamodules.types import Batch, TaggingFacts
from experiments import load
from modules.nets.tagging import BiLSTMTagger, PretrainedTagger
from modules.tagging import HMMTagger, Tagger

Leyden = Callable[..., int]
ROOT = Path(__file__).resolve().parents[2]
SAMPLES, CONFIGS = ROOT / "tests" / "samples", ROOT / "configs"
TINY = str(SAMPLES / "sentence-transformers" / "all-MiniLM-L6-v2")
SMALL = [
    "--model.net.init_args.word_size=16", "--model.net.init_args.hidden=16", "--model.net.init_args.char_filters=8",
    "--model.net.init_args.dropout=0.1", "--model.optimizer.init_args.lr=0.03", "--trainer.max_epochs=20",
    "--data.batch_size=8", "--trainer.precision=32-true", "--trainer.enable_model_summary=false",
]  # fmt: skip


def fit(leyden: Leyden, config: str, *words: object) -> Path:
    assert leyden("fit", "--config", CONFIGS / f"{config}.yaml", "--data.root", SAMPLES, *words) == 0
    return Path("runs") / Path(config).name / "0"


def scores(leyden: Leyden, run: Path) -> dict[str, float]:
    assert leyden("test", "--ckpt_path", run) == 0
    found: dict[str, float] = json.loads((run / "metrics.json").read_text())
    return found


def test_bilstm_crf_learns_entities_and_predicts_text(leyden: Leyden, tmp_path: Path) -> None:
    run = fit(leyden, "tagging/wnut17_bilstm_crf", *SMALL)
    found = scores(leyden, run)
    assert found["test/entity_f1"] > 0.8
    assert found["test/accuracy"] > 0.9
    text = tmp_path / "text.txt"
    text.write_text("Anna lives in Oud Rijn .\nwatching FC Canal\n")
    assert leyden("predict", "--ckpt_path", run, "--data.predict_path", text) == 0
    blocks = (run / "predictions.conll").read_text().split("\n\n")[:-1]
    rows = [[line.split("\t") for line in block.splitlines()] for block in blocks]
    assert [[word for word, *_ in block] for block in rows] == [
        ["Anna", "lives", "in", "Oud", "Rijn", "."],
        ["watching", "FC", "Canal"],
    ]
    assert [tag for _, tag, _ in rows[0]] == ["B-person", "O", "O", "B-location", "I-location", "O"]
    assert all(0 < float(p) <= 1 for block in rows for *_, p in block)


def test_softmax_reads_iob1_and_columns_without_tags(leyden: Leyden, tmp_path: Path) -> None:
    run = fit(leyden, "tagging/conll2003_bilstm_crf", *SMALL, "--model.head=softmax")
    assert scores(leyden, run)["test/entity_f1"] > 0.8
    columns = tmp_path / "columns.conll"
    columns.write_text("Peter\nlives\nin\nLeiden\n\nFC\n")
    assert leyden("predict", "--ckpt_path", run, "--data.predict_path", columns) == 0
    lines = (run / "predictions.conll").read_text().splitlines()
    assert [line.split("\t")[0] for line in lines] == ["Peter", "lives", "in", "Leiden", "", "FC", ""]
    assert lines[3].split("\t")[1] == "B-LOC"


LONG = "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch"
NEIGHBOURS = [
    "Anna left", "Bo", f"so {LONG} it is", "Anna lives in Rome", "x", "\u200b \U0001f600 \x00", "a b c d e f g h i j k",
    "incontrovertibly so", LONG, "Rome",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["crf", "softmax", "pretrained", "hmm1", "hmm2"])
def test_predictions_do_not_depend_on_the_batch(kind: str) -> None:
    torch.manual_seed(0)
    words = sorted({word for text in NEIGHBOURS[:5] for word in text.split()} - {LONG})
    facts = TaggingFacts(
        tags=["O", "B-X", "I-X"], scheme="IOB2", words=words, word_counts=[1] * len(words), shapes=["x", "Xx"],
        chars=sorted(set("".join(words))), tokenizer=Tokens.pretrained(TINY).json if kind == "pretrained" else "",
    )  # fmt: skip
    task: Tagger | HMMTagger
    if kind.startswith("hmm"):
        task = HMMTagger(order=2 if kind == "hmm2" else 1)
    elif kind == "pretrained":
        task = Tagger(lambda facts: PretrainedTagger(facts, TINY, char_filters=8, char_widths=(2, 3), shape_size=4))
    else:
        net = {"num_layers": 2, "char_widths": (2, 3)}
        task = Tagger(lambda facts: BiLSTMTagger(facts, **net), head="crf" if kind == "crf" else "softmax")
    task.use(facts)
    task.configure_model()
    sentences = [Sentence(text.split(), [], f"text:{i}") for i, text in enumerate(NEIGHBOURS)]
    examples = (PieceSentences if kind == "pretrained" else WordSentences)(sentences, facts)
    if isinstance(task, HMMTagger):
        target = torch.randint(3, (len(sentences), 11))
        inputs = examples.inputs(BatchIndices(range(len(sentences))))
        task.net.add(*task.net.count(inputs.words, target))
    else:  # a positive bias shows where padding takes part
        for convolution in [module for module in task.modules() if isinstance(module, nn.Conv1d)]:
            nn.init.uniform_(convolution.bias, 0.0, 2.0)
    task.eval()

    def predicted(indices: list[int]) -> list[dict[str, Any]]:
        with torch.inference_mode():
            return task.predict_step(examples.__getitems__(BatchIndices(indices)), 0)

    alone = [predicted([i])[0] for i in range(len(sentences))]
    for batch in ([0, 1, 2, 3, 4, 5, 6, 7], [8, 3, 1, 9, 6, 0, 5, 2], [2, 0], [4, 8]):
        for i, row in zip(batch, predicted(batch), strict=True):
            assert row["tags"] == alone[i]["tags"]
            assert row["probabilities"] == pytest.approx(alone[i]["probabilities"], abs=1e-5)


def test_outside_bias_shifts_o_when_decoding_but_not_the_loss() -> None:
    torch.manual_seed(0)
    emissions, target = torch.randn(5, 7, 3), torch.randint(3, (5, 7))
    shifted = emissions - torch.tensor([2.0, 0, 0])
    steps = {}
    for bias in (0.0, -2.0):
        task = Tagger(lambda *_: nn.Identity(), head="softmax", outside_bias=bias).eval()
        task.tags, task.net = ["O", "B-x", "I-x"], nn.Identity()
        steps[bias] = task.step(Batch(emissions, target))
    torch.testing.assert_close(steps[0.0].preds, emissions.argmax(2))
    torch.testing.assert_close(steps[-2.0].preds, shifted.argmax(2))
    torch.testing.assert_close(steps[0.0].loss, steps[-2.0].loss)


def test_outside_bias_is_an_option_of_a_trained_run(leyden: Leyden, tmp_path: Path) -> None:
    run = fit(leyden, "tagging/wnut17_bilstm_crf", *SMALL)
    text = tmp_path / "text.txt"
    text.write_text("Anna lives in Oud Rijn .\nwatching FC Canal\n")
    found = {}
    for bias in (0.0, -100.0, 100.0):
        words = ("predict", "--ckpt_path", run, "--data.predict_path", text, f"--model.outside_bias={bias}")
        assert leyden(*words) == 0
        lines = (run / "predictions.conll").read_text().split("\n")
        found[bias] = sum(line.split("\t")[1] != "O" for line in lines if line)
    assert found[100.0] == 0 < found[0.0] < found[-100.0] == 9


def test_outside_bias_wants_chunks(leyden: Leyden, capsys: pytest.CaptureFixture[str]) -> None:
    words = (
        "fit",
        "--config",
        CONFIGS / "tagging" / "ewt_bilstm_crf.yaml",
        "--data.root",
        SAMPLES,
        "--model.outside_bias=-1",
    )
    assert leyden(*words) == 1
    assert "outside_bias is for tags that mark chunks" in capsys.readouterr().err


def test_own_columns_without_a_test_file(leyden: Leyden) -> None:
    run = fit(leyden, "own/tagging", *SMALL, "--data.path", SAMPLES / "tagged")
    _, data = load(run)
    assert data.facts.scheme == "BIOES"
    assert set(data.facts.tags) == {"O", *(f"{p}-{kind}" for kind in ("PER", "LOC", "ORG") for p in "BIES")}
    assert "test/entity_f1" in scores(leyden, run)


def test_tables_of_tokens_in_and_out(leyden: Leyden, tmp_path: Path) -> None:
    table = tmp_path / "train.csv"
    rows = ["1;Anna;B-PER", "1;lives;O", "2;Leiden;B-LOC", "2;sleeps;O"] * 30
    table.write_text("sentence_id;token;tag\n" + "\n".join(rows) + "\n")
    run = fit(leyden, "own/tagging", *SMALL, "--data.path", table)
    assert scores(leyden, run)["test/entity_f1"] > 0.9
    new = tmp_path / "new.jsonl"
    new.write_text('{"id": "007", "tokens": ["Anna", "sleeps"]}\n')
    assert leyden("predict", "--ckpt_path", run, "--data.predict_path", new) == 0
    row = json.loads((run / "predictions.jsonl").read_text())
    assert (row["id"], row["tokens"], row["prediction"]) == ("007", ["Anna", "sleeps"], ["B-PER", "O"])


def test_hmm_counts_without_an_optimizer(leyden: Leyden, tmp_path: Path) -> None:
    run = fit(leyden, "tagging/ewt_hmm")
    content = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)
    assert not any(content["optimizer_states"])
    found = scores(leyden, run)
    assert found["test/accuracy"] > 0.95
    assert leyden("test", "--ckpt_path", run, "--model.decoding=posterior") == 0
    text = tmp_path / "text.txt"
    text.write_text("The zebra sees Wim .\n")
    assert leyden("predict", "--ckpt_path", run, "--data.predict_path", text) == 0
    tags = [line.split("\t")[1] for line in (run / "predictions.conll").read_text().splitlines()[:-1]]
    assert tags == ["DET", "NOUN", "VERB", "PROPN", "PUNCT"]


@pytest.mark.parametrize(
    ("files", "words", "message"),
    [
        ({"train.conll": "a O\nb\n"}, [], "train.conll:2: 1 column"),
        ({"train.conll": ""}, [], "train.conll is empty"),
        ({"other.conll": "a O\n"}, [], "there is no file that starts with train"),
        (
            {"train.conll": "a B-A\nb I-A\n\nc I-A\n", "val": "a O", "test": "a O"},
            [],
            "train.conll:4, word 1 'c' is tagged I-A",
        ),
        (
            {"train.conll": "a O\nb B-A\n\nc B-A\nd I-A\n", "dev.conll": "a I-A\n", "test.conll": "a O\n"},
            [],
            "dev.conll:1",
        ),
        ({"train.conll": "a O\n" * 3}, ["--data.target=upos"], "columns of .*train.conll have numbers, not names"),
    ],
)
def test_bad_files_are_told_in_one_sentence(
    leyden: Leyden,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    files: dict[str, str],
    words: list[str],
    message: str,
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    assert leyden("fit", "--config", CONFIGS / "own" / "tagging.yaml", "--data.path", folder, *words) == 1
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert "Traceback" not in error


def test_an_unseen_tag_at_test_is_named_and_an_error(leyden: Leyden, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "train.conll").write_text("a X\nb Y\n\n" * 20)
    (folder / "dev.conll").write_text("a X\nb Y\n")
    (folder / "test.conll").write_text("a X\nb Y\n\na Z\nb Y\n")
    run = fit(leyden, "own/tagging", "--data.path", folder, *SMALL)
    with pytest.warns(UserWarning, match=r"tags that training did not have count as errors: Z \(1x\)"):
        assert scores(leyden, run)["test/accuracy"] == 0.75


def test_a_sentence_of_2000_words(leyden: Leyden, tmp_path: Path) -> None:
    run = fit(leyden, "tagging/wnut17_bilstm_crf", *SMALL[:3], "--trainer.max_epochs=1", "--trainer.precision=32-true")
    text = tmp_path / "long.txt"
    text.write_text("watching Anna " * 1000 + "\nAnna\n")
    assert leyden("predict", "--ckpt_path", run, "--data.predict_path", text) == 0
    assert len((run / "predictions.conll").read_text().splitlines()) == 2003
