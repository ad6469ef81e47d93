"""What chooses the best checkpoint, and what else monitors a score."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from experiments.callbacks.checkpointing import RunCheckpoint
from experiments.callbacks.monitors import Monitor, less_is_better
from modules.classification import Classifier

DIRECTIONS = {"val/loss": False, "val/accuracy": True, "val/coverage": None}
NAN = float("nan")


@pytest.mark.parametrize(
    ("score", "mode", "less"),
    [
        ("val/loss", None, True),
        ("val/loss", "min", True),
        ("val/accuracy", None, False),
        ("val/accuracy", "max", False),
        ("val/coverage", "min", True),
        ("val/coverage", "max", False),
        ("val/mine", "max", False),
    ],
)
def test_direction_follows_from_the_score_or_is_given(score: str, mode: str | None, less: bool) -> None:
    assert less_is_better(Monitor("checkpoint", score, mode), DIRECTIONS) is less


@pytest.mark.parametrize(
    ("score", "mode", "sentence"),
    [
        ("val/loss", "max", "checkpoint.mode is max, but of val/loss less is better: say mode min"),
        ("val/accuracy", "min", "checkpoint.mode is min, but of val/accuracy more is better: say mode max"),
        ("val/coverage", None, "val/coverage, of which it is not known .* say checkpoint.mode min or max"),
        ("val/mine", None, "val/mine, of which it is not known"),
    ],
)
def test_direction_that_contradicts_or_is_unknown_is_refused(score: str, mode: str | None, sentence: str) -> None:
    with pytest.raises(MisconfigurationException, match=sentence):
        less_is_better(Monitor("checkpoint", score, mode), DIRECTIONS)


def best_of(monitor: str, epochs: Sequence[dict[str, float]]) -> int:
    """Number of the epoch whose checkpoint is written last as the best."""
    callback = RunCheckpoint(monitor)
    task: Any = SimpleNamespace(directions=DIRECTIONS)
    callbacks: list[Any] = []
    for step, scores in enumerate(epochs):
        callback._due.clear()
        trainer = SimpleNamespace(
            sanity_checking=False,
            state=SimpleNamespace(fn="fit"),
            callback_metrics={name: torch.tensor(value) for name, value in scores.items()},
            callbacks=callbacks,
            lr_scheduler_configs=[],
            enable_validation=True,
            global_step=step,
        )
        callback.on_validation_end(trainer, task)  # type: ignore[arg-type]
        if "best" in callback._due:
            best = step
    assert callback.best_step == best
    assert callback.best_score == pytest.approx(epochs[best][monitor], nan_ok=True)
    return best


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([0.5, 0.7, 0.6], 1),
        ([NAN, 0.1, NAN, 0.05], 1),
        ([NAN, NAN], 0),
        ([0.5, NAN], 0),
        ([float("-inf"), 0.0], 1),
        ([NAN, float("-inf")], 1),
    ],
)
def test_a_score_that_is_no_number_never_stays_the_best(scores: list[float], best: int) -> None:
    assert best_of("val/accuracy", [{"val/accuracy": score, "val/loss": 1.0} for score in scores]) == best
    assert best_of("val/loss", [{"val/loss": -score} for score in scores]) == best


def test_of_equal_scores_that_with_the_lower_loss_is_the_best() -> None:
    scores = [(1.0, 0.9), (1.0, 0.5), (1.0, NAN), (1.0, 0.5), (0.9, 0.1)]
    assert best_of("val/accuracy", [{"val/accuracy": score, "val/loss": loss} for score, loss in scores]) == 1
    scores = [(1.0, NAN), (1.0, 0.5)]
    assert best_of("val/accuracy", [{"val/accuracy": score, "val/loss": loss} for score, loss in scores]) == 1


EARLY = "--trainer.callbacks+=lightning.pytorch.callbacks.EarlyStopping"
PLATEAU = "--model.scheduler=lightning.pytorch.cli.ReduceLROnPlateau"
FAULTS = {
    "unknown score": (["--checkpoint.monitor=val/acuracy"], "did you mean val/accuracy?"),
    "score of a test": (["--checkpoint.monitor=test/accuracy"], "test/accuracy, which is not logged"),
    "contradiction": (["--checkpoint.mode=min"], "of val/accuracy more is better"),
    "early stopping, unknown": ([EARLY, "--trainer.callbacks.monitor=val/los"], "EarlyStopping.monitor is val/los"),
    "early stopping, contradiction": (
        [EARLY, "--trainer.callbacks.monitor=val/accuracy"],
        "EarlyStopping.mode is min, but of val/accuracy more is better",
    ),
    "plateau, unknown": ([PLATEAU, "--model.scheduler.monitor=loss"], "ReduceLROnPlateau.monitor is loss"),
    "plateau, contradiction": (
        [PLATEAU, "--model.scheduler.monitor=val/f1"],
        "ReduceLROnPlateau.mode is min, but of val/f1 more is better",
    ),
}


def trained(self: Classifier, batch: Any, batch_idx: int) -> None:
    raise AssertionError("this is training already")


@pytest.mark.parametrize("sanity", [2, 0])
@pytest.mark.parametrize(("options", "sentence"), FAULTS.values(), ids=FAULTS)
def test_what_cannot_be_monitored_is_refused_before_training(
    options: list[str],
    sentence: str,
    sanity: int,
    leyden: Callable[..., int],
    digits: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Classifier, "training_step", trained)
    assert leyden("fit", "--config", digits, f"--trainer.num_sanity_val_steps={sanity}", *options) == 1
    assert sentence in capsys.readouterr().err
    assert not Path("runs").exists()


def test_unknown_score_is_refused_when_a_run_goes_on(
    leyden: Callable[..., int], digits: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    leyden("fit", "--config", digits)
    monkeypatch.setattr(Classifier, "training_step", trained)
    go_on = ["fit", "--ckpt_path", "runs/digits/0", "--trainer.max_epochs=3"]
    assert leyden(*go_on, "--checkpoint.monitor=val/mine") == 1
    assert "checkpoint.monitor is val/mine, which is not logged" in capsys.readouterr().err
    assert leyden(*go_on, "--checkpoint.mode=min") == 1
    assert "of val/accuracy more is better" in capsys.readouterr().err


def test_score_of_the_users_own_is_found_without_a_sanity_check(
    leyden: Callable[..., int], digits: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = Classifier.on_validation_epoch_end

    def more(self: Classifier) -> None:
        report(self)
        self.log("val/mine", float(self.current_epoch))

    monkeypatch.setattr(Classifier, "on_validation_epoch_end", more)
    options = ["fit", "--config", digits, "--checkpoint.monitor=val/mine", "--trainer.num_sanity_val_steps=0"]
    assert leyden(*options) == 1
    assert "say checkpoint.mode min or max" in capsys.readouterr().err
    assert leyden(*options, "--checkpoint.mode=max") == 0
    assert torch.load("runs/digits/0/checkpoints/best.ckpt", weights_only=True)["global_step"] == 8
    assert leyden("fit", "--ckpt_path=runs/digits/0", "--trainer.max_epochs=3") == 0
    assert torch.load("runs/digits/0/checkpoints/best.ckpt", weights_only=True)["global_step"] == 12
