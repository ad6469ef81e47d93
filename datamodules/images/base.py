"""What all image datamodules have in common: classes, normalisation, transforms."""

import os
from abc import ABC
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from PIL import Image
from torch import Tensor, nn
from torchvision.transforms import v2

from datamodules.data import Data, check_least
from datamodules.files.faults import Faults
from datamodules.files.objects import listed
from datamodules.images.augmentation import BatchTransform
from datamodules.images.decoding import MAX_PIXELS, Header, decode, image_of, read_header
from datamodules.images.examples import ImageExamples, different_sizes
from datamodules.images.folders import Listing, class_folders
from datamodules.images.presets import preset_of
from datamodules.images.sets import ImageSet
from datamodules.sampling import BatchIndices
from datamodules.splits import SPLITS
from datamodules.targets import ClassTarget, Target
from datamodules.types import ImageClassFacts, ImageFacts, Row

MOST_VALUES = 1 << 28  # of pixels that are held in memory to find their mean


class Images(Data[ImageSet, ImageFacts], ABC):
    """Base of the image datamodules.

    Args:
        channels: 3 for RGB, 1 for grey.
        train_transforms: Transforms of the training images, usually from ``torchvision.transforms.v2``, in turn.
        eval_transforms: Transforms of all other images.
        weights: Name of torchvision's weights (``SqueezeNet1_1_Weights.DEFAULT``), or ``timm/`` and a model of timm,
            whose size of images and normalisation are used; and whose crops, with random crops and flips in
            training, are where no transforms are given.
        max_size: Bring all images to one size before the transforms: the median height and width of the training
            images, but not more than so many pixels.
        cache_size: Decode each image once, shrink it until its shorter side has so many pixels, and keep it in
            memory (a photograph of 256 pixels takes 0.25 MB). None decodes it each time it is needed.
        max_pixels: Larger images are refused, before they are decoded.
        val_fraction: Share of the images that becomes the validation split, stratified, by the seed, where none is
            given.
        test_fraction: Share that becomes the test split, where none is given.
        **kwargs: Batch size, workers and the like: see ``datamodules.data.Data``.
    """

    makes: type[ImageFacts] = ImageClassFacts
    changeable = frozenset({"train_transforms", "eval_transforms", "cache_size", "max_pixels"})

    def __init__(
        self,
        channels: Literal[1, 3] = 3,
        train_transforms: list[nn.Module] | None = None,
        eval_transforms: list[nn.Module] | None = None,
        weights: str | None = None,
        max_size: int | None = None,
        cache_size: int | None = None,
        max_pixels: int = MAX_PIXELS,
        val_fraction: float = 0.15,
        test_fraction: float = 0.15,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_least(1, max_size=max_size, cache_size=cache_size, max_pixels=max_pixels)
        self.channels, self.weights = channels, weights
        self.max_size, self.cache_size, self.max_pixels = max_size, cache_size, max_pixels
        self.train_transforms, self.eval_transforms = train_transforms, eval_transforms
        self.val_fraction, self.test_fraction = val_fraction, test_fraction
        self.target: Target = ClassTarget(["label"])
        if max_size is not None and weights is not None:
            raise MisconfigurationException("data.weights has a size of its own: leave out data.max_size")
        for name, transforms in (("train", train_transforms or []), ("eval", eval_transforms or [])):
            whole = [isinstance(transform, BatchTransform) for transform in transforms]
            if whole != sorted(whole):
                raise MisconfigurationException(
                    f"data.{name}_transforms: {type(transforms[whole.index(True)]).__name__} takes whole batches, "
                    "so it must come after the transforms of single images"
                )

    def learn(self, train: ImageSet) -> ImageFacts:
        """What is to be predicted, mean and spread of the pixels (of 500 images)."""
        assert train.labels is not None
        target = self.target.learn(train.labels, "the training images")
        if train.classes is not None:
            counts = dict(zip(target["classes"], target["class_counts"], strict=True))
            target = {"classes": list(train.classes), "class_counts": [counts.get(name, 0) for name in train.classes]}
        preset = {} if self.weights is None else preset_of(self.weights)
        transforms = self.transforms_for(train=False, preset=preset)
        plain = self._examples(train, None, transforms, [0.0] * self.channels, [1.0] * self.channels, [])
        plain.size = size = self._size(train, transforms, plain)
        mean, std = (preset["mean"], preset["std"]) if preset else _mean_and_std(plain)
        if len(mean) > self.channels:  # grey images for weights of colour images
            mean, std = [sum(mean) / len(mean)], [sum(std) / len(std)]
        return self.makes(**target, num_inputs=self.channels, mean=mean, std=std, preset=preset, size=size)

    def _size(self, train: ImageSet, transforms: Sequence[nn.Module], plain: ImageExamples) -> list[int]:
        """Height and width that images are brought to if no transform does; nothing if one does.

        Raises:
            MisconfigurationException: If nothing does, and the images are known to have different sizes.
        """
        sizes: Sequence[Sequence[int]] | None = train.sizes
        if isinstance(train.images, Tensor):
            sizes = [train.images.shape[-2:]]
        if self.max_size is not None:
            sizes = sizes or [plain.load(i).shape[1:] for i in _some(len(plain), 100)]
            typical = [sorted(side)[len(side) // 2] for side in zip(*sizes, strict=True)]  # height, width
            scale = min(1.0, self.max_size / max(typical))
            return [max(1, round(side * scale)) for side in typical]
        if sizes is None or not _keep_size(transforms) or self.cache_size is not None:
            return []
        odd = next((i for i, size in enumerate(sizes) if size != sizes[0]), None)
        if odd is not None:
            raise MisconfigurationException(
                different_sizes([(str(train.images[i]), sizes[i]) for i in (0, odd)], transformed=False)
            )
        return list(sizes[0])

    def examples(self, raw: ImageSet, train: bool) -> ImageExamples:
        """Pixels in memory, or files read as they are needed."""
        facts, targets = self.facts, None
        if raw.labels is not None:
            raw, encoded = self._encoded(raw, raw.labels)
            targets = self.target.tensor(encoded, facts)
        transforms = self.transforms_for(train, facts.preset)
        # The user's own images, to predict, are of any size.
        size = facts.size if self.max_size is not None or _keep_size(transforms) else []
        examples = self._examples(raw, targets, transforms, facts.mean, facts.std, size)
        if self.cache_size is not None and targets is not None:
            examples.keep()
        return examples

    def _encoded(self, raw: ImageSet, labels: Sequence[object]) -> tuple[ImageSet, list[object]]:
        """The images of which it can be said what is to be predicted, and that."""
        encode, faults = self.target.encoder(self.facts), Faults(self.on_error, "images")
        encoded, good = [], []
        for k, label in enumerate(labels):
            try:
                encoded.append(encode(label))
                good.append(k)
            except MisconfigurationException as error:
                image = raw.images[k]
                faults.add(MisconfigurationException(f"{image if isinstance(image, Path) else f'image {k}'}: {error}"))
        faults.report(len(labels), "images")
        self.target.report("images")
        return raw.take(good) if faults.count else raw, encoded

    def _examples(
        self,
        raw: ImageSet,
        targets: Tensor | None,
        transforms: list[nn.Module],
        mean: list[float],
        std: list[float],
        size: list[int],
    ) -> ImageExamples:
        return ImageExamples(
            raw.images, targets, self.channels, transforms, mean, std, self.seed, self.cache_size, size,
            self.max_pixels, raw.rows,
        )  # fmt: skip

    def transforms_for(self, train: bool, preset: dict[str, Any]) -> list[nn.Module]:
        """The transforms of training or other images: those given, else those of the weights."""
        given = self.train_transforms if train else self.eval_transforms
        if given is not None or not preset:
            return given or []
        crop, mode = preset["crop"], v2.InterpolationMode(preset["interpolation"])
        if train:
            return [v2.RandomResizedCrop(crop, interpolation=mode), v2.RandomHorizontalFlip()]
        return [v2.Resize(preset["resize"], mode), v2.CenterCrop(crop)]

    def share_out(self, pool: ImageSet, split: str, val: float = 0.0, test: float = 0.0) -> ImageSet:
        """The images of ``pool`` that belong to a split, by the seed, stratified if of classes; shares are of all."""
        parts = self.assign_splits(len(pool.images), val, test, self.target.classes(pool.labels or ()))
        return pool.take((parts == SPLITS.index(split)).nonzero()[0].tolist())

    def checked(self, raw: ImageSet) -> ImageSet:
        """Look at each file before anything is made of it; leave out those that cannot be read, if asked."""
        faults, good, sizes, animated = Faults(self.on_error, "images"), [], [], []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for i, found in enumerate(pool.map(self._look, raw.images)):
                if isinstance(found, MisconfigurationException):
                    faults.add(found)
                    continue
                good.append(i)
                sizes.append((found.height, found.width))
                if found.animated:
                    animated.append(raw.images[i])
        faults.report(len(raw.images), "images")
        if animated:
            rank_zero_warn(
                f"{len(animated)} of {len(raw.images)} files hold several images, such as {animated[0]}: "
                "the first of each is used"
            )
        return raw.take(good)._replace(sizes=sizes)

    def _look(self, path: Path | Image.Image) -> Header | MisconfigurationException:
        if isinstance(path, Image.Image):
            return Header(path.height, path.width, False)
        try:
            header = read_header(path, self.max_pixels)
            if self.on_error == "skip":  # a file may be broken further on
                decode(path, self.channels, self.max_pixels)
        except MisconfigurationException as error:
            return error
        return header

    def read_predict(self, path: Path) -> ImageSet:
        """One image, or all images below a folder, in the order of their names."""
        if path.is_file():
            return self.checked(ImageSet([path], None))
        listing = Listing(path).add(path)
        listing.report(self.on_error)
        if not listing.images:
            raise MisconfigurationException(f"there is no image in {path}")
        return self.checked(ImageSet(listing.images, None))

    def read_objects(self, inputs: object) -> ImageSet:
        """Paths, images of Pillow, arrays or tensors: one, or a list of them."""
        given = inputs if isinstance(inputs, list | tuple) else [inputs]
        return self.checked(ImageSet([self._image_or_path(image, f"image {k}") for k, image in enumerate(given)], None))

    def _image_or_path(self, given: object, name: str) -> Path | Image.Image:
        if isinstance(given, str | Path):
            if not Path(given).is_file():
                raise MisconfigurationException(f"there is no image {given}")
            return Path(given)
        image = image_of(given, name)
        if image.width * image.height > self.max_pixels:
            raise MisconfigurationException(f"{name} has more than {self.max_pixels:,} pixels (data.max_pixels)")
        return image

    def read_labelled(self, inputs: object) -> ImageSet:
        """A folder of class folders, or pairs of images and what is to be predicted of them."""
        if isinstance(inputs, str | Path):
            return self.checked(class_folders(Path(inputs), self.on_error))
        images, labels = [], []
        for k, (image, value) in enumerate(listed(inputs, "pairs of images and what is to be predicted of them")):
            images.append(self._image_or_path(image, f"image {k}"))
            labels.append(self.target.read(self.target.row(value, f"image {k}"), f"image {k}"))
        return self.checked(ImageSet(images, labels))

    def describe(self, index: int) -> Row:
        """The path of the image; or its row in the user's table."""
        examples = self.datasets["predict"]
        assert isinstance(examples, ImageExamples)
        return examples.row(index)


def _keep_size(transforms: Sequence[nn.Module]) -> bool:
    return all(isinstance(transform, BatchTransform) for transform in transforms)


def _some(size: int, count: int) -> list[int]:
    return torch.linspace(0, size - 1, min(count, size)).long().tolist()


def _mean_and_std(plain: ImageExamples) -> tuple[list[float], list[float]]:
    """Mean and spread of each channel; images of one flat colour are said."""
    one = plain.__getitems__(BatchIndices([0])).inputs
    some = _some(len(plain), max(1, min(500, MOST_VALUES // one.numel())))
    pixels = plain.__getitems__(BatchIndices(some)).inputs
    flat = (pixels.flatten(2).amax(2) == pixels.flatten(2).amin(2)).all(1).nonzero().flatten().tolist()
    if flat:
        rank_zero_warn(
            f"{len(flat)} of {len(some)} images that were looked at are of one flat colour, such as "
            f"{plain.row(some[flat[0]])['path']} (what is drawn in transparency alone is not seen)"
        )
    return pixels.mean((0, 2, 3)).tolist(), pixels.std((0, 2, 3)).clamp_min(1e-3).tolist()
