"""Public image datasets: scikit-learn's digits, ants and bees, all of torchvision's."""

import difflib
import inspect
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import torchvision
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor

from datamodules.files.archives import members
from datamodules.images.base import Images
from datamodules.images.folders import class_folders
from datamodules.images.sets import ImageSet


class Digits(Images):
    """Handwritten digits, 1,797 grey images of 8x8 pixels that ship with scikit-learn (Alpaydin & Kaynak 1998).

    Args:
        batch_size: Images in a batch, per process.
        val_fraction: Share of the images that becomes the validation split.
        test_fraction: Share that becomes the test split.
        **kwargs: Transforms, workers and the like: see ``datamodules.images.Images``.
    """

    def __init__(
        self, batch_size: int = 64, val_fraction: float = 0.2, test_fraction: float = 0.2, **kwargs: Any
    ) -> None:
        super().__init__(
            batch_size=batch_size, val_fraction=val_fraction, test_fraction=test_fraction,
            channels=1, weights=None, cache_size=None, encoding=None, **kwargs,
        )  # fmt: skip

    def read(self, split: str) -> ImageSet:
        """The images of a split."""
        # Importing scikit-learn takes longer than training: of the package only the file is read.
        package = find_spec("sklearn")
        folder = Path(package.origin).parent if package and package.origin else Path()
        table = np.loadtxt(folder / "datasets" / "data" / "digits.csv.gz", delimiter=",")
        pixels = torch.tensor(table[:, :-1] * 15.9375).round().to(torch.uint8).view(-1, 1, 8, 8)  # 0-16 to 0-255
        everything = ImageSet(pixels, [str(int(target)) for target in table[:, -1]])
        return self.share_out(everything, split, self.val_fraction, self.test_fraction)


class Hymenoptera(Images):
    """Ants and bees: 244 and 153 photographs from ImageNet, the data of PyTorch's transfer-learning tutorial.

    The published ``val`` is the test split; the validation split comes out of ``train``.

    Args:
        val_fraction: Share of the training images that becomes the validation split.
        **kwargs: Transforms, weights, batch size and the like: see ``datamodules.images.Images``.
    """

    url = "https://download.pytorch.org/tutorial/"
    files: ClassVar = {"hymenoptera_data.zip": "fbc41b31d544714d18dd1230b1e2b455e1557766e13e67f9f5a7a23af7c02209"}

    def __init__(self, val_fraction: float = 0.2, **kwargs: Any) -> None:
        super().__init__(val_fraction=val_fraction, test_fraction=0.0, channels=3, encoding=None, **kwargs)

    def download(self) -> None:
        """Fetch the archive and unpack it."""
        folder, archive = self.root / "hymenoptera_data", self.root / "hymenoptera_data.zip"
        if folder.exists():
            return
        super().download()
        unpacked = self.root / "hymenoptera_data.part"  # renamed when it is whole
        for name, content in members(archive):
            (unpacked / name).parent.mkdir(parents=True, exist_ok=True)
            (unpacked / name).write_bytes(content)
        (unpacked / folder.name).rename(folder)
        shutil.rmtree(unpacked)
        archive.unlink()

    def read(self, split: str) -> ImageSet:
        """The images of a split."""
        folder = self.root / "hymenoptera_data"
        if split == "test":
            return class_folders(folder / "val")
        return self.share_out(class_folders(folder / "train"), split, self.val_fraction)


class TorchvisionImages(Images):
    """Any classification dataset of torchvision, downloaded by it: MNIST, CIFAR10, SVHN, Food101, ImageNet, ...

    The validation split comes out of the training images; for datasets without a test split (ImageNet) the published
    validation split serves as the test split.

    Args:
        name: Name of the class in ``torchvision.datasets``.
        variant: The dataset's own choice of a part (EMNIST's ``split``), if it has one.
        batch_size: Images in a batch, per process.
        val_fraction: Share of the training images that becomes the validation split.
        **kwargs: Transforms, weights, workers and the like: see ``datamodules.images.Images``.
    """

    def __init__(
        self, name: str, variant: str | None = None, batch_size: int = 128, val_fraction: float = 0.1, **kwargs: Any
    ) -> None:
        super().__init__(batch_size=batch_size, val_fraction=val_fraction, test_fraction=0.0, encoding=None, **kwargs)
        if name not in torchvision.datasets.__all__:
            near = ", ".join(difflib.get_close_matches(name, torchvision.datasets.__all__, n=3))
            raise MisconfigurationException(f"torchvision has no dataset {name}; nearest: {near}")
        self.dataset, self.variant = name, variant

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

    def read(self, split: str) -> ImageSet:
        """The images of a split, in memory if they are arrays of one size."""
        dataset = self._open(train=split != "test")
        pixels = getattr(dataset, "data", None)
        targets = next(
            (getattr(dataset, key) for key in ("targets", "_labels", "labels", "y") if hasattr(dataset, key)), None
        )
        if targets is None:
            targets = [dataset[i][1] for i in range(len(dataset))]
        names = getattr(dataset, "classes", None) or [str(i) for i in range(int(max(targets)) + 1)]
        names = [str(name[0] if isinstance(name, tuple) else name) for name in names]
        # Two classes of ImageNet are called crane, and two maillot.
        names = [f"{name} ({i})" if names.index(name) < i else name for i, name in enumerate(names)]
        images: Any = dataset
        if pixels is not None:
            images = _channels_first(torch.as_tensor(pixels))
        elif hasattr(dataset, "samples"):  # files by class, as in ImageNet: decoded by us, which is faster
            images = [Path(path) for path, _ in dataset.samples]
        everything = ImageSet(images, [names[int(target)] for target in targets], names)
        return everything if split == "test" else self.share_out(everything, split, self.val_fraction)


def _channels_first(pixels: Tensor) -> Tensor:
    if pixels.ndim == 3:  # grey: (examples, height, width)
        return pixels[:, None]
    return pixels.permute(0, 3, 1, 2).contiguous() if pixels.shape[-1] in (1, 3) else pixels
