"""Labels on the board."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import precision_recall_fscore_support
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from experiments.callbacks.figures.labels import LabelFigures, label_rows
from experiments.commands.configs import CONFIGS
from modules.metrics import LabelScores
from modules.task import Step


def test_a_fit_shows_the_scores_of_each_label(leyden: Callable[..., int], tmp_path: Path) -> None:
    rows = "a film of war,war|drama\na film of love,drama\na film of nothing,\n" * 20
    (tmp_path / "films.csv").write_text("text,labels\n" + rows)
    words = ["--data.path", "films.csv"]
    assert (
        leyden(
            "fit", "--config", CONFIGS / "own" / "text_labels.yaml", *words, "--trainer.max_epochs=1", "--figures=true"
        )
        == 0
    )
    board = EventAccumulator("runs/text_labels/0").Reload()
    assert "val/labels" in board.Tags()["images"]
    text = board.Tensors("val/labels/text_summary")[-1].tensor_proto.string_val[0].decode().splitlines()
    assert text[0] == "| | precision | recall | F1 | number |"
    assert {line.split(" | ")[0] for line in text[2:]} == {"| war", "| drama"}


def test_rows_are_the_scores_of_each_label() -> None:
    generator = torch.Generator().manual_seed(0)
    preds, target = torch.rand(30, 4, generator=generator), (torch.rand(30, 4, generator=generator) < 0.4).long()
    scores = LabelScores(4)
    scores.update(preds, target)
    expected = precision_recall_fscore_support(target.numpy(), (preds >= 0.5).numpy())
    assert label_rows(scores.counts).T.numpy() == pytest.approx(np.array(expected))
    assert label_rows(torch.zeros(3, 1)).isnan()[0].tolist() == [True, True, True, False]


def test_a_label_is_predicted_from_the_threshold_of_the_task_on() -> None:
    figures = LabelFigures()
    task: Any = SimpleNamespace(labels=["a", "b"], threshold=0.2, device="cpu")
    figures.start(task, 1)
    output = Step(torch.zeros(()), 1, torch.tensor([[0.3, 0.1]]), torch.tensor([[1, 1]]))
    figures.see(None, task, output, None, 0)  # type: ignore[arg-type]
    assert figures._scores.counts.tolist() == [[1, 0], [1, 0], [1, 1]]
