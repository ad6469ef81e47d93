"""Entity scores against seqeval."""

import itertools
import math
import random

import pytest
import torch
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support
from sklearn.metrics import accuracy_score
from sklearn.metrics import f1_score as sklearn_f1

from modules.metrics.entities import EntityScores, TagScores

IOB = ["O", "B-A", "I-A", "B-B", "I-B"]
BIOES = ["O", *(f"{p}-{kind}" for kind in "AB" for p in "BIES")]


def tensors(tags: list[str], preds: list[list[str]], true: list[list[str]]) -> tuple[torch.Tensor, torch.Tensor]:
    length = max(map(len, true))
    target = torch.full((len(true), length), -100)
    found = torch.randint(len(tags), (len(true), length))  # anything after the end
    for i, (ours, theirs) in enumerate(zip(preds, true, strict=True)):
        found[i, : len(ours)] = torch.tensor([tags.index(tag) for tag in ours])
        target[i, : len(theirs)] = torch.tensor([tags.index(tag) for tag in theirs])
    return found, target


def check(tags: list[str], preds: list[list[str]], true: list[list[str]]) -> None:
    scores = EntityScores(tags)
    for i in range(0, len(true), 7):
        scores.update(*tensors(tags, preds[i : i + 7], true[i : i + 7]))
    found = {name: float(value) for name, value in scores.compute().items()}
    expected = [f(true, preds, zero_division=0) for f in (precision_score, recall_score, f1_score)]
    assert list(found.values()) == pytest.approx(expected, abs=1e-7)
    entities = [{(i, *e) for i, tags in enumerate(side) for e in get_entities(tags)} for side in (preds, true)]
    assert int(scores.correct.sum()) == len(entities[0] & entities[1])
    assert (int(scores.predicted.sum()), int(scores.true.sum())) == (len(entities[0]), len(entities[1]))
    kinds = sorted({e[1] for e in entities[0] | entities[1]})
    by_type = precision_recall_fscore_support(true, preds, average=None, zero_division=0)
    for kind, *row in zip(kinds, *by_type, strict=True):
        ours = scores.by_type()[kind]
        assert [float(ours[x]) for x in ("entity_precision", "entity_recall", "entity_f1", "support")] == pytest.approx(
            row
        )


@pytest.mark.parametrize("tags", [IOB, BIOES])
def test_random_tags_ill_formed_as_they_come(tags: list[str]) -> None:
    rng = random.Random(0)
    true = [[rng.choice(tags) for _ in range(rng.randint(1, 9))] for _ in range(300)]
    preds = [[tag if rng.random() < 0.7 else rng.choice(tags) for tag in sentence] for sentence in true]
    check(tags, preds, true)


def test_all_short_sequences() -> None:
    pairs = list(itertools.product(itertools.product(IOB, repeat=2), repeat=2))
    check(IOB, [list(a) for a, _ in pairs], [list(b) for _, b in pairs])


def test_an_unseen_tag_is_an_error() -> None:
    scores = EntityScores(IOB)
    scores.update(torch.tensor([[1, 2, 0]]), torch.tensor([[1, 5, -100]]))
    found = scores.compute()
    assert [float(found[f"entity_{x}"]) for x in ("precision", "recall", "f1")] == [0, 0, 0]
    assert int(scores.true.sum()) == 2


def test_scores_of_nothing_are_undefined() -> None:
    scores = EntityScores(IOB)
    scores.update(torch.tensor([[0, 0]]), torch.tensor([[0, 0]]))
    assert all(math.isnan(value) for value in scores.compute().values())
    scores.update(torch.tensor([[0, 0]]), torch.tensor([[1, 2]]))
    found = scores.compute()
    assert math.isnan(found["entity_precision"])  # nothing was predicted
    assert (float(found["entity_recall"]), float(found["entity_f1"])) == (0, 0)


@pytest.mark.parametrize(
    ("tags", "true"),
    [
        ("B-X B-Y", 2), ("B-X I-X B-X", 2), ("I-X I-Y", 2), ("B-X I-X", 1), ("S-X S-X E-Y S-X", 4),
        ("B-X E-X B-Y E-Y", 2), ("B-X E-X I-X", 2), ("B-A B-X", 2),
    ],
)  # fmt: skip
def test_entities_of_unknown_types_count_each_by_itself(tags: str, true: int) -> None:
    assert len(get_entities(tags.split())) == true
    ids = {"A": -4} | {kind: 4 * "XY".index(kind) for kind in "XY"}  # as datamodules.tagging.examples numbers them
    target = [len(BIOES) + ids[tag[2:]] + "BIES".index(tag[0]) if tag[2:] != "A" else 1 for tag in tags.split()]
    scores = EntityScores(BIOES)
    scores.update(torch.zeros(1, len(target), dtype=torch.long), torch.tensor([target]))
    assert int(scores.true.sum()) == true
    assert int(scores.correct.sum()) == 0


def test_tag_scores_are_those_of_the_names() -> None:
    rng = random.Random(0)
    names = [*"abcdef", "new", "other", "third"]  # the last three training did not have
    true = [rng.choice([0, 1, 2, 3, 6, 7]) for _ in range(60)]  # nobody has 4, 5 and 8
    preds = [i if i < 6 and rng.random() < 0.7 else rng.randrange(5) for i in true]
    scores = TagScores(6)
    for start in range(0, 60, 20):
        target = torch.tensor([*true[start : start + 20], -100]).view(3, 7)
        scores.update(torch.tensor([*preds[start : start + 20], 2]).view(3, 7), target)
    found = scores.compute()
    words, theirs = [names[i] for i in true], [names[i] for i in preds]
    assert float(found["accuracy"]) == pytest.approx(accuracy_score(words, theirs))
    assert float(found["f1"]) == pytest.approx(sklearn_f1(words, theirs, average="macro", zero_division=0))


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_tag_scores_of_nothing_are_undefined() -> None:
    assert all(math.isnan(value) for value in TagScores(3).compute().values())
