"""The user's own images, in folders or listed in a table."""

from pathlib import Path
from typing import Literal

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import nn

from datamodules.images.base import Images, Pictures
from datamodules.images.examples import decode, is_image
from datamodules.splits import part_of


class ImageFolder(Images):
    """The user's own images in folders by class.

    ``path`` holds ``train``, ``val`` and ``test`` folders of class folders, or just class folders; splits that are
    missing are split off from the training images, stratified, by the seed.

    Args:
        path: The folder.
        root: Where a relative ``path`` is looked for if it is not found from here.
        batch_size: Images in a batch, per process.
        num_workers: Processes that load batches.
        predict_path: An image, or a folder of images, to predict.
        channels: 3 for RGB, 1 for grey.
        train_transforms: Transforms of the training images.
        eval_transforms: Transforms of all other images.
        weights: Name of torchvision's weights (or ``timm/MODEL``) whose preparation of images is used.
        cache_size: Decode each image once and keep it in memory, its shorter side shrunk to so many pixels.
        val_fraction: Share of the training images that becomes the validation split, if there is none.
        test_fraction: Share that becomes the test split, if there is none.
        on_error: ``skip`` leaves out, and counts, images that cannot be read; ``raise`` stops at the first.
    """

    def __init__(
        self,
        path: str,
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
        channels: Literal[1, 3] = 3,
        train_transforms: list[nn.Module] | None = None,
        eval_transforms: list[nn.Module] | None = None,
        weights: str | None = None,
        cache_size: int | None = None,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> None:
        super().__init__(
            root, batch_size, num_workers, predict_path, channels, train_transforms, eval_transforms, weights,
            cache_size,
        )  # fmt: skip
        self.path = Path(path) if Path(path).exists() else self.root / path
        self.val_fraction, self.test_fraction, self.on_error = val_fraction, test_fraction, on_error

    def read(self, split: str) -> Pictures:
        """The images of a split."""
        return self.readable(self.split(split))

    def split(self, split: str) -> Pictures:
        """The paths and labels of a split, splitting off what is missing."""
        if not self.path.is_dir():
            raise MisconfigurationException(f"there is no data folder {self.path} (--data.path)")
        if (self.path / split).is_dir() and split != "train":
            return self._folder(self.path / split)
        train = self.path / "train"
        pictures = self._folder(train if train.is_dir() else self.path)
        fractions = {"test": self.test_fraction, "val": self.val_fraction}
        missing = {name: fraction for name, fraction in fractions.items() if not (self.path / name).is_dir()}
        return pictures.take(part_of(split, missing, len(pictures.images), self.seed, pictures.labels))

    def _folder(self, folder: Path) -> Pictures:
        classes = sorted(entry for entry in folder.iterdir() if entry.is_dir())
        if not classes:
            raise MisconfigurationException(f"{folder} has no class folders (one folder of images for each class)")
        paths: list[Path] = []
        for entry in classes:
            found = sorted(path for path in entry.rglob("*") if is_image(path))
            if not found:
                raise MisconfigurationException(f"class folder {entry} holds no image")
            paths += found
        return Pictures(paths, [path.relative_to(folder).parts[0] for path in paths])

    def readable(self, pictures: Pictures) -> Pictures:
        """Leave out the images that cannot be read, if asked."""
        if self.on_error == "raise":
            return pictures
        good = [i for i, path in enumerate(pictures.images) if self._can_read(path)]
        if len(good) < len(pictures.images):
            rank_zero_warn(f"{self.path}: {len(pictures.images) - len(good)} images cannot be read and are left out")
        return pictures.take(good)

    def _can_read(self, path: Path) -> bool:
        try:
            decode(path, self.channels)
        except MisconfigurationException:
            return False
        return True


class ImageTable(ImageFolder):
    """The user's own images, listed in a table with a column of paths and a column of labels.

    Args:
        path: The table, CSV or TSV; the images' paths are relative to its folder.
        image: Name of the column of paths.
        target: Name of the column of labels.
        split_column: Name of a column that says ``train``, ``val`` or ``test``; split by the seed if None.
        root: Where a relative ``path`` is looked for if it is not found from here.
        batch_size: Images in a batch, per process.
        num_workers: Processes that load batches.
        predict_path: An image, or a folder of images, to predict.
        channels: 3 for RGB, 1 for grey.
        train_transforms: Transforms of the training images.
        eval_transforms: Transforms of all other images.
        weights: Name of torchvision's weights (or ``timm/MODEL``) whose preparation of images is used.
        cache_size: Decode each image once and keep it in memory, its shorter side shrunk to so many pixels.
        val_fraction: Share of the images that becomes the validation split.
        test_fraction: Share that becomes the test split.
        on_error: ``skip`` leaves out, and counts, images that cannot be read; ``raise`` stops at the first.
    """

    def __init__(
        self,
        path: str,
        image: str = "path",
        target: str = "label",
        split_column: str | None = None,
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
        channels: Literal[1, 3] = 3,
        train_transforms: list[nn.Module] | None = None,
        eval_transforms: list[nn.Module] | None = None,
        weights: str | None = None,
        cache_size: int | None = None,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> None:
        super().__init__(
            path, root, batch_size, num_workers, predict_path, channels, train_transforms, eval_transforms, weights,
            cache_size, val_fraction, test_fraction, on_error,
        )  # fmt: skip
        self.image, self.target, self.split_column = image, target, split_column

    def split(self, split: str) -> Pictures:
        """The paths and labels of a split."""
        import pandas as pd

        if not self.path.is_file():
            raise MisconfigurationException(f"there is no table {self.path} (--data.path)")
        table = pd.read_csv(self.path, sep=None, engine="python", dtype=str)
        for column in filter(None, (self.image, self.target, self.split_column)):
            if column not in table:
                raise MisconfigurationException(
                    f"{self.path} has no column {column}; it has {', '.join(table.columns)}"
                )
        paths = [self.path.parent / name for name in table[self.image]]
        for line, path in enumerate(paths, start=2):
            if not path.is_file():
                raise MisconfigurationException(f"{self.path}, line {line}: there is no image {path}")
        pictures = Pictures(paths, list(table[self.target]))
        if self.split_column is not None:
            return pictures.take([i for i, name in enumerate(table[self.split_column]) if name == split])
        fractions = {"test": self.test_fraction, "val": self.val_fraction / ((1 - self.test_fraction) or 1)}
        return pictures.take(part_of(split, fractions, len(paths), self.seed, pictures.labels))
