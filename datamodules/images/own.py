"""The user's own images, in folders or listed in a table."""

from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.images.base import Images, ImageSet
from datamodules.images.decoding import is_image


class ImageFolder(Images):
    """The user's own images in folders by class.

    ``path`` holds ``train``, ``val`` and ``test`` folders of class folders, or just class folders; splits that are
    missing are split off from the training images.

    Args:
        path: The folder; a relative one that is not found from here is looked for in ``root``.
        **kwargs: Transforms, weights, fractions and the like: see ``datamodules.images.Images``.
    """

    def __init__(self, path: str, **kwargs: Any) -> None:
        super().__init__(encoding=None, **kwargs)
        self.path = Path(path) if Path(path).exists() else self.root / path

    def read(self, split: str) -> ImageSet:
        """The images of a split, splitting off what is missing."""
        if not self.path.is_dir():
            raise MisconfigurationException(f"there is no data folder {self.path} (--data.path)")
        if (self.path / split).is_dir() and split != "train":
            return self.readable(class_folders(self.path / split))
        train = self.path / "train"
        pool = class_folders(train if train.is_dir() else self.path)
        val = 0.0 if (self.path / "val").is_dir() else self.val_fraction
        test = 0.0 if (self.path / "test").is_dir() else self.test_fraction
        return self.readable(self.share_out(pool, split, val, test))


class ImageTable(Images):
    """The user's own images, listed in a table with a column of paths and a column of labels.

    Args:
        path: The table, CSV or TSV; the images' paths are relative to its folder.
        image: Name of the column of paths.
        target: Name of the column of labels.
        split_column: Name of a column that says ``train``, ``val`` or ``test``; split by the seed if None.
        **kwargs: Transforms, weights, fractions and the like: see ``datamodules.images.Images``.
    """

    def __init__(
        self, path: str, image: str = "path", target: str = "label", split_column: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.path = Path(path) if Path(path).exists() else self.root / path
        self.image, self.target, self.split_column = image, target, split_column

    def read(self, split: str) -> ImageSet:
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
        images = ImageSet(paths, list(table[self.target]))
        if self.split_column is not None:
            return self.readable(images.take([i for i, name in enumerate(table[self.split_column]) if name == split]))
        return self.readable(self.share_out(images, split, self.val_fraction, self.test_fraction))


def class_folders(folder: Path) -> ImageSet:
    """The images below a folder of class folders."""
    classes = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    if not classes:
        raise MisconfigurationException(f"{folder} has no class folders (one folder of images for each class)")
    paths: list[Path] = []
    for entry in classes:
        found = sorted(path for path in entry.rglob("*") if is_image(path))
        if not found:
            raise MisconfigurationException(f"class folder {entry} holds no image")
        paths += found
    return ImageSet(paths, [path.relative_to(folder).parts[0] for path in paths])
