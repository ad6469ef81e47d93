"""A loss that is no number ends training at once, before a checkpoint can be spoiled."""

import math
from collections import deque
from pathlib import Path
from typing import NamedTuple

import torch
from lightning.pytorch import Trainer
from torch import Tensor

from datamodules.data import data_of
from experiments.runs import FOLDER


class _Kept(NamedTuple):
    loss: Tensor
    arrived: torch.cuda.Event | None  # None where the loss is in the memory of the processor anyway
    step: int
    epoch: int
    batch: int


class LossWatch:
    """Finds losses that are NaN or infinite, without making an accelerator wait for each."""

    def __init__(self) -> None:
        self._kept: deque[_Kept] = deque()

    def keep(self, loss: Tensor, trainer: Trainer, batch: int) -> None:
        """Keep the loss of a training step, to look at it when it has arrived."""
        loss, arrived = loss.detach(), None
        if loss.is_cuda:
            loss, arrived = loss.to("cpu", non_blocking=True), torch.cuda.Event()
            arrived.record()
        self._kept.append(_Kept(loss, arrived, trainer.global_step, trainer.current_epoch, batch))

    def look(self, trainer: Trainer, wait: bool) -> str | None:
        """Look at the losses that have arrived.

        Args:
            trainer: Knows the examples.
            wait: Whether to wait for all of them: before a checkpoint is written.

        Returns:
            A sentence if one of them is no number; it names the step, the examples and what may help.
        """
        while self._kept:
            kept = self._kept[0]
            if kept.arrived is not None and not wait and not kept.arrived.query():
                return None
            if kept.arrived is not None:
                kept.arrived.synchronize()
            self._kept.popleft()
            if not math.isfinite(kept.loss):
                return _sentence(trainer, kept)
        return None


def _sentence(trainer: Trainer, kept: _Kept) -> str:
    indices = ", ".join(map(str, data_of(trainer).batches("train", kept.epoch)[kept.batch]))
    folder = Path(trainer.default_root_dir) / FOLDER
    before = f"; the checkpoints in {folder} are from before" if any(folder.glob("*.ckpt")) else ""
    return (
        f"the loss is {float(kept.loss)} at step {kept.step} (epoch {kept.epoch}, batch {kept.batch}, training "
        f"examples {indices}){before}. A lower learning rate (--model.optimizer.lr) or clipping "
        "(--trainer.gradient_clip_val) may help"
    )
