"""Word vectors."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torchmetrics import MeanMetric

from datamodules.types import CorpusFacts, Questions
from modules.embedding import CBOW, SkipGram, answer, right_analogies
from modules.nets.pairs import neighbours


def facts(num=12):
    return CorpusFacts(words=["", *(f"w{i}" for i in range(1, num))], word_counts=[0, *range(num, 1, -1)])


def made(kind=SkipGram, num=12, **options):
    torch.manual_seed(0)
    task = kind(size=6, window=3, segment=4, num_shared=5, **options)
    task.use(facts(num))
    task.build()
    torch.nn.init.normal_(task.inner.weight)
    torch.nn.init.normal_(task.outer.weight)
    return task


def test_loss_against_a_sum_over_pairs():
    task = made()
    words = torch.tensor([1, 2, 3, 4, 5, 0, 6, 7])
    state = torch.get_rng_state()
    total, num = task.losses(words)
    torch.set_rng_state(state)
    centres, around, near = neighbours(words, task.segment, task.window)
    negatives = task.negatives(len(centres))
    x, y = task.inner.weight, task.outer.weight
    expected, pairs = torch.zeros(()), 0
    for s, i, j in near.nonzero().tolist():
        pairs += 1
        expected = expected + F.softplus(-(x[centres[s, i]] @ y[around[s, j]]))
        for n in negatives[s]:
            expected = expected + F.softplus(x[centres[s, i]] @ y[n]) * task.num_negatives / task.num_shared
    assert num == pairs
    torch.testing.assert_close(total, expected)
    (ours,) = torch.autograd.grad(total, [x])
    (theirs,) = torch.autograd.grad(expected, [x])
    torch.testing.assert_close(ours.to_dense(), theirs)


@pytest.mark.parametrize("kind", [SkipGram, CBOW])
def test_a_frequent_word_is_moved_by_a_mean(kind):
    """Many copies of a text in one batch move a word as far as ``max_pairs`` pairs would, not more."""

    def moved(copies, max_pairs):
        task = made(kind, max_pairs=max_pairs)
        total, _ = task.losses(torch.tensor([1, 2, 3, 0] * copies))
        return torch.autograd.grad(total, [task.inner.weight])[0].to_dense().norm(dim=1)[1:4]

    assert (moved(400, 1e9) > 30 * moved(4, 1e9)).all()
    assert (moved(400, 10.0) < 3 * moved(4, 10.0)).all()
    torch.testing.assert_close(moved(1, 1e9), moved(1, 1e3))


def test_cbow_against_a_sum_over_words():
    task = made(CBOW)
    words = torch.tensor([1, 2, 3, 4, 0, 5, 0, 6])  # 5 and 6 stand alone
    state = torch.get_rng_state()
    total, num = task.losses(words)
    torch.set_rng_state(state)
    centres, around, near = neighbours(words, task.segment, task.window)
    negatives = task.negatives(len(centres))
    expected, count = torch.zeros(()), 0
    for s in range(len(centres)):
        for i in range(centres.shape[1]):
            if near[s, i].any():
                count += 1
                context = task.inner.weight[around[s, near[s, i]]].mean(0)
                expected = expected + F.softplus(-(context @ task.outer.weight[centres[s, i]]))
                scores = task.outer.weight[negatives[s]] @ context
                expected = expected + F.softplus(scores).sum() * task.num_negatives / task.num_shared
    assert num == count == 4
    torch.testing.assert_close(total, expected)


def test_negatives_follow_the_noise():
    task = made()
    drawn = task.negatives(20000).flatten().bincount(minlength=12) / 100000
    counts = torch.tensor(task.facts.word_counts, dtype=torch.double) ** 0.75
    torch.testing.assert_close(drawn.double(), counts / counts.sum(), atol=0.005, rtol=0)
    assert drawn[0] == 0


def test_words_of_the_same_company_are_near():
    # Two worlds whose words never meet: after training each word is nearest to its own.
    torch.manual_seed(0)
    task = SkipGram(size=8, window=2, num_shared=8)
    task.use(facts(11))
    task.build()
    optimizer = torch.optim.SGD(task.parameters(), lr=0.003)
    for _ in range(200):
        lines = torch.cat([torch.randint(1, 6, (40, 6)), torch.randint(6, 11, (40, 6))])[torch.randperm(80)]
        total, _ = task.losses(F.pad(lines, (0, 1)).flatten())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    task.top_k = 4
    for word, row in enumerate(task.predict_step(torch.arange(1, 11), 0), start=1):
        own = {f"w{i}" for i in (range(1, 6) if word < 6 else range(6, 11))} - {f"w{word}"}
        assert {row[f"neighbour_{rank}"] for rank in range(1, 5)} == own


def test_neighbours_of_an_unknown_word():
    row = made().predict_step(torch.tensor([0, 1]), 0)
    assert set(row[0].values()) == {""}
    assert row[1]["neighbour_1"] not in ("", "w1")


def test_analogies():
    vectors = F.normalize(
        torch.tensor([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0.1, 1], [0, 1, 1.1], [-1, 0, 0.0]]), dim=1
    )
    assert right_analogies(vectors, torch.tensor([[1, 2, 3, 4], [1, 2, 3, 5]])) == 1
    assert right_analogies(vectors, torch.zeros(0, 4, dtype=torch.long)) == 0


def test_vectors_are_of_unit_length():
    lengths = made().vectors().norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones(12).index_fill(0, torch.tensor([0]), 0))


@pytest.fixture
def corpus_run(leyden, tmp_path):
    book = tmp_path / "book.txt"
    book.write_text("the otter likes the plum\nthe heron eats a plum\n" * 200)
    config = tmp_path / "vectors.yaml"
    config.write_text(f"""
model: {{class_path: modules.embedding.SkipGram, init_args: {{size: 8}}}}
data:
  class_path: datamodules.corpus.Corpus
  init_args: {{path: {book}, batch_size: 2, block: 100, root: {Path(__file__).parents[1] / "samples"}}}
trainer:
  max_epochs: 2
  callbacks+: [experiments.callbacks.word_vectors.WordVectors]
""")
    assert leyden("fit", "--config", config) == 0
    return tmp_path / "runs" / "vectors" / "0"


def test_fit_test_predict(corpus_run, leyden):
    lines = (corpus_run / "vectors.txt").read_text().splitlines()
    assert lines[0] == "7 8"
    assert {line.split()[0] for line in lines[1:]} == {"the", "plum", "otter", "likes", "heron", "eats", "a"}
    assert leyden("test", "--ckpt_path", corpus_run) == 0
    assert leyden("predict", "--ckpt_path", corpus_run, "--data.text", "otter") == 0
    assert (corpus_run / "predictions.csv").read_text().startswith("word,neighbour_1,cosine_1")


def test_without_word_lists_the_loss_on_text_is_told(corpus_run, leyden):
    assert leyden("test", "--ckpt_path", corpus_run, "--data.word_lists", "false", "--data.root", "nowhere") == 0
    assert leyden("validate", "--ckpt_path", corpus_run) == 0
    scores = json.loads((corpus_run / "metrics.json").read_text())
    # The windows and negatives are drawn: not the same to the last digit.
    assert scores["test/loss"] == pytest.approx(scores["val/loss"], rel=0.3)
    assert "test/wordsim353" not in scores


def test_an_unknown_word_is_answered_in_a_sentence(corpus_run, leyden, capfd):
    assert leyden("predict", "--ckpt_path", corpus_run, "--data.text", "zebra") != 0
    assert "`zebra` has no vector: the text has no such word 5 times or more" in capfd.readouterr().err


def test_scores_of_unknown_words_are_undefined():
    nothing = torch.zeros(0, 2, dtype=torch.long), torch.zeros(0)
    one = torch.tensor([[1, 2]]), torch.tensor([1.0])
    questions = Questions([("wordsim353", *nothing), ("simlex999", *one)], torch.zeros(0, 4, dtype=torch.long))
    scores = answer(made().vectors(), questions)
    assert list(scores) == ["wordsim353", "simlex999", "analogies"]
    assert all(score.isnan() for score in scores.values())


@pytest.mark.parametrize("kind", [SkipGram, CBOW])
def test_the_loss_of_no_pairs_is_undefined(kind):
    """A batch without pairs does not count in the mean of a split; a split without any has no loss, and not 0."""
    task = made(kind)
    mean = MeanMetric()
    alone, together = task.step(torch.tensor([1, 0, 2, 0])), task.step(torch.tensor([1, 2, 3, 0]))
    mean.update(alone.loss, alone.size)
    assert mean.compute().isnan()
    mean.update(together.loss, together.size)
    torch.testing.assert_close(mean.compute(), together.loss.detach())


def test_scores_are_spearmans(monkeypatch):
    from torchmetrics.functional import spearman_corrcoef

    task = made()
    task.configure_model = None
    task.test_metrics = task.metrics().clone(prefix="test/")
    pairs = torch.tensor([[1, 2], [3, 4], [5, 6], [7, 8]])
    people = torch.tensor([1.0, 4.0, 2.0, 3.0])
    task.test_step(Questions([("wordsim353", pairs, people), ("simlex999", pairs, -people)], pairs.view(2, 4)), 0)
    logged = {}
    monkeypatch.setattr(task, "log_dict", lambda scores, **_: logged.update(scores))
    task.on_test_epoch_end()
    cosine = F.cosine_similarity(task.inner.weight[pairs[:, 0]], task.inner.weight[pairs[:, 1]]).detach()
    torch.testing.assert_close(logged["test/wordsim353"], spearman_corrcoef(cosine, people))
    torch.testing.assert_close(logged["test/simlex999"], -logged["test/wordsim353"])
    assert set(logged) == {"test/wordsim353", "test/simlex999", "test/analogies"}
