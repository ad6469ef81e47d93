"""Pictures of forecasts beside what came to pass."""

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor


class ForecastFigures(Callback):
    """Draws windows of validation and test for TensorBoard: context, truth, forecast, naive forecast and interval.

    Args:
        count: Windows drawn; they are spread over the split.
        every_n_epochs: Draw after so many validations.
    """

    def __init__(self, count: int = 4, every_n_epochs: int = 1) -> None:
        self.count, self.every_n_epochs = count, every_n_epochs
        self.windows: list[tuple[Tensor, ...]] = []

    def _keep(self, trainer: Trainer, task: Any, outputs: Any, batch: Any, batch_idx: int, batches: int) -> None:
        first = batch_idx in {k * batches // self.count for k in range(self.count)}
        if not first or trainer.sanity_checking or outputs is None or trainer.current_epoch % self.every_n_epochs:
            return
        (history, _, series), _ = batch
        past = task.to_original(history[:1, :, : len(task.targets)], series[:1])[0]
        shown = past, outputs.preds.original[0], outputs.preds.naive_original[0], outputs.target.original[0]
        self.windows.append(tuple(values.float().cpu() for values in shown))

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *args: Any
    ) -> None:
        """Keep the first window of some batches."""
        self._keep(trainer, pl_module, outputs, batch, batch_idx, int(sum(trainer.num_val_batches)))

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *args: Any
    ) -> None:
        """Keep the first window of some batches."""
        self._keep(trainer, pl_module, outputs, batch, batch_idx, int(sum(trainer.num_test_batches)))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw them."""
        self._draw(trainer, pl_module, "val/forecasts")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw them."""
        self._draw(trainer, pl_module, "test/forecasts")

    def _draw(self, trainer: Trainer, task: Any, tag: str) -> None:
        windows, self.windows = self.windows, []
        board: Any = getattr(trainer.logger, "experiment", None)
        if windows and hasattr(board, "add_figure") and trainer.is_global_zero:
            board.add_figure(tag, draw(windows, task.targets, task.quantiles), trainer.global_step)


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
