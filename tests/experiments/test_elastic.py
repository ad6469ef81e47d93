"""A run goes on with another size of batches, or another number of processes, within an epoch."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from datamodules.types import Batch
from experiments.callbacks.checkpointing import RunCheckpoint
from modules.classification import Classifier


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.fixture
def trained_on(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Epoch and index of each example that a training step takes, as the loader's sampler plans them."""
    taken: list[tuple[int, int]] = []
    step = Classifier.training_step

    def recorded(self: Classifier, batch: Batch, batch_idx: int) -> torch.Tensor:
        sampler = self.trainer.train_dataloader.batch_sampler
        assert len(batch.inputs) == len(sampler[batch_idx])
        taken.extend((sampler.epoch, index) for index in sampler[batch_idx])
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Classifier, "training_step", recorded)
    return taken


def kill_before_batch(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    start, starts = RunCheckpoint.on_train_batch_start, []

    def counted(self: RunCheckpoint, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
        start(self, trainer, module, batch, batch_idx)
        starts.append(batch_idx)
        if len(starts) == number:
            raise Killed

    monkeypatch.setattr(RunCheckpoint, "on_train_batch_start", counted)


@pytest.mark.parametrize("sizes", [(100, 64), (100, 300), (64, 100)])
def test_another_batch_size_trains_on_no_example_twice(
    sizes: tuple[int, int], digits: Path, leyden: Callable[..., int], trained_on: list[tuple[int, int]]
) -> None:
    before, after = sizes
    with pytest.MonkeyPatch.context() as patch:
        kill_before_batch(5, patch)
        with pytest.raises(Killed):
            words = ["--name=run", "--checkpoint.every_n_train_steps=1", f"--data.batch_size={before}"]
            leyden("fit", f"--config={digits}", *words)
    assert len(trained_on) == 4 * before
    assert leyden("fit", "--ckpt_path=runs/run/0", f"--data.batch_size={after}") == 0
    counts = Counter(trained_on)
    assert set(counts.values()) == {1}
    num_train = len({index for _, index in counts})
    assert Counter(epoch for epoch, _ in counts) == {0: num_train, 1: num_train}
    last = torch.load("runs/run/0/checkpoints/last.ckpt", weights_only=True)
    rest = -(-(num_train - 4 * before) // after)
    assert last["global_step"] == 4 + rest + -(-num_train // after)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    board = EventAccumulator("runs/run/0")
    board.Reload()
    assert len(board.Scalars("val/loss")) == 2  # validated after the epoch that went on, and after the next


def test_the_global_batch_is_shared_out(digits: Path, leyden: Callable[..., int]) -> None:
    assert leyden("fit", f"--config={digits}", "--name=run", "--data.global_batch_size=100") == 0
    assert leyden("fit", f"--config={digits}", "--name=one", "--data.batch_size=100") == 0
    weights = [torch.load(f"runs/{run}/0/checkpoints/last.ckpt", weights_only=True) for run in ("run", "one")]
    for name, tensor in weights[0]["state_dict"].items():
        assert torch.equal(tensor, weights[1]["state_dict"][name])
