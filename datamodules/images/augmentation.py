"""Transforms that take a whole batch of images at once."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class BatchTransform(nn.Module, ABC):
    """Base of the transforms of a whole batch. Each image comes with random numbers of its own.

    Attributes:
        num_random: How many random numbers an image needs.
    """

    num_random: ClassVar[int]

    @abstractmethod
    def forward(self, images: Tensor, random: Tensor) -> Tensor:
        """Transform images ``(batch, channels, height, width)`` by uniform numbers ``(batch, num_random)``."""


class BatchAffine(BatchTransform):
    """Rotates, moves, scales and shears each image of a batch in its own way, all in one operation.

    Much faster than ``torchvision.transforms.v2.RandomAffine`` image by image, which it otherwise equals.

    Args:
        degrees: Greatest rotation either way, in degrees.
        translate: Greatest shift either way, as a fraction of the image's size.
        scale: Greatest change of size either way, as a fraction.
        shear: Greatest shear either way, in degrees.
        flip: Probability of a horizontal flip.
    """

    num_random = 6

    def __init__(
        self, degrees: float = 0.0, translate: float = 0.0, scale: float = 0.0, shear: float = 0.0, flip: float = 0.0
    ) -> None:
        super().__init__()
        self.degrees, self.translate, self.scale, self.shear, self.flip = degrees, translate, scale, shear, flip

    def forward(self, images: Tensor, random: Tensor) -> Tensor:
        """Transform images ``(batch, channels, height, width)`` by uniform numbers in [0, 1), ``(batch, 6)``."""
        signed = 2 * random - 1
        angle = torch.deg2rad(signed[:, 0] * self.degrees)
        shear = torch.tan(torch.deg2rad(signed[:, 1] * self.shear))
        zoom = 1 / (1 + signed[:, 2] * self.scale)
        mirror = 1 - 2 * (random[:, 3] < self.flip).float()
        cos, sin = zoom * angle.cos(), zoom * angle.sin()
        rows = [mirror * cos, cos * shear - sin, signed[:, 4] * 2 * self.translate]
        rows += [mirror * sin, sin * shear + cos, signed[:, 5] * 2 * self.translate]
        grid = F.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(images.shape), align_corners=False)
        moved: Tensor = F.grid_sample(images.float(), grid, align_corners=False)
        return moved
