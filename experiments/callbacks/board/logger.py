"""The board of a run."""

from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch.loggers import TensorBoardLogger


class BoardLogger(TensorBoardLogger):
    """TensorBoard's curves, without the one that Lightning adds: the number of the epoch."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add points to curves."""
        super().log_metrics({name: value for name, value in metrics.items() if name != "epoch"}, step)


def board_of(run: Path, suffix: str) -> BoardLogger:
    """The board in a run's folder.

    Args:
        run: The folder.
        suffix: Of its event files.
    """
    return BoardLogger(
        run.parent.parent, name=run.parent.name, version=run.name, default_hp_metric=False, filename_suffix=suffix
    )
