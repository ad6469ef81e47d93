"""Predictions of tested examples, and the scores of those of all folds together."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from lightning.pytorch import LightningModule, Trainer

from datamodules.data import data_of
from datamodules.types import Batch, Row
from experiments import load, runs
from experiments.callbacks.predictions import RowCollector
from modules.task import Task

PREDICTIONS = "test_predictions.jsonl"  # in the folder of a run
POOLED = "out_of_fold.csv"  # in the folder of a study


class TestPredictions(RowCollector):
    """Keeps what is predicted of each example of the test split beside what is true of it, a row of JSON each.

    ``example`` is where it stands among all examples that are divided, or within the split where there is no such
    order.
    """

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Know the examples."""
        self.start(trainer, "test")

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int, *_: object
    ) -> None:
        """Predict, as if what is true were not known."""
        assert isinstance(pl_module, Task)
        truth = pl_module.truth(batch)
        if truth is None or batch_idx >= self.batches.counted:
            return
        rows = pl_module.predict_step(batch._replace(target=None) if isinstance(batch, Batch) else batch, batch_idx)
        self.keep((true | row for true, row in zip(truth, rows, strict=True)), batch_idx)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Bring the rows together and write them."""
        rows = self.collected(trainer)
        if trainer.is_global_zero and rows:
            places = data_of(trainer).positions("test")
            lines = [
                json.dumps({"example": index if places is None else places[index], **row}, ensure_ascii=False)
                for index, row in rows
            ]
            runs.write(Path(trainer.default_root_dir) / PREDICTIONS, "\n".join(lines) + "\n")


def read_predictions(folder: Path) -> list[Row]:
    """The kept predictions of a run; none if there are none."""
    path = folder / PREDICTIONS
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def pooled(folders: Sequence[Path]) -> tuple[list[Row], dict[str, float]]:
    """The predictions of all folds, each example by the model that did not see it, and their scores.

    Args:
        folders: The runs, one for each fold.

    Returns:
        Rows with their ``fold``, in the order of the examples, and scores under ``test/``; nothing if a fold has no
        predictions.
    """
    parts = [read_predictions(folder) for folder in folders]
    if not all(parts):
        return [], {}
    rows = [{"fold": fold, **row} for fold, part in enumerate(parts) for row in part]
    scores = load(folders[0]).task.score_rows(rows)
    return sorted(rows, key=lambda row: (row["example"], row["fold"])), {f"test/{n}": v for n, v in scores.items()}


def write_pooled(rows: Iterable[Row], path: Path) -> None:
    """Write predictions as CSV; lists and mappings as JSON."""
    flat = [{k: json.dumps(v) if isinstance(v, list | dict) else v for k, v in row.items()} for row in rows]
    with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.DictWriter(file, dict.fromkeys(name for row in flat for name in row))
        writer.writeheader()
        writer.writerows(flat)
