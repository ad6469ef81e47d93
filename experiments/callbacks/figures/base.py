"""When to look at evaluated batches, when to show what was seen, and the heat map that several figures are."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor


class EvaluationFigures(Callback, ABC):
    """Base of the callbacks that show in TensorBoard what they saw in the batches of validation and test.

    That is in validation every ``every_n_epochs`` epochs and in the last one, and in a test.

    Args:
        every_n_epochs: Epochs between two showings.

    Raises:
        MisconfigurationException: If ``every_n_epochs`` is below 1.
    """

    def __init__(self, every_n_epochs: int = 1) -> None:
        if every_n_epochs < 1:
            raise MisconfigurationException(
                f"{type(self).__name__}.every_n_epochs is {every_n_epochs}; it must be at least 1"
            )
        self.every_n_epochs = every_n_epochs

    @abstractmethod
    def see(self, trainer: Trainer, pl_module: Any, output: Any, batch: Any, batch_idx: int, num_batches: int) -> None:
        """Look at a batch of ``num_batches`` and the ``Step`` that the task made of it."""

    @abstractmethod
    def show(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        """Show what was seen, and forget it; ``stage`` is ``val`` or ``test``. All processes come here together."""

    def wanted(self, trainer: Trainer) -> bool:
        """Whether to look at the batches."""
        if trainer.sanity_checking or not isinstance(trainer.logger, TensorBoardLogger):
            return False
        return is_due(trainer, self.every_n_epochs)

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *args: Any
    ) -> None:
        """Look."""
        self._look(trainer, pl_module, outputs, batch, batch_idx, int(sum(trainer.num_val_batches)), "val")

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *args: Any
    ) -> None:
        """Look."""
        self._look(trainer, pl_module, outputs, batch, batch_idx, int(sum(trainer.num_test_batches)), "test")

    def _look(
        self, trainer: Trainer, task: Any, output: Any, batch: Any, batch_idx: int, num_batches: int, stage: str
    ) -> None:
        if not self.wanted(trainer):
            return
        if output is not None:
            self.see(trainer, task, output, batch, batch_idx, num_batches)
        if batch_idx + 1 == num_batches:  # with the weights that were evaluated: after the epoch, an average is gone
            self.show(trainer, task, stage)


def is_due(trainer: Trainer, every_n_epochs: int) -> bool:
    """Whether this epoch is one of every so many, or the last, or no training goes on."""
    epoch = trainer.current_epoch + 1
    return trainer.state.fn != "fit" or epoch % every_n_epochs == 0 or epoch == trainer.max_epochs


def heat_map(
    values: Tensor,
    rows: Sequence[str],
    columns: Sequence[str],
    axis_names: tuple[str, str] = ("", ""),
    limits: tuple[float, float] | None = None,
    numbers: Tensor | None = None,
) -> Any:
    """A matrix in colours.

    Args:
        values: ``(rows, columns)``; what is NaN stays white.
        rows: Name of each row.
        columns: Name of each column.
        axis_names: What the rows and the columns are.
        limits: Values of the palest and of the darkest colour; the least and the greatest value if not given.
        numbers: Whole numbers ``(rows, columns)`` to write into the cells but for zeros, in place of a colour bar.

    Returns:
        A matplotlib figure.
    """
    from matplotlib.figure import Figure

    width, height = (max(4.0, min(14.0, 0.5 * len(names) + 2)) for names in (columns, rows))
    # Room for the names; matplotlib's own layout takes as long as drawing.
    longest_row, longest_column = (max(map(len, names), default=0) for names in (rows, columns))
    left = min(0.5, (0.85 + 0.085 * longest_row) / width)
    bottom = min(0.5, (0.85 + 0.085 * longest_column) / height)
    right = 0.97 if numbers is not None else 0.85
    low, high = limits or (None, None)
    figure = Figure(figsize=(width, height), dpi=80)
    axes = figure.add_axes((left, bottom, right - left, 0.97 - bottom))
    image = axes.imshow(values, cmap="Blues" if limits else "viridis", vmin=low, vmax=high, aspect="auto")
    axes.set_xticks(range(len(columns)), columns, rotation=90 if longest_column > 2 else 0)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel(axis_names[1])
    axes.set_ylabel(axis_names[0])
    if numbers is None:
        figure.colorbar(image, cax=figure.add_axes((right + 0.02, bottom, 0.02, 0.97 - bottom)))
        return figure
    middle = sum(limits) / 2 if limits else float(values.nanmean())
    for i, j in numbers.nonzero().tolist() if max(numbers.shape) <= 25 else []:
        colour = "white" if values[i, j] > middle else "black"
        axes.text(j, i, str(int(numbers[i, j])), ha="center", va="center", color=colour, fontsize=8)
    return figure
