from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from experiments.callbacks.figures.classification import ClassificationFigures, confusion_figure, mistakes_figure
from modules.task import Step


def test_board_shows_errors_curves_and_options(leyden: Callable[..., int], digits: Path) -> None:
    assert leyden("fit", "--config", digits, "--figures=true") == 0
    assert leyden("test", "--ckpt_path", "runs/digits/0", "--figures=true") == 0
    events = EventAccumulator("runs/digits/0")
    events.Reload()
    tags = events.Tags()
    assert {"val/confusion_matrix", "val/mistakes", "test/confusion_matrix", "test/mistakes"} <= set(tags["images"])
    curves = {
        "train/loss",
        "train/lr",
        "train/grad_norm",
        "val/loss",
        "val/accuracy",
        "test/accuracy",
    }
    assert curves <= set(tags["scalars"])
    assert "train/throughput" in tags["tensors"]
    assert "epoch" not in tags["scalars"]
    assert "_hparams_/session_start_info" in events.summary_metadata
    assert "_hparams_/experiment" not in events.summary_metadata  # which would fix the order of the options
    pictures = {f"{stage}_{name}.png" for stage in ("val", "test") for name in ("confusion_matrix", "mistakes")}
    assert {path.name for path in Path("runs/digits/0/pictures").iterdir()} == {*pictures, "train_inputs.png"}
    shown = events.Images("test/confusion_matrix")[0]
    assert Path("runs/digits/0/pictures/test_confusion_matrix.png").read_bytes() == shown.encoded_image_string
    assert 600 < shown.width < 720
    tested = torch.load("runs/digits/0/checkpoints/best.ckpt", weights_only=True)["global_step"]
    assert shown.step == events.Scalars("test/accuracy")[0].step == tested > 0


def test_confusion_figure_names_classes_and_counts() -> None:
    axes = confusion_figure(torch.tensor([[3, 1], [0, 2]]), ["ant", "bee"]).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["ant", "bee"]
    assert sorted(text.get_text() for text in axes.texts) == ["1\n25%", "2\n100%", "3\n75%"]
    assert axes.images[0].get_array()[0].tolist() == [0.75, 0.25]


def test_mistakes_figure_names_what_was_taken_for_what() -> None:
    figure = mistakes_figure([(0.9, 1, 0, torch.rand(3, 5, 5)), (0.8, 0, 1, torch.rand(1, 5, 5))], ["ant", "bee"])
    assert [text.get_text() for text in figure.texts] == ["bee 90%\nnot ant", "ant 80%\nnot bee"]
    assert len(figure.images) == 2


def test_the_most_confident_mistakes_are_kept_over_all_batches() -> None:
    figures = ClassificationFigures(num_mistakes=3)
    task: Any = SimpleNamespace(classes=["a", "b"], device="cpu")
    figures.start(task, 2)
    for confident in ([0.6, 0.9, 0.7], [0.95, 0.51, 0.8]):  # that class 1 is right; it always is class 0
        preds = torch.tensor([[1 - p, p] for p in confident])
        right = torch.tensor([[0.99, 0.01]])
        output = Step(torch.zeros(()), 4, torch.cat([preds, right]), torch.zeros(4, dtype=torch.long))
        images = torch.tensor([*confident, 0.99])[:, None, None, None].expand(-1, 1, 2, 2)
        figures.see(None, task, output, (images, None), 0)  # type: ignore[arg-type]
    assert [round(found[0], 2) for found in figures._mistakes] == [0.95, 0.9, 0.8]
    assert [(predicted, true) for _, predicted, true, _ in figures._mistakes] == [(1, 0)] * 3
    assert [round(float(image.mean()), 2) for *_, image in figures._mistakes] == [0.95, 0.9, 0.8]
