"""The board of a run."""

from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger


class BoardLogger(TensorBoardLogger):
    """TensorBoard's curves, without the one that Lightning adds: the number of the epoch."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add points to curves."""
        kept: dict[str, Any] = {name: value for name, value in metrics.items() if name != "epoch"}
        super().log_metrics(kept, step)
