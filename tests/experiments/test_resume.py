"""A run that is killed and goes on is equal, to the last bit, to one that was never stopped."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from datamodules.data import Data
from experiments.callbacks.checkpointing import RunCheckpoint
from experiments.callbacks.resuming import random_state, set_random_state
from modules.classification import Classifier

FIGURES = "--trainer.callbacks+=experiments.callbacks.figures.ClassificationFigures"
CURVATURE = "--trainer.callbacks+=experiments.callbacks.curvature.Curvature"
STEPLR = "--model.scheduler=torch.optim.lr_scheduler.StepLR"
SETTINGS = {
    "plain": [],
    "every step": ["--checkpoint.every_n_train_steps=1"],
    "accumulation": ["--trainer.accumulate_grad_batches=3", "--checkpoint.train_time_interval=00:00:00"],
    "validation within the epoch": ["--trainer.val_check_interval=2", "--checkpoint.every_n_train_steps=1"],
    "by steps": ["--trainer.max_epochs=-1", "--trainer.max_steps=9", "--checkpoint.every_n_train_steps=2"],
    "mixup": ["--model.mixup=0.4", "--model.cutmix=1.0", "--checkpoint.every_n_train_steps=1"],
    "schedule by step": [STEPLR, "--model.scheduler.step_size=2", "--model.interval=step"],
    "schedule by epoch": [STEPLR, "--model.scheduler.step_size=1", "--checkpoint.every_n_train_steps=3"],
    "planned schedule": [
        "--model.scheduler=modules.optimisation.Cosine",
        "--model.interval=step",
        "--checkpoint.every_n_train_steps=3",
    ],
    "plateau": [
        "--model.scheduler=lightning.pytorch.cli.ReduceLROnPlateau",
        "--model.scheduler.monitor=val/loss",
        "--model.scheduler.patience=0",
        "--model.scheduler.threshold=10.0",
    ],
    "figures": [FIGURES, "--trainer.callbacks.every_n_epochs=1", "--trainer.log_every_n_steps=2"],
    "curvature": [CURVATURE, "--trainer.callbacks.max_exact=10", "--trainer.callbacks.num_steps=2"],
    "ema": [
        "--trainer.callbacks+=experiments.callbacks.averaging.EMA",
        "--trainer.callbacks.decay=0.7",
        "--checkpoint.every_n_train_steps=1",
    ],
    "calibration": ["--trainer.callbacks+=experiments.callbacks.Calibrate", "--checkpoint.every_n_train_steps=1"],
}


class Killed(BaseException):
    """Stands for SIGKILL: no ordinary handler catches it."""


@contextmanager
def killed_at(nth: int) -> Iterator[None]:
    """Make the nth training or validation step of the process its last."""
    step, calls = Classifier.step, iter(range(10_000))

    def last_step(self: Classifier, batch: Any) -> Any:
        if next(calls) == nth:
            raise Killed
        return step(self, batch)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Classifier, "step", last_step)
        yield


def board(run: Path) -> dict[str, list[tuple[int, Any]]]:
    """Steps and values of all that TensorBoard shows, in their order."""
    size = dict.fromkeys(("scalars", "images", "tensors", "histograms"), 0)
    events = EventAccumulator(str(run), size_guidance=size)
    events.Reload()
    found: dict[str, list[tuple[int, Any]]] = {}
    for kind in size:
        for tag in events.Tags()[kind]:
            if tag.startswith("_hparams_") or tag == "run/text_summary":
                continue  # names and commands
            for event in getattr(events, kind.capitalize())(tag):
                value = [x for name, x in vars(event).items() if name not in ("wall_time", "step")]
                value = [] if tag == "train/throughput" else value  # which tells the time
                found.setdefault(tag, []).append((event.step, [str(x) for x in value]))
    return found


# of 2 (sanity check) + 2 x (4 training + 2 validation) steps
EARLY_AND_LATE = [pytest.param(5, marks=pytest.mark.slow), 9, pytest.param(13, marks=pytest.mark.slow)]


@pytest.mark.parametrize("nth", EARLY_AND_LATE)
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_resume_is_exact(
    settings: list[str],
    nth: int,
    leyden: Callable[..., int],
    digits: Path,
    differences: Callable[[Path, Path], list[str]],
) -> None:
    leyden("fit", "--config", digits, "--name", "whole", *settings)
    with killed_at(nth):
        leyden("fit", "--config", digits, "--name", "parts", *settings)
    if not Path("runs/parts/0/checkpoints/last.ckpt").exists():
        pytest.skip("killed before the first checkpoint")
    assert leyden("fit", "--ckpt_path", "runs/parts/0") == 0
    for name in ("last", "best"):
        assert differences(*(Path(f"runs/{run}/0/checkpoints/{name}.ckpt") for run in ("whole", "parts"))) == []
    assert board(Path("runs/parts/0")) == board(Path("runs/whole/0"))


@pytest.mark.slow
def test_resume_is_exact_with_workers(leyden: Callable[..., int], digits: Path) -> None:
    leyden("fit", "--config", digits, "--name", "whole")
    options = ["--data.num_workers=2", "--checkpoint.every_n_train_steps=1"]
    with killed_at(9):
        leyden("fit", "--config", digits, "--name", "parts", *options)
    leyden("fit", "--ckpt_path", "runs/parts/0")
    weights = [
        torch.load(f"runs/{name}/0/checkpoints/last.ckpt", weights_only=True)["state_dict"]
        for name in ("whole", "parts")
    ]
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])


@pytest.mark.parametrize("nth", [1, 4])  # in the sanity check, and in the second training step
def test_killed_before_the_first_checkpoint_it_begins_anew(
    nth: int, leyden: Callable[..., int], digits: Path, differences: Callable[[Path, Path], list[str]]
) -> None:
    options = ["--seed_everything=3", "--model.optimizer.lr=0.02"]
    leyden("fit", "--config", digits, "--name", "whole", *options)
    with killed_at(nth), pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.runs.give_back", lambda claimed: None)  # whoever is killed cleans nothing up
        leyden("fit", "--config", digits, "--name", "parts", *options)
    assert not Path("runs/parts/0/checkpoints").exists()
    digits.unlink()
    assert leyden("fit", "--ckpt_path", "runs/parts/0") == 0
    assert [path.name for path in Path("runs/parts").iterdir()] == ["0"]
    for name in ("last", "best"):
        assert differences(*(Path(f"runs/{run}/0/checkpoints/{name}.ckpt") for run in ("whole", "parts"))) == []
    assert board(Path("runs/parts/0")) == board(Path("runs/whole/0"))
    assert leyden("test", "--ckpt_path", "runs/parts/0") == 0


def test_killed_while_data_is_prepared_it_begins_anew(leyden: Callable[..., int], digits: Path) -> None:
    def kill(data: Data[Any, Any]) -> None:
        raise Killed

    with pytest.raises(Killed), pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.runs.give_back", lambda claimed: None)
        patch.setattr(Data, "prepare_data", kill)
        leyden("fit", "--config", digits, "--trainer.max_epochs=1")
    digits.unlink()
    assert leyden("fit", "--ckpt_path", "runs/digits/0") == 0
    assert Path("runs/digits/0/checkpoints/best.ckpt").exists()


def test_begun_anew_with_other_options_says_so_in_its_config(leyden: Callable[..., int], digits: Path) -> None:
    leyden("fit", "--config", digits)
    shutil.rmtree("runs/digits/0/checkpoints")
    assert leyden("fit", "--ckpt_path", "runs/digits/0", "--trainer.max_epochs=1") == 0
    assert "max_epochs: 1\n" in Path("runs/digits/0/config.yaml").read_text()


def test_curves_join_up(leyden: Callable[..., int], digits: Path) -> None:
    with killed_at(10):
        leyden("fit", "--config", digits, "--figures=true")
    leyden("test", "--ckpt_path", "runs/digits/0/checkpoints/last.ckpt")
    leyden("fit", "--ckpt_path", "runs/digits/0", "--figures=true")
    shown = board(Path("runs/digits/0"))
    assert [step for step, _ in shown["train/loss"]] == list(range(8))
    assert [step for step, _ in shown["val/loss"]] == [3, 7]
    assert [step for step, _ in shown["train/lr"]] == [step for step, _ in shown["train/grad_norm"]] == list(range(8))
    assert len(shown["train/inputs"]) == len(shown["custom_scalars__config__"]) == 1
    assert len(shown["test/loss"]) == 1, "what was tested in between is left"


def test_going_on_from_an_earlier_checkpoint_forgets_the_curves_after_it(
    leyden: Callable[..., int], digits: Path
) -> None:
    leyden("fit", "--config", digits)
    before = board(Path("runs/digits/0"))
    shutil.copy("runs/digits/0/checkpoints/last.ckpt", "end.ckpt")
    leyden("fit", "--ckpt_path", "runs/digits/0", "--trainer.max_epochs=3")
    assert len(board(Path("runs/digits/0"))["train/loss"]) == 12
    shutil.copy("end.ckpt", "runs/digits/0/checkpoints/last.ckpt")
    leyden("fit", "--ckpt_path", "runs/digits/0")
    assert board(Path("runs/digits/0")) == before


def test_progress_bar_knows_the_epoch_it_goes_on_in(
    leyden: Callable[..., int], digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with killed_at(10):
        leyden("fit", "--config", digits, "--checkpoint.every_n_train_steps=1")
    capsys.readouterr()
    leyden("fit", "--ckpt_path", "runs/digits/0", "--trainer.enable_progress_bar=true")
    shown = capsys.readouterr().out
    assert "Epoch 2/2: 100%" in shown
    assert "4/4" in shown


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signal_writes_a_checkpoint(
    signum: int,
    leyden: Callable[..., int],
    digits: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    start = RunCheckpoint.on_train_batch_start

    def signalled(self: RunCheckpoint, trainer: Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == 2:
            os.kill(os.getpid(), signum)
        start(self, trainer, module, batch, batch_idx)

    before = signal.getsignal(signum)
    monkeypatch.setattr(RunCheckpoint, "on_train_batch_start", signalled)
    assert leyden("fit", "--config", digits) == 128 + signum
    assert signal.getsignal(signum) == before
    assert "leyden fit --ckpt_path runs/digits/0" in capsys.readouterr().out
    content = torch.load("runs/digits/0/checkpoints/last.ckpt", weights_only=True)
    assert content["global_step"] == 2


def test_random_state_round_trip() -> None:
    import random

    import numpy as np

    def draws() -> list[float]:
        return [random.random(), random.gauss(0, 1), float(np.random.rand()), float(torch.rand(1))]

    state = random_state()
    first = draws()
    draws()
    set_random_state(state)
    assert draws() == first
