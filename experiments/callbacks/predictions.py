"""Predictions as the user wants them: one file, in the order of the inputs."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.rank_zero import rank_zero_info

from datamodules.data import Data
from datamodules.types import Row
from modules.task import check_rows


class PredictionWriter(Callback):
    """Collects the rows of all processes and lets the datamodule write them into the run folder."""

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Know which inputs each batch of this process holds."""
        self.batches = trainer.datamodule.batches("predict")  # type: ignore[attr-defined]
        self.rows: list[tuple[int, dict[str, Any]]] = []

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *args: Any
    ) -> None:
        """Keep the rows with the number of their input."""
        check_rows(outputs, pl_module)
        if batch_idx < self.batches.counted:
            self.rows += zip(self.batches[batch_idx], outputs, strict=True)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Bring the rows together and write them."""
        rows = self.rows
        if trainer.world_size > 1:
            everyones: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(everyones, rows)
            rows = [row for part in everyones for row in part]
        if trainer.is_global_zero:
            data = trainer.datamodule  # type: ignore[attr-defined]
            ordered = in_order(data, rows)
            folder = Path(trainer.default_root_dir)
            folder.mkdir(parents=True, exist_ok=True)
            path = data.write(ordered, folder)
            rank_zero_info(f"{len(ordered)} predictions in {path}")


def in_order(data: Data[Any, Any], rows: Iterable[tuple[int, Row]]) -> list[Row]:
    """The predictions in the order of the inputs, each with what the user knows the input by.

    Args:
        data: Has read the inputs.
        rows: Number of an input, and what was predicted of it.
    """
    return [joined(data.describe(index), row) for index, row in sorted(rows, key=lambda pair: pair[0])]


def joined(given: Row, predicted: Row) -> Row:
    """The user's own columns and those of the prediction; one that has the name of such is called ``given_...``."""
    return {f"given_{name}" if name in predicted else name: value for name, value in given.items()} | predicted
