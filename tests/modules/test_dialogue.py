"""Selection of replies, and the scores of dialogues."""

import csv
import json
import math
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch import Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from datamodules.types import ChoiceBatch, ChoiceFacts, PairFacts
from modules.dialogue import ResponseSelector
from modules.metrics import Distinct, Ranking
from modules.nets.text import SentenceLSTM

FACTS = ChoiceFacts(
    tokenizer="", num_tokens=20, replies=["a", "b", "c", "d"], reply_tokens=[[5, 6], [7], [8, 9, 10], [11]]
)


class Bag(nn.Module):
    def __init__(self, num_inputs, num_features):
        super().__init__()
        self.embedding = nn.EmbeddingBag(num_inputs, num_features, mode="mean", padding_idx=0)

    def forward(self, tokens):
        return self.embedding(tokens)


def selector(**options):
    torch.manual_seed(0)
    task = ResponseSelector(Bag, size=8, **options)
    task.use(FACTS)
    task.configure_model()
    return task


CONTEXTS = torch.tensor([[4, 5, 0, 0], [6, 7, 8, 0], [9, 0, 0, 0]])
REPLIES = torch.tensor([[5, 6, 0], [7, 0, 0], [5, 6, 0]])


def test_vectors_do_not_depend_on_the_order_or_the_padding():
    task = selector()
    task.CHUNK = 2
    vectors = task(CONTEXTS)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(3))
    for row, vector in zip(CONTEXTS, vectors, strict=True):
        assert torch.allclose(task(row[row > 0][None])[0], vector)
    torch.testing.assert_close(vectors, F.normalize(task.net(CONTEXTS), dim=1))


def test_replies_of_a_batch_compete_unless_they_are_the_same():
    task = selector(scale=5.0)
    loss = task.step(ChoiceBatch(CONTEXTS, REPLIES, None)).loss
    c, r = task(CONTEXTS), task(REPLIES)
    score = [[float((5 * c[i] @ r[j]).detach()) for j in range(3)] for i in range(3)]
    losses = []
    for i, others in ((0, [1]), (1, [0, 2]), (2, [1])):  # the first and the third reply are the same
        total = torch.tensor([score[i][j] for j in [i, *others]]).logsumexp(0)
        losses.append(total - score[i][i])
    assert torch.allclose(loss, torch.stack(losses).mean())


def test_candidates_are_scored():
    task = selector(scale=5.0).eval()
    candidates = torch.tensor([[1, 0], [0, 1], [2, 1]])
    step = task.step(ChoiceBatch(CONTEXTS, REPLIES, candidates))
    c, r = task(CONTEXTS), task(REPLIES)
    expected = torch.tensor(
        [[float((5 * c[i] @ r[j]).detach()) for j in row] for i, row in enumerate(candidates.tolist())]
    )
    torch.testing.assert_close(step.preds, expected)
    assert step.target.tolist() == [0, 0, 0]
    assert step.size == 3
    assert torch.allclose(step.loss, (expected.logsumexp(1) - expected[:, 0]).mean())


def test_predictions_are_the_nearest_replies():
    task = selector(top_k=2).eval()
    rows = task.predict_step(ChoiceBatch(CONTEXTS, None, None), 0)
    index = torch.cat([task(torch.tensor([ids])) for ids in FACTS.reply_tokens])
    cosines = task(CONTEXTS) @ index.T
    for row, scores in zip(rows, cosines, strict=True):
        order = scores.argsort(descending=True).tolist()
        assert list(row) == ["reply", "score", "reply_2", "score_2"]
        assert [row["reply"], row["reply_2"]] == [FACTS.replies[i] for i in order[:2]]
        assert row["score"] == pytest.approx(float(scores[order[0]]), abs=1e-4)


def test_index_follows_the_weights():
    task = selector().eval()
    before = task.predict_step(ChoiceBatch(CONTEXTS, None, None), 0)
    with torch.no_grad():
        task.net.embedding.weight.copy_(torch.randn(20, 8))
    task.trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    task.on_fit_start()
    assert task.predict_step(ChoiceBatch(CONTEXTS, None, None), 0) != before
    assert not any("index" in name for name in task.state_dict())
    assert task.directions == dict.fromkeys(("val/recall_at_1", "val/recall_at_5", "val/mrr"), True) | {
        "val/loss": False
    }


def test_temperature_draws_from_the_softmax():
    task = selector(temperature=2.0, scale=4.0, top_k=1).eval()
    torch.manual_seed(0)
    many = CONTEXTS[:1].expand(4000, -1)
    drawn = [row["reply"] for row in task.predict_step(ChoiceBatch(many, None, None), 0)]
    index = torch.cat([task(torch.tensor([ids])) for ids in FACTS.reply_tokens])
    expected = (4.0 / 2.0 * task(CONTEXTS[:1]) @ index.T).softmax(1)[0]
    for reply, probability in zip(FACTS.replies, expected.tolist(), strict=True):
        assert drawn.count(reply) / 4000 == pytest.approx(probability, abs=0.03)


def test_data_without_candidates():
    pairs = PairFacts(source_tokenizer="", target_tokenizer="", num_source_tokens=9, num_target_tokens=9)
    with pytest.raises(MisconfigurationException, match="candidates 10"):
        ResponseSelector(Bag).use(pairs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": 0}, "top_k is 0; it must be at least 1"),
        ({"top_k": -1}, "top_k is -1"),
        ({"size": 0}, "size is 0"),
        ({"scale": 0.0}, "scale is 0.0"),
        ({"temperature": -1.0}, "temperature is -1.0; it must be at least 0"),
        ({"temperature": math.nan}, "temperature is nan"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(MisconfigurationException, match=message):
        ResponseSelector(Bag, **options)


THINGS = ("tea", "rice", "milk", "cake", "soup", "fish")
TALKS = [[f"Do you like {x}?", f"Yes, I like {x}.", f"Then have {x}."] for x in THINGS]


@pytest.fixture
def config(tmp_path):
    for split in ("train", "val", "test"):
        lines = "".join(json.dumps({"turns": turns}) + "\n" for turns in TALKS)
        (tmp_path / f"{split}.jsonl").write_text(lines)
    path = tmp_path / "talks.yaml"
    path.write_text(
        f"""
model:
  class_path: modules.dialogue.ResponseSelector
  init_args:
    net: {{class_path: modules.nets.text.SentenceLSTM, init_args: {{size: 16, hidden: 16}}}}
    size: 16
    optimizer: {{class_path: torch.optim.AdamW, init_args: {{lr: 0.02}}}}
data:
  class_path: datamodules.dialogue.DialogueText
  init_args: {{path: {tmp_path}, candidates: 6, num_tokens: 300, batch_size: 12}}
trainer: {{max_epochs: 15, enable_model_summary: false}}
checkpoint: {{monitor: val/recall_at_1, mode: max}}
"""
    )
    return path


def test_selection_learns_is_tested_and_predicts(leyden, config, tmp_path):
    assert leyden("fit", "--config", config) == 0
    run = tmp_path / "runs" / "talks" / "0"
    assert leyden("test", "--ckpt_path", run) == 0
    scores = json.loads((run / "metrics.json").read_text())
    assert scores["test/recall_at_1"] > 0.9
    names = ("loss", "recall_at_1", "recall_at_5", "mrr")  # validation by fit, of its best checkpoint
    assert set(scores) == {f"{split}/{name}" for split in ("val", "test") for name in names}
    (tmp_path / "open.jsonl").write_text('{"turns": ["Do you like milk?"]}\n{"turns": ["Do you like rice?"]}\n')
    assert leyden("predict", "--ckpt_path", run, "--data.predict_path", tmp_path / "open.jsonl") == 0
    rows = [json.loads(line) for line in (run / "predictions.jsonl").read_text().splitlines()]
    assert [row["turns"] for row in rows] == [["Do you like milk?"], ["Do you like rice?"]]
    assert "milk" in rows[0]["reply"]
    assert "rice" in rows[1]["reply"]


def test_odd_lines_and_columns_are_answered(leyden, config, tmp_path):
    assert leyden("fit", "--config", config, "--trainer.max_epochs=1") == 0
    run, lines = tmp_path / "runs" / "talks" / "0", ["", "  ", "🐶", "\0", "\u2028", "<me> <eos>", "x" * 5000]
    (tmp_path / "odd.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    for batch_size in (1, 8):
        odd = ["--data.predict_path", tmp_path / "odd.txt", f"--data.batch_size={batch_size}"]
        assert leyden("predict", "--ckpt_path", run, *odd) == 0
        with (run / "predictions.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["text"] for row in rows] == lines
        assert all(row["reply"] for row in rows)
    (tmp_path / "in.csv").write_text("ticket|question|shop\n007|Tea, please?|s1\n")
    assert leyden("predict", "--ckpt_path", run, "--data.predict_path", tmp_path / "in.csv") == 0
    (row,) = csv.DictReader((run / "predictions.csv").read_text().splitlines())
    assert list(row.values())[:3] == ["007", "Tea, please?", "s1"]


def _score(rank, folder):
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=3)
    metric, ranking = Distinct(), Ranking()
    if rank < 2:  # the third process has no texts
        metric.update([["no tea no"], ["no milk", "no tea"]][rank])
        ranking.update(torch.eye(2)[: 2 - rank], torch.tensor([0, rank])[: 2 - rank])
    found = {name: float(value) for name, value in (metric.compute() | ranking.compute()).items()}
    (folder / f"{rank}.json").write_text(json.dumps(found))
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_scores_of_three_processes_are_those_of_one(tmp_path):
    torch.multiprocessing.spawn(_score, (tmp_path,), nprocs=3)
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(3)]
    metric = Distinct()
    metric.update(["no tea no", "no milk", "no tea"])
    one = {name: float(value) for name, value in metric.compute().items()}
    assert found[0] == found[1] == found[2]
    assert found[0] == pytest.approx({**one, "recall_at_1": 2 / 3, "recall_at_5": 1, "mrr": (1 + 0.5 + 1) / 3})


def test_scores_do_not_depend_on_the_neighbours():
    torch.manual_seed(0)
    task = ResponseSelector(partial(SentenceLSTM, size=8, hidden=6), size=8)
    task.use(FACTS)
    task.configure_model()
    task.eval()
    texts = [torch.randint(4, 20, (length,)) for length in (1, 30, 2, 7, 3, 19, 1, 12)]
    together = task(pad_sequence(texts, batch_first=True))
    for text, vector in zip(texts, together, strict=True):
        torch.testing.assert_close(task(text[None])[0], vector, rtol=1e-5, atol=1e-5)
    assert task.predict_step(ChoiceBatch(texts[3][None], None, None), 0) == [
        task.predict_step(ChoiceBatch(pad_sequence(texts, batch_first=True), None, None), 0)[3]
    ]
