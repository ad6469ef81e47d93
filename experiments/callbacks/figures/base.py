"""When to look at evaluated batches, when to show what was seen, and the heat map that several figures are."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from typing_extensions import TypeVar

from datamodules.optional import optional
from datamodules.pictures import drawn
from experiments.callbacks.board.loggers import has_board, show_picture
from modules.task import Step, Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

T = TypeVar("T", bound=Task, default=Any)

PICTURES = "pictures"  # in the folder of a run
DPI = 160  # four inches are twice the width at which TensorBoard first shows a picture


class EvaluationFigures(Callback, ABC, Generic[T]):
    """Base of the callbacks that show on the boards what they saw in the batches of validation and test.

    That is in validation every ``every_n_epochs`` epochs and in the last of ``max_epochs``, and in a test.

    Args:
        every_n_epochs: Epochs between two showings; if None they are shown in the epochs 1, 2, 5, 10, 20, 50 and so on.

    Raises:
        MisconfigurationException: If ``every_n_epochs`` is below 1.
    """

    def __init__(self, every_n_epochs: int | None = None) -> None:
        if every_n_epochs is not None and every_n_epochs < 1:
            raise MisconfigurationException(
                f"{type(self).__name__}.every_n_epochs is {every_n_epochs}; it must be at least 1"
            )
        self.every_n_epochs = every_n_epochs

    def start(self, task: T, num_batches: int) -> None:
        """Forget what was seen before an evaluation of so many batches; a process may have no example among them."""

    def see(self, trainer: Trainer, task: T, output: Step, batch: Any, batch_idx: int) -> None:
        """Look at a batch and what the task made of it; not wanted where all batches show the same."""

    @abstractmethod
    def show(self, trainer: Trainer, task: T, stage: str) -> None:
        """Show what was seen; ``stage`` is ``val`` or ``test``. All processes come here together."""

    def wanted(self, trainer: Trainer) -> bool:
        """Whether to look at the batches."""
        return not trainer.sanity_checking and has_board(trainer) and is_due(trainer, self.every_n_epochs)

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: object, batch: object, batch_idx: int, *args: object
    ) -> None:
        """Look."""
        self._look(trainer, pl_module, outputs, batch, batch_idx, int(sum(trainer.num_val_batches)), "val")

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: Any, outputs: object, batch: object, batch_idx: int, *args: object
    ) -> None:
        """Look."""
        self._look(trainer, pl_module, outputs, batch, batch_idx, int(sum(trainer.num_test_batches)), "test")

    def _look(
        self, trainer: Trainer, task: Any, output: Any, batch: object, batch_idx: int, num_batches: int, stage: str
    ) -> None:
        if not self.wanted(trainer):
            return
        if batch_idx == 0:
            self.start(task, num_batches)
        if output is not None:
            self.see(trainer, task, output, batch, batch_idx)
        if batch_idx + 1 == num_batches:  # with the weights that were evaluated: after the epoch, an average is gone
            self.show(trainer, task, stage)


def is_due(trainer: Trainer, every_n_epochs: int | None) -> bool:
    """Whether this epoch is one of every so many, or the last, or no training goes on; see ``EvaluationFigures``."""
    epoch = trainer.current_epoch + 1
    if trainer.state.fn != "fit" or epoch == trainer.max_epochs:
        return True
    # Ten in a thousand epochs: the board keeps no more, and drawing takes longer than an epoch of few examples.
    return epoch % every_n_epochs == 0 if every_n_epochs else str(epoch).rstrip("0") in ("1", "2", "5")


def show_figure(trainer: Trainer, tag: str, figure: "Figure") -> None:
    """Show a figure on the boards, and put it into the run's folder as ``pictures/TAG.png``, if that can be written.

    Args:
        trainer: Has the boards.
        tag: Its name there.
        figure: A matplotlib figure.
    """
    picture = drawn(figure, DPI)
    board = trainer.logger  # its folder is the run's
    folder = board.log_dir if isinstance(board, TensorBoardLogger) else trainer.default_root_dir
    path = Path(folder) / PICTURES / f"{tag.replace('/', '_')}.png"
    with optional(path.name, path.parent, "--figures false leaves pictures out"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture)
    show_picture(trainer, tag, picture)


def shortened(name: str, longest: int = 14) -> str:
    """A name that fits."""
    name = " ".join(name.split())
    return name if len(name) <= longest else f"{name[: longest - 1]}\u2026"


def plain(text: str) -> str:
    """A text as Markdown that shows it as it is, in one line.

    Long texts stand in lists: beside them, the board breaks the words in the other columns of a table.
    """
    shown = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_])", r"\\\1", shown)


def axes_at(figure: "Figure", left: float, bottom: float, width: float, height: float) -> "Axes":
    """Axes at a place of a matplotlib figure, in inches; matplotlib's own layout takes as long as drawing."""
    across, down = figure.get_size_inches()
    return figure.add_axes((left / across, bottom / down, width / across, height / down))


def heat_map(
    values: Tensor,
    rows: Sequence[str],
    columns: Sequence[str],
    axis_names: tuple[str, str] = ("", ""),
    limits: tuple[float, float] | None = None,
    numbers: Tensor | None = None,
) -> "Figure":
    """A matrix in colours, readable 320 pixels wide if it has at most a dozen columns, and at its full size beyond.

    Args:
        values: ``(rows, columns)``; what is NaN stays white.
        rows: Name of each row.
        columns: Name of each column.
        axis_names: What the rows and the columns are.
        limits: Values of the palest and of the darkest colour; the least and the greatest value if not given.
        numbers: Whole numbers ``(rows, columns)`` to write into the cells but for zeros, in place of a colour bar;
            thousands as 12k; below them the values as percentages, where there is room.

    Returns:
        A matplotlib figure.
    """
    from matplotlib.figure import Figure

    rows, columns = [shortened(name) for name in rows], [shortened(name) for name in columns]
    # Room for the names.
    longest_row, longest_column = (max(map(len, names), default=0) for names in (rows, columns))
    upright = longest_column > 2 and longest_column * len(columns) > 30
    left = 0.3 + 0.08 * longest_row + (0.15 if axis_names[0] else 0)
    bottom = 0.3 + (0.08 * longest_column if upright else 0.05) + (0.15 if axis_names[1] else 0)
    right, top = 0.1 if numbers is not None else 0.7, 0.1
    width, height = (max(0.26 * len(names), 3.9 - left - right) for names in (columns, rows))
    width, height = min(width, 12.0), max(1.2, min(height, 12.0, 0.45 * len(rows) if numbers is None else height))
    low, high = limits or (None, None)
    figure = Figure(figsize=(left + width + right, bottom + height + top))
    axes = axes_at(figure, left, bottom, width, height)
    image = axes.imshow(values, cmap="Blues" if limits else "viridis", vmin=low, vmax=high, aspect="auto")
    axes.tick_params(labelsize=9, length=2, pad=2)
    axes.set_xticks(range(len(columns)), columns, rotation=90 if upright else 0)
    axes.set_yticks(range(len(rows)), rows)
    axes.set_xlabel(axis_names[1], labelpad=2)
    axes.set_ylabel(axis_names[0], labelpad=2)
    if numbers is None:
        beside = axes_at(figure, left + width + 0.1, bottom, 0.12, height)
        figure.colorbar(image, cax=beside).ax.tick_params(labelsize=8, length=2, pad=2)
        return figure
    middle = sum(limits) / 2 if limits else float(values.nanmean())
    room = min(width / len(columns), height / len(rows))  # inches
    for i, j in numbers.nonzero().tolist() if max(numbers.shape) <= 25 else []:
        colour = "white" if values[i, j] > middle else "black"
        count = int(numbers[i, j])
        said = str(count) if count < 10_000 else f"{count / 1000:.0f}k"
        said += f"\n{float(values[i, j]):.0%}" if room > 0.3 else ""
        axes.text(j, i, said, ha="center", va="center", color=colour, fontsize=9 if room > 0.4 else 7.5)
    return figure
