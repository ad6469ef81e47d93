"""Predicted numbers beside the true ones."""

from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor

from datamodules.types import Batch
from experiments.callbacks.figures.base import EvaluationFigures, shortened, show_figure
from modules.regression import Regressor
from modules.task import Step

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 2000  # points


class RegressionFigures(EvaluationFigures[Regressor]):
    """Draws the prediction of each example over its true value, in the units of the target; on the line it is right.

    They are the first 2,000 examples of the first process.

    Args:
        targets: Targets drawn, at most.
        **kwargs: How often: see ``EvaluationFigures``.
    """

    def __init__(self, targets: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.targets = targets

    def start(self, task: Regressor, num_batches: int) -> None:
        """Forget."""
        self._seen: list[tuple[Tensor, Tensor]] = []

    def see(self, trainer: Trainer, task: Regressor, output: Step, batch: Batch, batch_idx: int) -> None:
        """Keep the numbers."""
        if sum(len(truth) for _, truth in self._seen) < MOST:
            self._seen.append((output.preds.cpu(), output.target.cpu()))

    def show(self, trainer: Trainer, task: Regressor, stage: str) -> None:
        """Draw."""
        if self._seen and trainer.is_global_zero:
            shift = torch.as_tensor(task.facts.target_mean)
            preds, truth = (torch.cat(parts)[:MOST].double() + shift for parts in zip(*self._seen, strict=True))
            names = task.targets[: self.targets]
            show_figure(trainer, f"{stage}/predictions", scatter_figure(preds, truth, names))


def scatter_figure(preds: Tensor, truth: Tensor, names: list[str]) -> "Figure":
    """Points of predictions over true values ``(examples, targets)``, a panel a target, one below the other."""
    from matplotlib.figure import Figure

    side = 4.0
    figure = Figure(figsize=(side, side * len(names)))
    for k, name in enumerate(names):
        axes = figure.add_axes((0.17, (len(names) - 1 - k + 0.13) / len(names), 0.79, 0.84 / len(names)))
        axes.plot(truth[:, k], preds[:, k], ".", markersize=5, alpha=0.5, markeredgewidth=0)
        both = torch.stack([truth[:, k], preds[:, k]])
        both = both[both.isfinite()]
        if len(both):
            ends = [float(both.min()), float(both.max())]
            axes.plot(ends, ends, color="black", linewidth=0.8)
        axes.tick_params(labelsize=8, length=2, pad=2)
        axes.set_xlabel(f"true {shortened(name, 30)}", labelpad=2)
        axes.set_ylabel("predicted", labelpad=2)
    return figure
