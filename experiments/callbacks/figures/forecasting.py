"""Forecasts of validation and test, drawn beside what came to pass."""

from typing import Any

from lightning.pytorch import Trainer

from datamodules.series.figures import Panel, draw_forecasts
from datamodules.types import Batch
from experiments.callbacks.figures.base import EvaluationFigures, show_figure
from modules.forecasting import Forecaster
from modules.task import Step


class ForecastFigures(EvaluationFigures[Forecaster]):
    """Draws windows of validation and test in TensorBoard: context, truth, forecast, interval, seasonal naive forecast.

    Args:
        count: Windows drawn; they are spread over the split.
        targets: Targets drawn of each, at most.
        **kwargs: How often: see ``EvaluationFigures``.
    """

    def __init__(self, count: int = 4, targets: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.count, self.targets = count, targets

    def start(self, task: Forecaster, num_batches: int) -> None:
        """Forget, and choose batches."""
        self.panels: list[Panel] = []
        self.chosen = {k * num_batches // self.count for k in range(self.count)}

    def see(self, trainer: Trainer, task: Forecaster, output: Step, batch: Batch, batch_idx: int) -> None:
        """Keep the first window of some batches."""
        if not trainer.is_global_zero or batch_idx not in self.chosen:
            return
        history, _, series = batch.inputs
        past = task.to_original(history[:1, :, : len(task.targets)], series[:1])[0].cpu()
        preds, target = output.preds, output.target
        forecast, naive, truth = (some[0].cpu() for some in (preds.original, preds.naive_original, target.original))
        steps = len(truth)
        past = past[-2 * steps :]
        for k, name in enumerate(task.targets[: self.targets]):
            ahead, before = range(steps), range(-len(past), 0)
            title = f"{name}, window {len(self.panels) // len(task.targets[: self.targets]) + 1}"
            self.panels.append(Panel(title, before, past[:, k], ahead, forecast[:, k], truth[:, k], naive[:, k]))

    def show(self, trainer: Trainer, task: Forecaster, stage: str) -> None:
        """Draw them."""
        if self.panels and trainer.is_global_zero:
            # One below the other, to be readable.
            figure = draw_forecasts(self.panels, 1, task.quantiles, size=(4.0, 1.8), unit="steps ahead")
            show_figure(trainer, f"{stage}/forecasts", figure)
