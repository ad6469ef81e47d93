"""From files or pixels to batches: decoding, augmentation, normalisation."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as pixel

from datamodules.images.augmentation import BatchTransform
from datamodules.images.decoding import MAX_PIXELS, decode, pixels_of
from datamodules.sampling import BatchIndices, mix
from datamodules.types import Batch, Row


class ImageExamples:
    """Images of one split: uint8 pixels in memory, files, or the images of a torchvision dataset.

    Args:
        images: Pixels ``(examples, channels, height, width)``, uint8; or paths or images of Pillow; or a dataset of
            these.
        targets: Index of each example's class, or what else is to be predicted ``(examples, ...)``, or None.
        channels: 1 for grey, 3 for RGB.
        transforms: Applied in turn to each image, which is uint8 in 0-255 or float in 0-1; each ``BatchTransform``
            to a whole batch.
        mean: Mean of each channel, pixels scaled to 0-1.
        std: Standard deviation of each channel.
        seed: Seed of the random transforms.
        shorter: Shrink images whose shorter side has more pixels to so many, before the transforms.
        size: Then bring each image to this height and width.
        max_pixels: Larger image files are refused.
        rows: What the user is told of each image beside its prediction; its path if None.
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
        size: Sequence[int] = (),
        max_pixels: int = MAX_PIXELS,
        rows: Sequence[Row] | None = None,
    ) -> None:
        self.images, self.targets, self.channels, self.seed = images, targets, channels, seed
        self.shorter, self.size, self.max_pixels, self.rows = shorter, list(size), max_pixels, rows
        self.kept: list[Tensor] | None = None
        self.single = [transform for transform in transforms if not isinstance(transform, BatchTransform)]
        self.batched = [transform for transform in transforms if isinstance(transform, BatchTransform)]
        self.offset = 255 * torch.tensor(mean).view(-1, 1, 1)
        self.scale = 1 / (255 * torch.tensor(std).view(-1, 1, 1))
        self._numbers: tuple[int, Tensor] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def __getitems__(self, indices: BatchIndices) -> Batch:
        """Normalised images ``(batch, channels, height, width)`` and targets, class indices ``(batch)`` say."""
        targets = None if self.targets is None else self.targets[torch.tensor(indices)]
        if isinstance(self.images, Tensor) and self.size in ([], list(self.images.shape[-2:])) and not self.single:
            batch = self.images[torch.tensor(indices)]
        else:
            with torch.random.fork_rng(devices=[]):
                batch = self._stack([self._one(index, indices.epoch) for index in indices], indices)
        pixels, used = batch.float(), 0
        for transform in self.batched:
            columns = slice(used, used + transform.num_random)
            pixels = transform(pixels, self._random(indices.epoch)[torch.tensor(indices), columns])
            used += transform.num_random
        return Batch(pixels.sub_(self.offset).mul_(self.scale), targets)  # in place: a new tensor costs as much as this

    def keep(self) -> None:
        """Decode and shrink all images now, and keep them in memory."""
        if not isinstance(self.images, Tensor):
            with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding does not hold Python's lock
                self.kept = list(pool.map(self.load, range(len(self))))

    def row(self, index: int) -> Row:
        """What tells the user which image it is."""
        return {"path": self._name(index)} if self.rows is None else self.rows[index]

    def _name(self, index: int) -> str:
        image = self.images[index]
        # A name need not be text.
        return os.fsencode(image).decode(errors="backslashreplace") if isinstance(image, Path) else f"image {index}"

    def load(self, index: int) -> Tensor:
        """An image as it is before its transforms."""
        if self.kept is not None:
            return self.kept[index]
        image = self._decode(self.images[index])
        return pixel.resize(image, self.size, antialias=True) if self.size else image

    def _decode(self, image: Any) -> Tensor:
        if isinstance(image, Tensor):
            return image
        if isinstance(image, Path):
            try:
                pixels = decode(image, self.channels, self.max_pixels)
            except MisconfigurationException as error:
                raise MisconfigurationException(f"{error} (--data.on_error skip leaves such out)") from None
        elif isinstance(image, Image.Image):
            pixels = pixels_of(image, self.channels, "an image")
        else:
            pixels = pixel.pil_to_tensor(image[0].convert("RGB" if self.channels == 3 else "L"))
        if self.shorter is not None and min(pixels.shape[1:]) > self.shorter:
            pixels = pixel.resize(pixels, [self.shorter], antialias=True)
        return pixels

    def _one(self, index: int, epoch: int) -> Tensor:
        image = self.load(index)
        if self.single:
            torch.manual_seed(mix(self.seed, epoch, index))
        for transform in self.single:
            image = transform(image)
        if not image.is_floating_point():
            return image
        if not -0.5 <= image.min() <= image.max() <= 1.5:  # an interpolation may reach a little beyond 0-1
            raise MisconfigurationException(
                f"{self._name(index)} has pixels from {image.min():.3g} to {image.max():.3g} after its transforms, "
                "not 0-255 in uint8 or 0-1 in float: leave Normalize to the data, and give ToDtype `scale: true`"
            )
        return image * 255

    def _stack(self, images: list[Tensor], indices: BatchIndices) -> Tensor:
        odd = next((k for k, image in enumerate(images) if image.shape != images[0].shape), None)
        if odd is not None:
            sizes = [(self._name(indices[k]), images[k].shape[1:]) for k in (0, odd)]
            raise MisconfigurationException(different_sizes(sizes, transformed=bool(self.single)))
        if len({image.dtype for image in images}) > 1:
            images = [image.float() for image in images]
        return torch.stack(images)

    def _random(self, epoch: int) -> Tensor:
        if self._numbers is None or self._numbers[0] != epoch:
            generator = torch.Generator().manual_seed(mix(self.seed, epoch))
            columns = sum(transform.num_random for transform in self.batched)
            self._numbers = epoch, torch.rand(len(self), columns, generator=generator)
        return self._numbers[1]


def different_sizes(images: Sequence[tuple[str, Sequence[int]]], transformed: bool) -> str:
    """The sentence about two images, with their heights and widths, that form no batch."""
    when = " after their transforms" if transformed else ""
    sizes = ", ".join(f"{name} {height} x {width}" for name, (height, width) in images)
    return (
        f"images have different sizes{when} ({sizes}) and form no batch: end data.train_transforms and "
        "data.eval_transforms with a torchvision.transforms.v2.Resize of `size: [height, width]` or a CenterCrop, "
        "or name data.weights, whose size is then taken"
    )
