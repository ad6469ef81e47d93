"""Torchvision's image datasets."""

import difflib
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
import torchvision
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from datamodules.images.base import Images, Pictures
from datamodules.splits import part_of


class TorchvisionImages(Images):
    """Any classification dataset of torchvision, downloaded by it: MNIST, CIFAR10, SVHN, Food101, ImageNet, ...

    A validation split comes out of the training images, stratified, by the seed; for datasets without a test split
    (ImageNet) the published validation split serves as the test split.

    Args:
        name: Name of the class in ``torchvision.datasets``.
        variant: The dataset's own choice of a part (EMNIST's ``split``), if it has one.
        root: Folder of datasets; ``$LEYDEN_DATA``, else ``data``, if not given.
        batch_size: Images in a batch, per process.
        num_workers: Processes that load batches.
        predict_path: An image, or a folder of images, to predict.
        channels: 3 for RGB, 1 for grey.
        train_transforms: Transforms of the training images.
        eval_transforms: Transforms of all other images.
        weights: Name of torchvision's weights (or ``timm/MODEL``) whose preparation of images is used.
        cache_size: Decode each image once and keep it in memory, its shorter side shrunk to so many pixels.
        val_fraction: Share of the training images that becomes the validation split.
    """

    def __init__(
        self,
        name: str,
        variant: str | None = None,
        root: str | None = None,
        batch_size: int = 128,
        num_workers: int = 0,
        predict_path: str | None = None,
        channels: Literal[1, 3] = 3,
        train_transforms: list[nn.Module] | None = None,
        eval_transforms: list[nn.Module] | None = None,
        weights: str | None = None,
        cache_size: int | None = None,
        val_fraction: float = 0.1,
    ) -> None:
        super().__init__(
            root, batch_size, num_workers, predict_path, channels, train_transforms, eval_transforms, weights,
            cache_size,
        )  # fmt: skip
        if not hasattr(torchvision.datasets, name):
            near = ", ".join(difflib.get_close_matches(name, torchvision.datasets.__all__, n=3))
            raise MisconfigurationException(f"torchvision has no dataset {name}; nearest: {near}")
        self.dataset, self.variant, self.val_fraction = name, variant, val_fraction

    def download(self) -> None:
        """Let torchvision fetch both splits."""
        for train in (True, False):
            self._open(train, download=True)

    def _open(self, train: bool, download: bool = False) -> Any:
        maker = getattr(torchvision.datasets, self.dataset)
        takes = inspect.signature(maker.__init__).parameters
        # MNIST and its kin append the dataset's name to the root themselves.
        mnist_like = issubclass(maker, torchvision.datasets.MNIST)
        options: dict[str, Any] = {"root": str(self.root if mnist_like else self.root / self.dataset)}
        if self.variant is not None:
            options["split"] = self.variant
        if "train" in takes or mnist_like:
            options["train"] = train
        elif "split" in takes:
            options["split"] = "train" if train else ("val" if self.dataset in ("ImageNet", "Imagenette") else "test")
        if "download" in takes or mnist_like:
            options["download"] = download
        try:
            return maker(**options)
        except (RuntimeError, OSError) as error:  # no network, or files missing
            raise MisconfigurationException(f"{self.dataset} in {options['root']}: {error}") from error

    def read(self, split: str) -> Pictures:
        """The images of a split, in memory if they are arrays of one size."""
        dataset = self._open(train=split != "test")
        pixels = getattr(dataset, "data", None)
        targets = next(
            (getattr(dataset, key) for key in ("targets", "_labels", "labels", "y") if hasattr(dataset, key)), None
        )
        if targets is None:
            targets = [dataset[i][1] for i in range(len(dataset))]
        names = getattr(dataset, "classes", None) or [str(i) for i in range(int(max(targets)) + 1)]
        self._names = [name[0] if isinstance(name, tuple) else name for name in names]
        labels = [self._names[int(target)] for target in targets]
        images: Any = dataset
        if pixels is not None:
            images = _channels_first(torch.as_tensor(pixels))
        elif hasattr(dataset, "samples"):  # files by class, as in ImageNet: decoded by us, which is faster
            images = [Path(path) for path, _ in dataset.samples]
        pictures = Pictures(images, labels)
        if split == "test":
            return pictures
        return pictures.take(part_of(split, {"val": self.val_fraction}, len(labels), self.seed, labels))

    def class_names(self, labels: Sequence[str]) -> list[str]:
        """The dataset's own order of classes."""
        return list(dict.fromkeys(self._names))


def _channels_first(pixels: Tensor) -> Tensor:
    if pixels.ndim == 3:  # grey: (examples, height, width)
        return pixels[:, None]
    return pixels.permute(0, 3, 1, 2).contiguous() if pixels.shape[-1] in (1, 3) else pixels
