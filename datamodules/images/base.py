"""What all image datamodules have in common: classes, normalisation, transforms."""

from abc import ABC
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torch.utils.data import Subset
from torchvision.transforms import v2

from datamodules import splits
from datamodules.data import Data
from datamodules.files.faults import Faults
from datamodules.images.decoding import decode, is_image
from datamodules.images.examples import ImageExamples
from datamodules.images.presets import preset_of
from datamodules.sampling import Draw
from datamodules.types import ImageFacts, Row


class ImageSet(NamedTuple):
    """Raw images and the name of each one's class.

    Attributes:
        images: Pixels ``(examples, channels, height, width)``, uint8; or paths; or a dataset of PIL images.
        labels: Names of the classes; None if unknown.
        classes: All classes, where the dataset has an order of its own.
    """

    images: Tensor | Sequence[Any]
    labels: Sequence[str] | None
    classes: Sequence[str] | None = None

    def take(self, indices: Sequence[int]) -> "ImageSet":
        """Some of them."""
        images: Any
        if isinstance(self.images, Tensor):
            images = self.images[torch.as_tensor(indices)]
        elif isinstance(self.images, list):
            images = [self.images[i] for i in indices]
        else:
            images = Subset(self.images, indices)  # type: ignore[arg-type]
        return self._replace(images=images, labels=None if self.labels is None else [self.labels[i] for i in indices])


class Images(Data[ImageSet, ImageFacts], ABC):
    """Base of the image datamodules.

    Args:
        channels: 3 for RGB, 1 for grey.
        train_transforms: Transforms of the training images, usually from ``torchvision.transforms.v2``, in turn.
        eval_transforms: Transforms of all other images.
        weights: Name of torchvision's weights (``SqueezeNet1_1_Weights.DEFAULT``), or ``timm/`` and a model of timm,
            whose size of images and normalisation are used; and whose crops, with random crops and flips in
            training, are where no transforms are given.
        cache_size: Decode each image once, shrink it until its shorter side has so many pixels, and keep it in
            memory (a photograph of 256 pixels takes 0.25 MB). None decodes it each time it is needed.
        val_fraction: Share of the images that becomes the validation split, stratified, by the seed, where none is
            given.
        test_fraction: Share that becomes the test split, where none is given.
        **kwargs: Batch size, workers and the like: see ``datamodules.data.Data``.
    """

    makes = ImageFacts

    def __init__(
        self,
        channels: Literal[1, 3] = 3,
        train_transforms: list[nn.Module] | None = None,
        eval_transforms: list[nn.Module] | None = None,
        weights: str | None = None,
        cache_size: int | None = None,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.channels, self.cache_size, self.weights = channels, cache_size, weights
        self.train_transforms, self.eval_transforms = train_transforms, eval_transforms
        self.val_fraction, self.test_fraction = val_fraction, test_fraction

    def learn(self, train: ImageSet) -> ImageFacts:
        """Class names, their counts, mean and spread of the pixels (of 500 images)."""
        assert train.labels is not None
        classes = list(train.classes or sorted(set(train.labels)))
        preset = {} if self.weights is None else preset_of(self.weights)
        mean, std = (preset["mean"], preset["std"]) if preset else self._mean_and_std(train)
        return ImageFacts(
            classes=classes,
            class_counts=[train.labels.count(name) for name in classes],
            num_inputs=self.channels,
            mean=mean,
            std=std,
            preset=preset,
            size=list(train.images.shape[-2:]) if isinstance(train.images, Tensor) else [],
        )

    def _mean_and_std(self, train: ImageSet) -> tuple[list[float], list[float]]:
        some = torch.linspace(0, len(train.images) - 1, min(500, len(train.images))).long().tolist()
        plain = ImageExamples(
            train.take(some).images, None, self.channels, self.eval_transforms or [], [0.0] * self.channels,
            [1.0] * self.channels, self.seed, self.cache_size,
        )  # fmt: skip
        pixels = plain.__getitems__(Draw(range(len(plain)))).inputs
        return pixels.mean((0, 2, 3)).tolist(), pixels.std((0, 2, 3)).clamp_min(1e-3).tolist()

    def examples(self, raw: ImageSet, train: bool) -> ImageExamples:
        """Pixels in memory, or files read as they are needed."""
        facts, targets = self.facts, None
        if raw.labels is not None:
            number = {name: i for i, name in enumerate(facts.classes)}
            unknown = sorted(set(raw.labels) - set(number))
            if unknown:
                raise MisconfigurationException(
                    f"class {unknown[0]} does not occur in training (classes there: {', '.join(facts.classes[:20])})"
                )
            targets = torch.tensor([number[name] for name in raw.labels])
        transforms = self.transforms(train)
        if not transforms and facts.size and not isinstance(raw.images, Tensor):
            transforms = [v2.Resize(facts.size)]  # the user's own images, to predict, are of any size
        examples = ImageExamples(
            raw.images, targets, self.channels, transforms, facts.mean, facts.std, self.seed, self.cache_size
        )
        if self.cache_size is not None and targets is not None:
            examples.keep()
        return examples

    def transforms(self, train: bool) -> list[nn.Module]:
        """The transforms of training or other images: those given, else those of the weights."""
        given, preset = self.train_transforms if train else self.eval_transforms, self.facts.preset
        if given is not None or not preset:
            return given or []
        crop, mode = preset["crop"], v2.InterpolationMode(preset["interpolation"])
        if train:
            return [v2.RandomResizedCrop(crop, interpolation=mode), v2.RandomHorizontalFlip()]
        return [v2.Resize(preset["resize"], mode), v2.CenterCrop(crop)]

    def share_out(self, pool: ImageSet, split: str, val: float = 0.0, test: float = 0.0) -> ImageSet:
        """The images of ``pool`` that belong to a split, stratified, by the seed; shares are of all of them."""
        parts = splits.assign(len(pool.images), self.seed, val, test, stratify=pool.labels)
        return pool.take((parts == splits.SPLITS.index(split)).nonzero()[0].tolist())

    def readable(self, raw: ImageSet) -> ImageSet:
        """Leave out the images that cannot be read, if asked."""
        if self.on_error == "stop":
            return raw
        faults, good = Faults(self.on_error, "images"), []
        for i, path in enumerate(raw.images):
            try:
                decode(path, self.channels)
                good.append(i)
            except MisconfigurationException as error:
                faults.add(error)
        faults.report(len(raw.images), "images")
        return raw.take(good)

    def read_predict(self, path: Path) -> ImageSet:
        """One image, or all images below a folder, in the order of their names."""
        paths = [path] if path.is_file() else sorted(p for p in path.rglob("*") if is_image(p))
        if not paths:
            raise MisconfigurationException(f"there is no image in {path}")
        return ImageSet(paths, None)

    def describe(self, index: int) -> Row:
        """The path of the image."""
        examples = self.datasets["predict"]
        assert isinstance(examples, ImageExamples)
        return {"path": str(examples.images[index])}
