"""What a tagger shows in TensorBoard."""

from collections.abc import Callable
from pathlib import Path

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from datamodules.types import WordTokens
from experiments.callbacks.figures.tagging import by_kind, sentences, tag_rows

ROOT = Path(__file__).resolve().parents[4]


def test_everything_is_drawn(leyden: Callable[..., int]) -> None:
    config = ROOT / "configs" / "tagging" / "ewt_hmm.yaml"
    assert leyden("fit", "--config", config, "--data.root", ROOT / "tests" / "samples", "--figures=true") == 0
    board = EventAccumulator("runs/ewt_hmm/0")
    board.Reload()
    assert {"val/confusion_matrix", "val/transitions"} <= set(board.Tags()["images"])
    texts = {tag.removesuffix("/text_summary") for tag in board.Tags()["tensors"]}
    assert {"val/tags", "val/sentences"} <= texts
    shown = board.Tensors("val/sentences/text_summary")[-1].tensor_proto.string_val[0].decode()
    assert "`VERB`" in shown


def test_a_wrong_tag_is_marked() -> None:
    inputs = WordTokens(
        torch.tensor([[2, 3]]), torch.tensor([[2, 2]]), torch.tensor([[1, 2]]), torch.tensor([[0], [2], [3]])
    )
    found = sentences(inputs, torch.tensor([[0, 1]]), torch.tensor([[0, 0]]), ["X", "Y"], ["a", "*"])
    assert found == [(1, "a `X` \\* `X` **not Y**")]


def test_confusions_of_entities_are_by_kind() -> None:
    tags = ["O", "B-LOC", "I-LOC", "B-ORG-x"]
    counts = torch.arange(16).reshape(4, 4)
    summed, kinds = by_kind(counts, tags)
    assert kinds == ["O", "LOC", "ORG-x"]
    of = [0, 1, 1, 2]
    expected = torch.zeros(3, 3, dtype=torch.long)
    for i in range(4):
        for j in range(4):
            expected[of[i], of[j]] += counts[i, j]
    assert torch.equal(summed, expected)


def test_scores_of_each_tag() -> None:
    rows = dict(tag_rows(torch.tensor([[3, 1], [0, 2]]), ["X", "Y"]))
    assert torch.allclose(torch.tensor(rows["X"]), torch.tensor([1, 0.75, 6 / 7, 4]))
    assert torch.allclose(torch.tensor(rows["Y"]), torch.tensor([2 / 3, 1, 0.8, 2]))
