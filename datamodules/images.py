"""Images: the user's own, torchvision's datasets, scikit-learn's digits."""

import difflib
import inspect
from abc import ABC
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import torch
import torchvision
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor, nn
from torchvision.transforms import v2

from datamodules.data import Data, Row
from datamodules.pixels import ImageExamples, decode, is_image
from datamodules.splits import split_off


class Pictures(NamedTuple):
    """Raw images and the name of each one's class (None if unknown)."""

    images: Tensor | Sequence[Any]
    labels: Sequence[str] | None

    def take(self, indices: Sequence[int]) -> "Pictures":
        """Some of them."""
        labels = None if self.labels is None else [self.labels[i] for i in indices]
        if isinstance(self.images, Tensor):
            return Pictures(self.images[torch.as_tensor(indices)], labels)
        if isinstance(self.images, list):
            return Pictures([self.images[i] for i in indices], labels)
        return Pictures(torch.utils.data.Subset(self.images, indices), labels)  # type: ignore[arg-type]


class Images(Data[Pictures], ABC):
    """Base of the image datamodules.

    Facts: ``classes``, ``class_counts`` of the training split, ``num_inputs`` (channels), ``mean`` and ``std`` of each
    channel, by which the images are normalised.

    Args:
        root: Folder of datasets; ``$LEYDEN_DATA``, else ``data``, if not given.
        batch_size: Images in a batch, per process.
        num_workers: Processes that load batches; 0 loads them in the training process.
        predict_path: An image, or a folder of images, to predict.
        channels: 3 for RGB, 1 for grey.
        train_transforms: Transforms of the training images, usually from ``torchvision.transforms.v2``, in turn.
        eval_transforms: Transforms of all other images.
        weights: Name of torchvision's weights (``SqueezeNet1_1_Weights.DEFAULT``) whose own image size and
            normalisation are used, and whose transforms are where none are given.
    """

    facts: ClassVar[tuple[str, ...]] = ("classes", "class_counts", "num_inputs", "mean", "std")

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
        channels: Literal[1, 3] = 3,
        train_transforms: list[nn.Module] | None = None,
        eval_transforms: list[nn.Module] | None = None,
        weights: str | None = None,
    ) -> None:
        super().__init__(root, batch_size, num_workers, predict_path)
        self.channels = channels
        self.preset = None if weights is None else torchvision.models.get_weight(weights).transforms()
        if self.preset is not None:
            crop = self.preset.crop_size[0]
            resize = self.preset.resize_size[0]
            train_transforms = train_transforms or [v2.RandomResizedCrop(crop), v2.RandomHorizontalFlip()]
            eval_transforms = eval_transforms or [v2.Resize(resize), v2.CenterCrop(crop)]
        self.train_transforms, self.eval_transforms = train_transforms or [], eval_transforms or []

    def learn(self, train: Pictures) -> None:
        """Class names, their counts, mean and spread of the pixels (of 500 images)."""
        assert train.labels is not None
        self.classes = self.class_names(train.labels)
        self.class_counts = [train.labels.count(name) for name in self.classes]
        self.num_inputs = self.channels
        if self.preset is not None:
            self.mean, self.std = list(self.preset.mean), list(self.preset.std)
            return
        some = torch.linspace(0, len(train.images) - 1, min(500, len(train.images))).long().tolist()
        plain = ImageExamples(
            train.take(some).images, None, self.channels, self.eval_transforms, [0.0], [1.0], self.seed
        )
        from datamodules.sampling import Draw

        pixels = plain.__getitems__(Draw(range(len(plain))))[0]
        self.mean = pixels.mean((0, 2, 3)).tolist()
        self.std = pixels.std((0, 2, 3)).clamp_min(1e-3).tolist()

    def class_names(self, labels: Sequence[str]) -> list[str]:
        """The classes in order."""
        return sorted(set(labels))

    def examples(self, raw: Pictures, train: bool) -> ImageExamples:
        """Pixels in memory, or files read as they are needed."""
        targets = None
        if raw.labels is not None:
            number = {name: i for i, name in enumerate(self.classes)}
            unknown = sorted(set(raw.labels) - set(number))
            if unknown:
                raise MisconfigurationException(
                    f"class {unknown[0]} does not occur in training (classes there: {', '.join(self.classes[:20])})"
                )
            targets = torch.tensor([number[name] for name in raw.labels])
        transforms = self.train_transforms if train else self.eval_transforms
        return ImageExamples(raw.images, targets, self.channels, transforms, self.mean, self.std, self.seed)

    def read_predict(self, path: Path) -> Pictures:
        """One image, or all images below a folder, in the order of their names."""
        paths = [path] if path.is_file() else sorted(p for p in path.rglob("*") if is_image(p))
        if not paths:
            raise MisconfigurationException(f"there is no image in {path}")
        return Pictures(paths, None)

    def describe(self, index: int) -> Row:
        """The path of the image."""
        return {"path": str(self.datasets["predict"].images[index])}  # type: ignore[attr-defined]


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
        eval_transforms = eval_transforms or [v2.Resize((8, 8))]
        super().__init__(root, batch_size, num_workers, predict_path, 1, train_transforms, eval_transforms)

    def read(self, split: str) -> Pictures:
        """The images of a split."""
        from sklearn.datasets import load_digits

        digits = load_digits()
        everything = Pictures(
            torch.tensor(digits.images * 15.9375).round().to(torch.uint8)[:, None],  # 0-16 to 0-255
            [str(target) for target in digits.target],
        )
        rest, test = split_off(len(digits.target), 0.2, self.seed, stratify=everything.labels)
        if split == "test":
            return everything.take(test)
        kept = everything.take(rest)
        train, val = split_off(len(rest), 0.25, self.seed, stratify=kept.labels)
        return kept.take(train if split == "train" else val)


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
        weights: Name of torchvision's weights whose transforms are used where none are given.
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
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> None:
        super().__init__(
            root, batch_size, num_workers, predict_path, channels, train_transforms, eval_transforms, weights
        )
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
        for name, fraction in (("test", self.test_fraction), ("val", self.val_fraction)):
            if (self.path / name).is_dir():
                continue
            rest, off = split_off(len(pictures.images), fraction, self.seed, stratify=pictures.labels)
            if split == name:
                return pictures.take(off)
            pictures = pictures.take(rest)
        return pictures

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
        weights: Name of torchvision's weights whose transforms are used where none are given.
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
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        on_error: Literal["raise", "skip"] = "raise",
    ) -> None:
        super().__init__(
            path,
            root,
            batch_size,
            num_workers,
            predict_path,
            channels,
            train_transforms,
            eval_transforms,
            weights,
            val_fraction,
            test_fraction,
            on_error,
        )
        self.image, self.target, self.split_column = image, target, split_column

    def split(self, split: str) -> Pictures:
        """The paths and labels of a split."""
        import pandas as pd

        if not self.path.is_file():
            raise MisconfigurationException(f"there is no table {self.path} (--data.path)")
        table = pd.read_csv(self.path, sep=None, engine="python", dtype=str)
        for column in filter(None, (self.image, self.target, self.split_column)):
            if column not in table:
                raise MisconfigurationException(f"{self.path} has no column {column}; it has {', '.join(table.columns)}")
        paths = [self.path.parent / name for name in table[self.image]]
        for line, path in enumerate(paths, start=2):
            if not path.is_file():
                raise MisconfigurationException(f"{self.path}, line {line}: there is no image {path}")
        pictures = Pictures(paths, list(table[self.target]))
        if self.split_column is not None:
            return pictures.take([i for i, name in enumerate(table[self.split_column]) if name == split])
        rest, test = split_off(len(paths), self.test_fraction, self.seed, stratify=pictures.labels)
        if split == "test":
            return pictures.take(test)
        kept = pictures.take(rest)
        share = self.val_fraction / (1 - self.test_fraction)
        train, val = split_off(len(rest), share, self.seed, stratify=kept.labels)
        return kept.take(train if split == "train" else val)


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
        weights: Name of torchvision's weights whose transforms are used where none are given.
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
        val_fraction: float = 0.1,
    ) -> None:
        super().__init__(
            root, batch_size, num_workers, predict_path, channels, train_transforms, eval_transforms, weights
        )
        if not hasattr(torchvision.datasets, name):
            near = ", ".join(difflib.get_close_matches(name, torchvision.datasets.__all__, n=3))
            raise MisconfigurationException(f"torchvision has no dataset {name}; nearest: {near}")
        self.name, self.variant, self.val_fraction = name, variant, val_fraction

    def download(self) -> None:
        """Let torchvision fetch both splits."""
        for train in (True, False):
            self._open(train, download=True)

    def _open(self, train: bool, download: bool = False) -> Any:
        maker = getattr(torchvision.datasets, self.name)
        takes = inspect.signature(maker.__init__).parameters
        # MNIST and its kin append the dataset's name to the root themselves.
        mnist_like = issubclass(maker, torchvision.datasets.MNIST)
        options: dict[str, Any] = {"root": str(self.root if mnist_like else self.root / self.name)}
        if self.variant is not None:
            options["split"] = self.variant
        if "train" in takes or mnist_like:
            options["train"] = train
        elif "split" in takes:
            options["split"] = "train" if train else ("val" if self.name in ("ImageNet", "Imagenette") else "test")
        if "download" in takes or mnist_like:
            options["download"] = download
        try:
            return maker(**options)
        except (RuntimeError, OSError) as error:  # no network, or files missing
            raise MisconfigurationException(f"{self.name} in {options['root']}: {error}") from error

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
        pictures = Pictures(dataset if pixels is None else _channels_first(torch.as_tensor(pixels)), labels)
        if split == "test":
            return pictures
        train, val = split_off(len(labels), self.val_fraction, self.seed, stratify=labels)
        return pictures.take(train if split == "train" else val)

    def class_names(self, labels: Sequence[str]) -> list[str]:
        """The dataset's own order of classes."""
        return list(dict.fromkeys(self._names))


def _channels_first(pixels: Tensor) -> Tensor:
    if pixels.ndim == 3:  # grey: (examples, height, width)
        return pixels[:, None]
    return pixels.permute(0, 3, 1, 2).contiguous() if pixels.shape[-1] in (1, 3) else pixels
