"""What is predicted of each example, in the order of the examples, whatever process it was predicted on."""

import math
import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn

from datamodules.data import Data, data_of
from datamodules.own_columns import joined
from datamodules.types import Row
from modules.distributed import from_all
from modules.task import check_rows


class RowCollector(Callback):
    """Collects a row for each example of a split."""

    def start(self, trainer: Trainer, split: str) -> None:
        """Know which examples each batch of this process holds."""
        self.batches = data_of(trainer).batches(split)
        self.rows: list[tuple[int, Row]] = []

    def keep(self, rows: Iterable[Row], batch_idx: int) -> None:
        """Keep the rows of a batch with the numbers of its examples; none of a batch that does not count."""
        if batch_idx < self.batches.counted:
            self.rows += zip(self.batches[batch_idx], rows, strict=True)

    def collected(self, trainer: Trainer) -> list[tuple[int, Row]]:
        """The numbers and rows of all processes, in order. All processes call this."""
        parts = from_all(self.rows, trainer.world_size)
        return sorted((pair for part in parts for pair in part), key=lambda pair: pair[0])


class PredictionWriter(RowCollector):
    """Lets the datamodule write what was predicted, in the order of the inputs, into the run folder.

    Args:
        draws: Whether it may draw it too.
    """

    def __init__(self, draws: bool) -> None:
        self.draws = draws

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Know the inputs."""
        self.start(trainer, "predict")

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: list[Row], batch: Any, batch_idx: int, *_: object
    ) -> None:
        """Keep the rows."""
        check_rows(outputs, pl_module)
        self.keep(outputs, batch_idx)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Bring the rows together and write them."""
        rows = self.collected(trainer)
        if trainer.is_global_zero:
            data = data_of(trainer)
            ordered = in_order(data, rows)
            folder = Path(trainer.default_root_dir)
            folder.mkdir(parents=True, exist_ok=True)
            path = _whole(data, ordered, folder)
            if self.draws:
                data.draw(ordered, folder)
            rank_zero_info(f"{len(ordered)} predictions in {path}")


def _whole(data: Data, rows: list[Row], folder: Path) -> Path:
    """Let the datamodule write, and only then take the place of what was predicted before."""
    with TemporaryDirectory(prefix=".predictions", dir=folder) as beside:
        try:
            path = data.write(rows, Path(beside))
        except OSError as error:
            raise MisconfigurationException(
                f"the predictions cannot be written into {folder} ({error.strerror or error}); those that were there "
                "are left as they were"
            ) from error
        for written in Path(beside).iterdir():
            os.replace(written, folder / written.name)
    return folder / path.name


def in_order(data: Data, rows: Iterable[tuple[int, Row]]) -> list[Row]:
    """The predictions in the order of the inputs, each with what the user knows the input by.

    Args:
        data: Has read the inputs.
        rows: Number of an input, and what was predicted of it.
    """
    ordered = sorted(rows, key=lambda pair: pair[0])
    odd = [index for index, row in ordered if not _is_finite(list(row.values()))]
    if odd:
        rank_zero_warn(
            f"{len(odd)} of {len(ordered)} predictions are no finite numbers, first that of input {odd[0] + 1}: is a "
            "value of it far larger than in training?"
        )
    return [joined(data.describe(index), row) for index, row in ordered]


def _is_finite(values: object) -> bool:
    """Whether no number is infinite or none, in lists and dictionaries too."""
    if isinstance(values, dict):
        values = list(values.values())
    if isinstance(values, list | tuple):
        return all(map(_is_finite, values))
    return not isinstance(values, float) or math.isfinite(values)
