"""The raw images of a split."""

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils.data import Subset

from datamodules.types import Row

T = TypeVar("T")


class ImageSet(NamedTuple):
    """Raw images, and what is to be predicted of each.

    Attributes:
        images: Pixels ``(examples, channels, height, width)``, uint8; or paths or images of Pillow; or a dataset
            of these.
        labels: Names of the classes, or what else is to be predicted, as ``datamodules.targets`` reads it; None if
            unknown.
        classes: All classes, where the dataset has an order of its own.
        sizes: Height and width of each, if they were looked at.
        rows: The user's own columns, to be written with the predictions.
    """

    images: Tensor | Sequence[Any]
    labels: Sequence[Any] | None
    classes: Sequence[str] | None = None
    sizes: Sequence[tuple[int, int]] | None = None
    rows: Sequence[Row] | None = None

    def take(self, indices: Sequence[int]) -> "ImageSet":
        """Some of them."""
        images: Any
        if isinstance(self.images, Tensor):
            images = self.images[torch.as_tensor(indices)]
        elif isinstance(self.images, list):
            images = [self.images[i] for i in indices]
        else:
            images = Subset(self.images, indices)  # type: ignore[arg-type]

        def some(values: Sequence[T] | None) -> list[T] | None:
            return None if values is None else [values[i] for i in indices]

        return ImageSet(images, some(self.labels), self.classes, some(self.sizes), some(self.rows))


def text_of(cell: object) -> str:
    """A cell as text; whole numbers without a point, as Excel shows them."""
    if cell is None:
        return ""
    return str(int(cell) if isinstance(cell, float) and cell.is_integer() else cell).strip()
