"""What is to be predicted of a text, an image or a row: as it is read, learned and encoded."""

from collections.abc import Sequence
from typing import Literal

from datamodules.targets.base import Target
from datamodules.targets.classes import ClassTarget
from datamodules.targets.labels import LabelTarget, split_labels
from datamodules.targets.names import composed, warn_of_alike
from datamodules.targets.numbers import NumberTarget

__all__ = [
    "ClassTarget",
    "Kind",
    "LabelTarget",
    "NumberTarget",
    "Target",
    "composed",
    "make_target",
    "split_labels",
    "warn_of_alike",
]

Kind = Literal["class", "labels", "number"]


def make_target(kind: Kind, columns: str | Sequence[str], between: str | None, decimal: str | None) -> Target:
    """What is to be predicted of the user's own examples.

    Args:
        kind: A ``class``, several ``labels``, or a ``number``.
        columns: The column or columns of the user's table.
        between: What stands between labels in a cell; told from the column if None.
        decimal: Decimal sign of numbers; told from the columns if None.
    """
    names = [columns] if isinstance(columns, str) else columns
    if kind == "labels":
        return LabelTarget(names, between)
    return NumberTarget(names, decimal) if kind == "number" else ClassTarget(names)
