"""From files to batches of pixels: decoding, augmentation, normalisation."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torchvision import io
from torchvision.transforms.v2 import functional as pixel

from datamodules.sampling import Draw, mix

ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


def is_image(path: Path) -> bool:
    """Whether a file's name ends, in any case, as that of an image."""
    return path.suffix.lower() in ENDINGS and path.is_file()


def decode(path: Path, channels: int) -> Tensor:
    """Read an image file of any colour type (grey, palette, RGBA, CMYK), turned upright.

    Args:
        path: The file.
        channels: 1 for grey, 3 for RGB.

    Returns:
        Pixels 0-255, ``(channels, height, width)``, uint8.

    Raises:
        MisconfigurationException: If there is no image in the file; it is named.
    """
    mode = io.ImageReadMode.RGB if channels == 3 else io.ImageReadMode.GRAY
    try:
        image: Tensor = io.decode_image(str(path), mode=mode, apply_exif_orientation=True)[:channels]
        return image
    except (RuntimeError, ValueError):  # a format that torchvision does not know, or a broken file
        from PIL import Image, ImageOps, UnidentifiedImageError

        try:
            with Image.open(path) as opened:
                upright = ImageOps.exif_transpose(opened).convert("RGB" if channels == 3 else "L")
                image = pixel.pil_to_tensor(upright)
                return image
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
            raise MisconfigurationException(f"{path} is not an image that can be read ({error})") from None


class BatchAffine(nn.Module):
    """Rotates, moves, scales and shears each image of a batch in its own way, all in one operation.

    Much faster than ``torchvision.transforms.v2.RandomAffine`` image by image, which it otherwise equals.

    Args:
        degrees: Greatest rotation either way, in degrees.
        translate: Greatest shift either way, as a fraction of the image's size.
        scale: Greatest change of size either way, as a fraction.
        shear: Greatest shear either way, in degrees.
        flip: Probability of a horizontal flip.
    """

    num_draws = 6

    def __init__(
        self, degrees: float = 0.0, translate: float = 0.0, scale: float = 0.0, shear: float = 0.0, flip: float = 0.0
    ) -> None:
        super().__init__()
        self.degrees, self.translate, self.scale, self.shear, self.flip = degrees, translate, scale, shear, flip

    def forward(self, images: Tensor, draws: Tensor) -> Tensor:
        """Transform images ``(batch, channels, height, width)`` by uniform draws in [0, 1), ``(batch, 6)``."""
        signed = 2 * draws - 1
        angle = torch.deg2rad(signed[:, 0] * self.degrees)
        shear = torch.tan(torch.deg2rad(signed[:, 1] * self.shear))
        zoom = 1 / (1 + signed[:, 2] * self.scale)
        mirror = 1 - 2 * (draws[:, 3] < self.flip).float()
        cos, sin = zoom * angle.cos(), zoom * angle.sin()
        rows = [mirror * cos, cos * shear - sin, signed[:, 4] * 2 * self.translate]
        rows += [mirror * sin, sin * shear + cos, signed[:, 5] * 2 * self.translate]
        grid = F.affine_grid(torch.stack(rows, 1).view(-1, 2, 3), list(images.shape), align_corners=False)
        moved: Tensor = F.grid_sample(images.float(), grid, align_corners=False)
        return moved


class ImageExamples:
    """Images of one split: uint8 pixels in memory, files, or the images of a torchvision dataset.

    Args:
        images: Pixels ``(examples, channels, height, width)``, uint8; or paths; or a dataset of PIL images.
        targets: Index of each example's class, or None.
        channels: 1 for grey, 3 for RGB.
        transforms: Applied in turn to each image (or, if it has ``num_draws``, to a whole batch with its own draws).
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
        self.single = [transform for transform in transforms if not hasattr(transform, "num_draws")]
        self.batched = [transform for transform in transforms if hasattr(transform, "num_draws")]
        self.offset = 255 * torch.tensor(mean).view(-1, 1, 1)
        self.scale = 1 / (255 * torch.tensor(std).view(-1, 1, 1))
        self._draws: tuple[int, Tensor] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def __getitems__(self, indices: Draw) -> tuple[Tensor, Tensor | None]:
        """Normalised images ``(batch, channels, height, width)`` and class indices ``(batch)``."""
        targets = None if self.targets is None else self.targets[torch.tensor(indices)]
        if isinstance(self.images, Tensor) and not self.single:
            batch = self.images[torch.tensor(indices)]
        else:
            with torch.random.fork_rng(devices=[]):
                batch = self._stack([self._one(index, indices.epoch) for index in indices], indices)
        pixels = batch.float()
        for transform in self.batched:
            draws = self._uniform(indices.epoch, transform.num_draws)[torch.tensor(indices)]  # type: ignore[arg-type]
            pixels = transform(pixels, draws)
        return pixels.sub_(self.offset).mul_(self.scale), targets  # in place: a new tensor costs as much as this

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

    def _uniform(self, epoch: int, columns: int) -> Tensor:
        if self._draws is None or self._draws[0] != epoch:
            generator = torch.Generator().manual_seed(mix(self.seed, epoch))
            self._draws = epoch, torch.rand(len(self), columns, generator=generator)
        return self._draws[1]
