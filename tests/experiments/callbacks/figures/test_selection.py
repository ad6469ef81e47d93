"""Choices among replies on the board."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from experiments.callbacks.figures.selection import choice, rank_figure, ranks
from experiments.commands.configs import CONFIGS
from modules.metrics import Ranking


def test_a_fit_shows_ranks_and_choices(leyden: Callable[..., int], tmp_path: Path) -> None:
    turns = [json.dumps({"turns": [f"hello {i}", f"good day {i}", f"how | are you {i}"]}) for i in range(40)]
    (tmp_path / "turns.jsonl").write_text("\n".join(turns))
    words = ["--data.path", "turns.jsonl", "--trainer.max_epochs=1", "--figures=true"]
    assert leyden("fit", "--config", CONFIGS / "own" / "dialogue.yaml", *words) == 0
    board = EventAccumulator("runs/dialogue/0").Reload()
    assert "val/ranks" in board.Tags()["images"]
    (event,) = board.Tensors("val/choices/text_summary")
    shown = event.tensor_proto.string_val[0].decode().split("\n\n---\n\n")
    assert len(shown) == 5
    for text in shown:
        context, _, *rows = text.splitlines()
        assert context.startswith(("you: hello", "me: hello"))
        assert sum("(the true one" in row for row in rows) == 1
        shares = [float(row.split()[1].rstrip("%")) for row in rows]
        assert shares == sorted(shares, reverse=True)
        assert any("how | are you" in row or "good day" in row for row in rows)


def test_ranks_are_those_of_the_scores() -> None:
    scores = torch.tensor([[3.0, 1, 2], [1, 1, 0], [0, 2, 1], [torch.nan] * 3])
    found = ranks(scores, torch.tensor([0, 0, 2, 0]))
    assert found.tolist() == [1, 2, 2, 3]
    metric = Ranking()
    metric.update(scores[:3], torch.tensor([0, 0, 2]))
    assert float(metric.compute()["mrr"]) == pytest.approx(float(found[:3].double().reciprocal().mean()))


def test_a_true_reply_that_comes_late_is_shown_at_its_place() -> None:
    shares = [0.01, *(0.05 * n for n in range(7, 0, -1))]
    lines = choice("you: a\nb", [f"me: reply {i}" for i in range(8)], shares, 0).splitlines()
    assert lines[0] == "you: a b"
    assert lines[2] == "- 35.0% reply 1"
    assert len(lines) == 2 + 5 + 1
    assert lines[-1] == "- 1.0% **reply 0** (the true one, place 8)"
    tied = choice("", ["me: x", "me: y"], [0.5, 0.5], 0).splitlines()
    assert tied[-1] == "- 50.0% **x** (the true one, place 2)"


def test_bars_are_the_shares_of_the_places() -> None:
    (axes,) = rank_figure(torch.tensor([1, 1, 3, 1]), 4).axes
    assert [bar.get_height() for bar in axes.patches] == [0.75, 0, 0.25, 0]
    assert [text.get_text() for text in axes.texts] == ["75%", "0%", "25%", "0%"]
    assert list(axes.lines[0].get_ydata()) == [0.25, 0.25]
    assert axes.get_xlabel() == "place of the true reply among 4"
    assert not rank_figure(torch.tensor([1]), 100).axes[0].texts
