import os
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.demos.boring_classes import BoringModel
from lightning.pytorch.profilers import SimpleProfiler

from experiments.lean import NoProfiler, forget_missing_gpus, make_lean


class Counts(Callback):
    def __init__(self) -> None:
        self.started = 0

    def on_train_batch_start(self, *args: Any) -> None:
        self.started += 1


class CountsToo(Counts):
    """Inherits the hook."""


def trainer(**options: Any) -> Trainer:
    quiet = {
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "logger": False,
    }
    return Trainer(accelerator="cpu", max_epochs=1, limit_train_batches=3, limit_val_batches=0, **quiet, **options)


def test_hooks_that_a_callback_has_are_called_and_the_others_are_not() -> None:
    ends: list[int] = []
    own = LambdaCallback(on_train_batch_end=lambda *args: ends.append(1))
    callbacks = [Counts(), CountsToo(), own]
    lean = trainer(callbacks=callbacks)
    make_lean(lean)
    assert callbacks[0].on_after_backward is None  # type: ignore[comparison-overlap]
    lean.fit(BoringModel())
    assert (callbacks[0].started, callbacks[1].started, len(ends)) == (3, 3, 3)  # type: ignore[attr-defined]


def test_profiler_that_was_asked_for_stays() -> None:
    plain, asked = trainer(), trainer(profiler="simple")
    make_lean(plain)
    make_lean(asked)
    assert isinstance(plain.profiler, NoProfiler)  # type: ignore[attr-defined]
    assert isinstance(asked.profiler, SimpleProfiler)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("gpus", "check"), [(0, "0"), (2, "1")])
def test_gpus_are_not_looked_for_again_where_there_are_none(
    gpus: int, check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    forget_missing_gpus()
    assert os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] == check
