"""Which labels are found, of examples with any number of them."""

import torch
from lightning.pytorch import Trainer
from torch import Tensor

from datamodules.types import Batch
from experiments.callbacks.board.loggers import show_text
from experiments.callbacks.figures.base import EvaluationFigures, heat_map, show_figure
from experiments.callbacks.figures.tagging import table
from modules.metrics import LabelScores
from modules.multilabel import MultiLabelClassifier
from modules.task import Step

COLUMNS = ("precision", "recall", "F1")


class LabelFigures(EvaluationFigures[MultiLabelClassifier]):
    """Draws precision, recall and F1 of each label, and writes them beside the number of examples that have it.

    Of more than 100 labels nothing is drawn.
    """

    def start(self, task: MultiLabelClassifier, num_batches: int) -> None:
        """Forget."""
        self._scores = LabelScores(len(task.labels), task.threshold).to(task.device)

    def see(self, trainer: Trainer, task: MultiLabelClassifier, output: Step, batch: Batch, batch_idx: int) -> None:
        """Count."""
        self._scores.update(output.preds, output.target)

    def show(self, trainer: Trainer, task: MultiLabelClassifier, stage: str) -> None:
        """Draw, and write."""
        with self._scores.sync_context():  # of all processes
            values = label_rows(self._scores.counts.cpu())
        if trainer.is_global_zero:
            if len(task.labels) <= 100:
                show_figure(trainer, f"{stage}/labels", heat_map(values[:, :3], task.labels, COLUMNS, limits=(0, 1)))
            show_text(trainer, f"{stage}/labels", table(zip(task.labels, values.tolist(), strict=True)))


def label_rows(counts: Tensor) -> Tensor:
    """Precision, recall, F1 and number of each label ``(labels, 4)``; NaN where a score is not defined.

    Args:
        counts: How often each label is rightly predicted, predicted, and true ``(3, labels)``.
    """
    right, predicted, true = counts.double()
    return torch.stack([right / predicted, right / true, 2 * right / (predicted + true), true], 1)
