"""Running ``leyden`` inside the test's process."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision

from experiments.program import main

QUIET = ["--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu", "--trainer.devices=1"]
QUIET += ["--figures=false"]  # which take as long to draw as the networks here to train; ``--figures=true`` wins


@pytest.fixture(autouse=True)
def settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's settings, away from those of whoever runs the tests; and ``leyden`` is a command."""
    monkeypatch.delenv("UV_RUN_RECURSION_DEPTH", raising=False)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.getbasetemp() / "settings"))


@pytest.fixture
def leyden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LEYDEN_DATA", raising=False)

    def run(command: str, *words: Any) -> int:
        return main([command, *QUIET, *map(str, words)])

    yield run
    torch.use_deterministic_algorithms(False)  # an option of the trainer sets it for the whole process


@pytest.fixture
def samples(tmp_path: Path, leyden: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the samples, to run in."""
    folder = Path(shutil.copytree(Path(__file__).parent / "samples", tmp_path / "samples"))
    for file in (folder / "multi30k").glob("test_2016_flickr.*"):  # under the name of a user's own too
        shutil.copyfile(file, file.with_name(file.name.replace("test_2016_flickr", "test")))
    turns = [json.dumps({"turns": [f"hello {i}", f"good day {i}", f"how are you {i}"]}) for i in range(40)]
    (folder / "turns.jsonl").write_text("\n".join(turns))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("LEYDEN_DATA", str(folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *args: True)  # of the published
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "_check_integrity", lambda self: True)
    return folder


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """A run on the digits that takes a second: 4 steps an epoch, 2 epochs."""
    path = tmp_path / "digits.yaml"
    path.write_text(
        """
model:
  class_path: modules.classification.Classifier
  init_args:
    net:
      class_path: modules.nets.images.SmallCNN
      init_args: {width: 4, num_stages: 1, dropout: 0.2}
    optimizer: {class_path: torch.optim.AdamW, init_args: {lr: 0.01}}
data:
  class_path: datamodules.images.Digits
  init_args:
    batch_size: 300
    train_transforms: [{class_path: datamodules.images.BatchAffine, init_args: {degrees: 10, translate: 0.1}}]
trainer: {max_epochs: 2, log_every_n_steps: 1, enable_model_summary: false}
checkpoint: {monitor: val/accuracy}
"""
    )
    return path


@pytest.fixture
def differences() -> Callable[[Path, Path], list[str]]:
    """Where two checkpoints differ in a single bit, but for their configurations and event files."""
    from benchmarks.chaos import leaves, same

    def compare(first: Path, second: Path) -> list[str]:
        a, b = (dict(leaves(torch.load(path, weights_only=True))) for path in (first, second))
        changed = (key for key in a.keys() | b.keys() if key not in a or key not in b or not same(a[key], b[key]))
        return sorted(key for key in changed if key != "/config" and not key.startswith("/events/"))

    return compare
