"""From files or pixels to batches: decoding, augmentation, normalisation."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as pixel

from datamodules.images.augmentation import BatchTransform
from datamodules.images.decoding import decode
from datamodules.sampling import Draw, mix
from datamodules.types import Batch


class ImageExamples:
    """Images of one split: uint8 pixels in memory, files, or the images of a torchvision dataset.

    Args:
        images: Pixels ``(examples, channels, height, width)``, uint8; or paths; or a dataset of PIL images.
        targets: Index of each example's class, or None.
        channels: 1 for grey, 3 for RGB.
        transforms: Applied in turn to each image (a ``BatchTransform``: to a whole batch).
        mean: Mean of each channel, pixels scaled to 0-1.
        std: Standard deviation of each channel.
        seed: Seed of the random transforms.
        shorter: Shrink images whose shorter side has more pixels to so many, before the transforms.
    """

    def __init__(
        self,
        images: Tensor | Sequence[Any],
        targets: Tensor | None,
        channels: int,
        transforms: Sequence[nn.Module],
        mean: Sequence[float],
        std: Sequence[float],
        seed: int,
        shorter: int | None = None,
    ) -> None:
        self.images, self.targets, self.channels, self.seed = images, targets, channels, seed
        self.shorter = shorter
        self.single = [transform for transform in transforms if not isinstance(transform, BatchTransform)]
        self.batched = [transform for transform in transforms if isinstance(transform, BatchTransform)]
        self.offset = 255 * torch.tensor(mean).view(-1, 1, 1)
        self.scale = 1 / (255 * torch.tensor(std).view(-1, 1, 1))
        self._numbers: tuple[int, Tensor] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def __getitems__(self, indices: Draw) -> Batch:
        """Normalised images ``(batch, channels, height, width)`` and class indices ``(batch)``."""
        targets = None if self.targets is None else self.targets[torch.tensor(indices)]
        if isinstance(self.images, Tensor) and not self.single:
            batch = self.images[torch.tensor(indices)]
        else:
            with torch.random.fork_rng(devices=[]):
                batch = self._stack([self._one(index, indices.epoch) for index in indices], indices)
        pixels = batch.float()
        for transform in self.batched:
            pixels = transform(pixels, self._random(indices.epoch, transform.num_random)[torch.tensor(indices)])
        return Batch(pixels.sub_(self.offset).mul_(self.scale), targets)  # in place: a new tensor costs as much as this

    def keep(self) -> None:
        """Decode and shrink all images now, and keep them in memory."""
        if not isinstance(self.images, Tensor):
            with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding does not hold Python's lock
                self.images = list(pool.map(self._load, range(len(self))))

    def _load(self, index: int) -> Tensor:
        image = self.images[index]
        if isinstance(image, Tensor):
            return image
        if isinstance(image, Path):
            image = decode(image, self.channels)
        else:
            image = pixel.pil_to_tensor(image[0].convert("RGB" if self.channels == 3 else "L"))
        if self.shorter is not None and min(image.shape[1:]) > self.shorter:
            image = pixel.resize(image, [self.shorter], antialias=True)
        return image

    def _one(self, index: int, epoch: int) -> Tensor:
        image = self._load(index)
        if self.single:
            torch.manual_seed(mix(self.seed, epoch, index))
        for transform in self.single:
            image = transform(image)
        return image

    def _stack(self, images: list[Tensor], indices: Draw) -> Tensor:
        shapes = {tuple(image.shape) for image in images}
        if len(shapes) > 1:
            odd = next(i for i, image in zip(indices, images, strict=True) if image.shape != images[0].shape)
            raise MisconfigurationException(
                f"images of different sizes cannot form a batch ({self.images[odd]} differs): "
                "add torchvision.transforms.v2.Resize and CenterCrop to data.train_transforms and data.eval_transforms"
            )
        return torch.stack(images)

    def _random(self, epoch: int, columns: int) -> Tensor:
        if self._numbers is None or self._numbers[0] != epoch:
            generator = torch.Generator().manual_seed(mix(self.seed, epoch))
            self._numbers = epoch, torch.rand(len(self), columns, generator=generator)
        return self._numbers[1]
