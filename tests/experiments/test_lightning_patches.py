import importlib.metadata
import os
from typing import Any

import pytest
import torch
from jsonargparse import ArgumentParser
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import LambdaCallback
from lightning.pytorch.demos.boring_classes import BoringDataModule, BoringModel
from lightning.pytorch.profilers import SimpleProfiler
from lightning.pytorch.trainer.states import RunningStage

from experiments.lightning_patches import (
    WRITTEN_FOR,
    NoProfiler,
    allow_clipping,
    avoid_emulation,
    forget_missing_gpus,
    loop_state,
    make_lean,
    restore_loop_state,
)
from experiments.program import main
from modules.regression import Regressor


@pytest.mark.parametrize(("package", "version"), WRITTEN_FOR.items())
def test_the_patches_are_written_for_what_is_installed(package: str, version: str) -> None:
    assert importlib.metadata.version(package) == version, (
        f"{package} has changed: read experiments/lightning_patches.py, see whether each reason still holds and what "
        "is replaced is still there, then say the new version in WRITTEN_FOR"
    )


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
        "num_sanity_val_steps": 0,
    }
    return Trainer(accelerator="cpu", max_epochs=1, limit_train_batches=3, limit_val_batches=1, **quiet, **options)


def test_hooks_that_a_callback_has_are_called_and_the_others_are_not() -> None:
    ends: list[int] = []
    own = LambdaCallback(on_train_batch_end=lambda *args: ends.append(1))
    callbacks = [Counts(), CountsToo(), own]
    lean = trainer(callbacks=callbacks)
    make_lean(lean, BoringModel(), BoringDataModule())
    assert callbacks[0].on_after_backward is None  # type: ignore[comparison-overlap]
    lean.fit(BoringModel())
    assert (callbacks[0].started, callbacks[1].started, len(ends)) == (3, 3, 3)  # type: ignore[attr-defined]


def test_profiler_that_was_asked_for_stays() -> None:
    plain, asked = trainer(), trainer(profiler="simple")
    make_lean(plain, BoringModel(), BoringDataModule())
    make_lean(asked, BoringModel(), BoringDataModule())
    assert isinstance(plain.profiler, NoProfiler)  # type: ignore[attr-defined]
    assert isinstance(asked.profiler, SimpleProfiler)  # type: ignore[attr-defined]


class Busy(BoringModel):
    """Does at every batch what the base class leaves undone."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def on_train_batch_end(self, *args: Any) -> None:
        self.seen.append("end")

    def configure_gradient_clipping(self, *args: Any, **kwargs: Any) -> None:
        self.seen.append("clip")

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        self.seen.append("moved")
        return batch


@pytest.mark.parametrize("clip", [None, 1.0])
def test_what_a_module_does_itself_is_called(clip: float | None) -> None:
    module, data, lean = Busy(), BoringDataModule(), trainer(gradient_clip_val=clip)
    make_lean(lean, module, data)
    assert module.on_train_batch_start is None  # type: ignore[comparison-overlap]
    lean.fit(module, datamodule=data)
    assert module.seen == ["moved", "clip", "end"] * 3 + ["moved"]


def test_gradients_are_clipped_if_wanted() -> None:
    weights = []
    for clip in (None, 1e-9):
        torch.manual_seed(0)
        module, data, lean = BoringModel(), BoringDataModule(), trainer(gradient_clip_val=clip)
        before = module.layer.weight.detach().clone()
        make_lean(lean, module, data)
        lean.fit(module, datamodule=data)
        weights.append((module.layer.weight - before).abs().max().item())
    assert weights[0] > 1e-3
    assert weights[1] < 1e-6


class Fused(BoringModel):
    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1, fused=True)


def test_fused_optimizer_may_be_clipped_in_bfloat16() -> None:
    module, fitting = Fused(), trainer(gradient_clip_val=1e-9, precision="bf16-mixed")
    before = module.layer.weight.detach().clone()
    allow_clipping(fitting)
    fitting.fit(module, datamodule=BoringDataModule())
    assert 0 < (module.layer.weight - before).abs().max() < 1e-6


@pytest.mark.parametrize(
    ("asked", "capabilities", "used"),
    [
        ("bf16-mixed", {"avx2": True, "avx512_bf16": False}, "32-true"),
        ("bf16-mixed", {"avx512_bf16": True}, "bf16-mixed"),
        ("bf16-mixed", {"bf16": True}, "bf16-mixed"),
        ("bf16-true", {}, "bf16-true"),
        ("32-true", {}, "32-true"),
    ],
)
def test_bfloat16_is_left_to_processors_that_have_it(
    asked: Any,
    capabilities: dict[str, bool],
    used: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    module, fitting = BoringModel(), trainer(precision=asked)
    seen: list[torch.dtype] = []
    module.layer.register_forward_hook(lambda layer, inputs, output: seen.append(output.dtype))
    with caplog.at_level("INFO"):
        avoid_emulation(fitting)
    fitting.fit(module, datamodule=BoringDataModule())
    assert fitting.precision == used
    assert set(seen) == {torch.float32 if used == "32-true" else torch.bfloat16}
    assert ("no bfloat16" in caplog.text) == (asked != used)


def test_lean_training_ends_with_the_same_weights() -> None:
    weights = []
    for is_lean in (True, False):
        torch.manual_seed(0)
        module, data, fitting = BoringModel(), BoringDataModule(), trainer()
        if is_lean:
            make_lean(fitting, module, data)
        torch.manual_seed(1)
        fitting.fit(module, datamodule=data)
        weights.append(module.layer.weight)
    assert torch.equal(*weights)


@pytest.mark.parametrize(("gpus", "check"), [(0, "0"), (2, "1")])
def test_gpus_are_not_looked_for_again_where_there_are_none(
    gpus: int, check: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    forget_missing_gpus()
    assert os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] == check


class Named(BoringModel):
    """Says in which hook it is."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.hook = self._current_fx_name
        return super().training_step(batch, batch_idx)


def test_module_knows_the_hook_at_hand_and_sets_other_attributes_as_modules_do() -> None:
    module = Named()
    trainer().fit(module, datamodule=BoringDataModule())
    assert module.hook == "training_step"
    module.other = torch.nn.Linear(1, 1)
    assert module.get_submodule("other") is module.other
    assert "_current_fx_name" in vars(module)


def test_stages_are_equal_to_their_texts() -> None:
    assert RunningStage.TRAINING == "train"
    assert RunningStage("train") == RunningStage.TRAINING
    assert RunningStage.TRAINING != RunningStage.VALIDATING


def test_signatures_are_told_apart() -> None:
    class Short(BoringModel):
        def training_step(self, batch: Any) -> Any:  # type: ignore[override]
            self.shape = batch.shape
            return self.step(batch)

    short = Short()
    trainer().fit(short, datamodule=BoringDataModule())
    trainer().fit(BoringModel(), datamodule=BoringDataModule())
    assert short.shape == (1, 32)


class Stops(Callback):
    """Keeps where the loops stand between the second and the third step."""

    def on_train_batch_start(self, trainer: Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == 2:
            self.state = loop_state(trainer)


def test_state_of_the_loops_goes_around() -> None:
    stops, fitting, other = Stops(), trainer(), trainer()
    fitting.callbacks.append(stops)  # type: ignore[attr-defined]
    fitting.fit(BoringModel(), datamodule=BoringDataModule())
    assert stops.state["in_epoch"]
    assert stops.state["batches_that_stepped"] == 2
    other.fit_loop.epoch_progress.increment_ready()
    restore_loop_state(other, BoringModel(), stops.state)
    assert loop_state(other) == stops.state
    assert other.fit_loop.epoch_loop.batch_progress.current.ready == 3


ADAMW = "{class_path: torch.optim.AdamW, init_args: {lr: 0.02, weight_decay: 0.3}}"


@pytest.mark.parametrize(
    ("words", "name", "lr", "weight_decay"),
    [
        ([], "AdamW", 1e-3, 0.01),
        (["--m.optimizer.lr", "0.1"], "AdamW", 0.1, 0.01),
        (["--m.optimizer", "torch.optim.Adam"], "Adam", 1e-3, 0.0),
        (["--m.optimizer", "torch.optim.SGD", "--m.optimizer.lr", "0.3"], "SGD", 0.3, 0.0),
        (["--m.optimizer", "{class_path: torch.optim.RMSprop, init_args: {lr: 0.2}}"], "RMSprop", 0.2, 0.0),
        (["--m.optimizer", ADAMW, "--m.optimizer", "torch.optim.SGD"], "SGD", 0.02, 0.3),
    ],
)
def test_another_class_has_its_own_defaults_and_keeps_what_was_given(
    words: list[str], name: str, lr: float, weight_decay: float
) -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Regressor, "m")
    task = parser.instantiate(parser.parse_args(["--m.net", "torch.nn.Linear", *words])).m
    optimizer = task.optimizer([torch.nn.Parameter(torch.zeros(1))])
    assert type(optimizer).__name__ == name
    assert (optimizer.defaults["lr"], optimizer.defaults["weight_decay"]) == (lr, weight_decay)


def test_help_names_our_classes_first_and_few_others(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fit", "--model.help", "modules.classification.Classifier"])
    said = " ".join(capsys.readouterr().out.split())
    assert said.index("--model.net NET") < said.index("--model.optimizer OPTIMIZER")  # its own options first
    known = said[said.index("known subclasses") :].removeprefix("known subclasses: ").partition(")")[0].split(", ")
    assert known[0].startswith("modules.nets.")
    assert all(path.startswith("modules.") for path in known[1:-1])
    assert known[-1].startswith("and ")
    assert said.count("torch.optim.") > 5
    assert said.count("torch.nn.") < 5
