"""Which labels are found, of examples with any number of them."""

from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor

from experiments.callbacks.board.loggers import show_text
from experiments.callbacks.figures.base import EvaluationFigures, heat_map, show_figure
from experiments.callbacks.figures.tagging import table
from modules.metrics import LabelScores
from modules.multilabel import MultiLabelClassifier

COLUMNS = ("precision", "recall", "F1")


class LabelFigures(EvaluationFigures):
    """Draws precision, recall and F1 of each label, and writes them beside the number of examples that have it.

    Of more than 100 labels nothing is drawn.

    Args:
        **kwargs: How often: see ``EvaluationFigures``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._scores: LabelScores | None = None

    def see(self, trainer: Trainer, pl_module: Any, output: Any, batch: Any, batch_idx: int, num_batches: int) -> None:
        """Count."""
        task: MultiLabelClassifier = pl_module
        self._scores = self._scores or self._make(task)
        self._scores.update(output.preds, output.target)

    def _make(self, task: MultiLabelClassifier) -> LabelScores:
        return LabelScores(len(task.labels), task.threshold).to(task.device)

    def show(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        """Draw, and write."""
        scores, self._scores = self._scores or self._make(pl_module), None  # of a process without an example too
        with scores.sync_context():  # of all processes
            values = label_rows(scores.counts.cpu())
        if trainer.is_global_zero:
            labels: list[str] = pl_module.labels
            if len(labels) <= 100:
                show_figure(trainer, f"{stage}/labels", heat_map(values[:, :3], labels, COLUMNS, limits=(0, 1)))
            show_text(trainer, f"{stage}/labels", table(zip(labels, values.tolist(), strict=True)))


def label_rows(counts: Tensor) -> Tensor:
    """Precision, recall, F1 and number of each label ``(labels, 4)``; NaN where a score is not defined.

    Args:
        counts: How often each label is rightly predicted, predicted, and true ``(3, labels)``.
    """
    right, predicted, true = counts.double()
    return torch.stack([right / predicted, right / true, 2 * right / (predicted + true), true], 1)
