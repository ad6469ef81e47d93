"""Pictures of forecasts beside what came to pass."""

from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor

from experiments.callbacks.figures.base import EvaluationFigures


class ForecastFigures(EvaluationFigures):
    """Draws windows of validation and test for TensorBoard: context, truth, forecast, naive forecast and interval.

    Args:
        count: Windows drawn; they are spread over the split.
        every_n_epochs: Epochs between drawings.
    """

    def __init__(self, count: int = 4, every_n_epochs: int = 1) -> None:
        super().__init__(every_n_epochs)
        self.count = count
        self.windows: list[tuple[Tensor, ...]] = []

    def see(self, trainer: Trainer, pl_module: Any, output: Any, batch: Any, batch_idx: int, num_batches: int) -> None:
        """Keep the first window of some batches."""
        if batch_idx not in {k * num_batches // self.count for k in range(self.count)}:
            return
        (history, _, series), _ = batch
        past = pl_module.to_original(history[:1, :, : len(pl_module.targets)], series[:1])[0]
        shown = past, output.preds.original[0], output.preds.naive_original[0], output.target.original[0]
        self.windows.append(tuple(values.float().cpu() for values in shown))

    def show(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        """Draw them."""
        windows, self.windows = self.windows, []
        if windows and trainer.is_global_zero:
            figure = draw(windows, pl_module.targets, pl_module.quantiles)
            trainer.logger.experiment.add_figure(f"{stage}/forecasts", figure, trainer.global_step)  # type: ignore[union-attr]


def draw(windows: list[tuple[Tensor, ...]], targets: list[str], levels: list[float], most: int = 3) -> Any:
    """A panel for each window and each of the first few targets.

    Args:
        windows: Context ``(context, targets)``, forecast ``(horizon, targets, outputs)``, naive forecast and truth
            ``(horizon, targets)`` of each, in the units of the file.
        targets: Names of the targets.
        levels: Levels of the quantiles, or nothing.
        most: Targets drawn.

    Returns:
        A matplotlib figure.
    """
    from matplotlib.figure import Figure

    columns = min(most, len(targets))
    figure = Figure(figsize=(5 * columns, 2.2 * len(windows)), layout="constrained")
    grid = figure.subplots(len(windows), columns, squeeze=False)
    for line, (past, forecast, naive, truth) in zip(grid, windows, strict=True):
        steps = len(truth)
        ahead, before = torch.arange(steps), torch.arange(-min(len(past), 2 * steps), 0)
        for k, axes in enumerate(line):
            axes.plot(before, past[before, k], color="black", linewidth=0.8)
            axes.plot(ahead, truth[:, k], color="black", linewidth=1.2, label="truth")
            axes.plot(ahead, naive[:, k], color="tab:gray", linewidth=0.8, linestyle=":", label="seasonal naive")
            axes.plot(ahead, forecast[:, k, forecast.shape[2] // 2], color="tab:blue", label="forecast")
            if levels:
                label = f"{levels[0]} to {levels[-1]}"
                axes.fill_between(
                    ahead, forecast[:, k, 0], forecast[:, k, -1], color="tab:blue", alpha=0.2, label=label
                )
            axes.set_title(targets[k], fontsize=8)
            axes.tick_params(labelsize=7)
    grid[0][0].legend(fontsize=7)
    return figure
