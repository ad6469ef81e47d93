"""Small public image datasets: scikit-learn's digits, ants and bees."""

import shutil
import zipfile

import torch
from torch import nn

from datamodules.files.fetch import fetch
from datamodules.images.base import Images, Pictures
from datamodules.images.own import ImageFolder
from datamodules.splits import part_of


class Digits(Images):
    """Handwritten digits, 1,797 grey images of 8x8 pixels that ship with scikit-learn (Alpaydin & Kaynak 1998).

    They are split 60/20/20, stratified, by the seed.

    Args:
        root: Not needed: the images come with scikit-learn.
        batch_size: Images in a batch, per process.
        num_workers: Processes that load batches.
        predict_path: An image, or a folder of images, to predict.
        train_transforms: Transforms of the training images.
        eval_transforms: Transforms of all other images.
    """

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 64,
        num_workers: int = 0,
        predict_path: str | None = None,
        train_transforms: list[nn.Module] | None = None,
        eval_transforms: list[nn.Module] | None = None,
    ) -> None:
        super().__init__(root, batch_size, num_workers, predict_path, 1, train_transforms, eval_transforms)

    def read(self, split: str) -> Pictures:
        """The images of a split."""
        from sklearn.datasets import load_digits

        digits = load_digits()
        everything = Pictures(
            torch.tensor(digits.images * 15.9375).round().to(torch.uint8)[:, None],  # 0-16 to 0-255
            [str(target) for target in digits.target],
        )
        fractions = {"test": 0.2, "val": 0.25}  # of all, of the rest
        return everything.take(part_of(split, fractions, len(digits.target), self.seed, everything.labels))


class Hymenoptera(ImageFolder):
    """Ants and bees: 244 and 153 photographs from ImageNet, the data of PyTorch's transfer-learning tutorial.

    The published ``val`` is the test split; the validation split comes out of ``train``, stratified, by the seed.

    Args:
        root: Folder of datasets; ``$LEYDEN_DATA``, else ``data``, if not given.
        batch_size: Images in a batch, per process.
        num_workers: Processes that load batches.
        predict_path: An image, or a folder of images, to predict.
        train_transforms: Transforms of the training images.
        eval_transforms: Transforms of all other images.
        weights: Name of torchvision's weights (or ``timm/MODEL``) whose preparation of images is used.
        cache_size: Decode each image once and keep it in memory, its shorter side shrunk to so many pixels.
        val_fraction: Share of the training images that becomes the validation split.
    """

    URL = "https://download.pytorch.org/tutorial/hymenoptera_data.zip"
    SHA256 = "fbc41b31d544714d18dd1230b1e2b455e1557766e13e67f9f5a7a23af7c02209"

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
        train_transforms: list[nn.Module] | None = None,
        eval_transforms: list[nn.Module] | None = None,
        weights: str | None = None,
        cache_size: int | None = None,
        val_fraction: float = 0.2,
    ) -> None:
        super().__init__(
            "hymenoptera_data", root, batch_size, num_workers, predict_path, 3, train_transforms, eval_transforms,
            weights, cache_size, val_fraction,
        )  # fmt: skip
        self.path = self.root / "hymenoptera_data"

    def download(self) -> None:
        """Fetch and unpack the archive."""
        if not self.path.exists():
            archive = self.root / "hymenoptera_data.zip"
            fetch(self.URL, archive, self.SHA256)
            unpacked = self.root / "hymenoptera_data.part"  # renamed when it is whole
            with zipfile.ZipFile(archive) as file:
                file.extractall(unpacked)
            (unpacked / "hymenoptera_data").rename(self.path)
            shutil.rmtree(unpacked)
            archive.unlink()

    def split(self, split: str) -> Pictures:
        """The paths and labels of a split."""
        if split == "test":
            return self._folder(self.path / "val")
        pictures = self._folder(self.path / "train")
        fractions = {"val": self.val_fraction}
        return pictures.take(part_of(split, fractions, len(pictures.images), self.seed, pictures.labels))
