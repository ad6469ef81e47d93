"""Numbers of series as they are scaled, and what cannot be."""

from collections.abc import Sequence
from pathlib import Path

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor

from datamodules.series.reading import Part


def numbers_of(part: Part, names: Sequence[str], log: bool, path: Path) -> Tensor:
    """Columns ``(steps, columns)``, their logarithms if asked.

    Raises:
        MisconfigurationException: If there is no logarithm.
    """
    values = part.columns(names)
    if not log:
        return values
    low = (values[: len(values) - part.future] <= 0).nonzero()
    if len(low):
        row, column = low[0].tolist()
        raise MisconfigurationException(
            f"{path}: column `{names[column]}` is not positive at {part.times[row]}, so it has no logarithm "
            "(data.scale)"
        )
    return values.clamp(min=1e-30).log()


def refuse_constants(
    train: Sequence[Part], names: Sequence[str], mean: Tensor, std: Tensor, id: str | None, path: Path
) -> None:
    """Refuse a column without any spread in training; ``mean`` and ``std`` are ``(series, columns)``."""
    for number, column in (std <= 1e-9 * (1 + mean.abs())).nonzero().tolist():
        part = train[number]
        of = f" of {id} `{part.name}`" if part.name else ""
        raise MisconfigurationException(
            f"{path}: column `{names[column]}`{of} is constant in the training part, from {part.times[0]} to "
            f"{part.times[-1]}: leave it out"
        )


def warn_of_units(part: Part, targets: Sequence[str], usual: Tensor, path: Path) -> None:
    """Warn of values far from the ``usual`` range ``(2, targets)`` of training, as those in another unit are."""
    low, high = usual
    values = part.columns(targets)[: len(part.frame) - part.future]
    far = ((values - (low + high) / 2).abs() > 5 * (high - low)).nonzero()
    if len(far):
        row, column = far[0].tolist()
        rank_zero_warn(
            f"{path}: column `{targets[column]}` is {values[row, column]:g} at {part.times[row]}, but was "
            f"{low[column]:g} to {high[column]:g} in training: is it the same quantity, in the same unit?"
        )
