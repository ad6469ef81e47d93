"""What all image datamodules have in common: classes, normalisation, transforms."""

import difflib
from abc import ABC
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import torch
import torchvision
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torchvision.transforms import v2

from datamodules.data import Data, Row
from datamodules.images.examples import ImageExamples, is_image
from datamodules.sampling import Draw


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
    channel, by which the images are normalised, ``preset``: what the pretrained weights were trained with, and
    ``size``: height and width of the training images, if they have one size without any transform.

    Args:
        root: Folder of datasets; ``$LEYDEN_DATA``, else ``data``, if not given.
        batch_size: Images in a batch, per process.
        num_workers: Processes that load batches; 0 loads them in the training process.
        predict_path: An image, or a folder of images, to predict.
        channels: 3 for RGB, 1 for grey.
        train_transforms: Transforms of the training images, usually from ``torchvision.transforms.v2``, in turn.
        eval_transforms: Transforms of all other images.
        weights: Name of torchvision's weights (``SqueezeNet1_1_Weights.DEFAULT``), or ``timm/`` and a model of timm,
            whose size of images and normalisation are used; and whose crops, with random crops and flips in
            training, are where no transforms are given.
        cache_size: Decode each image once, shrink it until its shorter side has so many pixels, and keep it in
            memory (a photograph of 256 pixels takes 0.25 MB). None decodes it each time it is needed.
    """

    facts: ClassVar[tuple[str, ...]] = ("classes", "class_counts", "num_inputs", "mean", "std", "preset", "size")

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
        cache_size: int | None = None,
    ) -> None:
        super().__init__(root, batch_size, num_workers, predict_path)
        self.channels, self.cache_size, self.weights = channels, cache_size, weights
        self.train_transforms, self.eval_transforms = train_transforms, eval_transforms
        self.size: list[int] = []

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the facts from a checkpoint, in which there is no preset unless weights were named."""
        super().load_state_dict({"preset": {}, "size": [], **state_dict})

    def learn(self, train: Pictures) -> None:
        """Class names, their counts, mean and spread of the pixels (of 500 images)."""
        assert train.labels is not None
        self.classes = self.class_names(train.labels)
        self.class_counts = [train.labels.count(name) for name in self.classes]
        self.num_inputs = self.channels
        self.preset = {} if self.weights is None else preset_of(self.weights)
        self.size = list(train.images.shape[-2:]) if isinstance(train.images, Tensor) else []
        if self.preset:
            self.mean, self.std = self.preset["mean"], self.preset["std"]
            return
        some = torch.linspace(0, len(train.images) - 1, min(500, len(train.images))).long().tolist()
        self.mean, self.std = [0.0] * self.channels, [1.0] * self.channels
        plain = self.examples(Pictures(train.take(some).images, None), train=False)
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
        transforms = self.transforms(train)
        if not transforms and self.size and not isinstance(raw.images, Tensor):
            transforms = [v2.Resize(self.size)]  # the user's own pictures, to predict, are of any size
        examples = ImageExamples(
            raw.images, targets, self.channels, transforms, self.mean, self.std, self.seed, self.cache_size
        )
        if self.cache_size is not None and targets is not None:
            examples.keep()
        return examples

    def transforms(self, train: bool) -> list[nn.Module]:
        """The transforms of training or other images: those given, else those of the weights."""
        given = self.train_transforms if train else self.eval_transforms
        if given is not None or not self.preset:
            return given or []
        crop, mode = self.preset["crop"], v2.InterpolationMode(self.preset["interpolation"])
        if train:
            return [v2.RandomResizedCrop(crop, interpolation=mode), v2.RandomHorizontalFlip()]
        return [v2.Resize(self.preset["resize"], mode), v2.CenterCrop(crop)]

    def read_predict(self, path: Path) -> Pictures:
        """One image, or all images below a folder, in the order of their names."""
        paths = [path] if path.is_file() else sorted(p for p in path.rglob("*") if is_image(p))
        if not paths:
            raise MisconfigurationException(f"there is no image in {path}")
        return Pictures(paths, None)

    def describe(self, index: int) -> Row:
        """The path of the image."""
        return {"path": str(self.datasets["predict"].images[index])}  # type: ignore[attr-defined]


def preset_of(weights: str) -> dict[str, Any]:
    """How the images were prepared that pretrained weights were trained on.

    Args:
        weights: ``SqueezeNet1_1_Weights.DEFAULT`` and the like; or ``timm/`` and the name of a model of timm.

    Returns:
        ``crop`` and ``resize`` (of the shorter side) in pixels, ``interpolation``, ``mean``, ``std`` of each channel.

    Raises:
        MisconfigurationException: If there are no such weights, or not for classification.
    """
    if weights.startswith("timm/"):
        return _preset_of_timm(weights.removeprefix("timm/"))
    try:
        own = torchvision.models.get_weight(weights).transforms()
        resize, crop = int(own.resize_size[0]), int(own.crop_size[0])
    except (ValueError, KeyError, AttributeError):
        known = [
            f"{type(entry).__name__}.{entry.name}"
            for name in torchvision.models.list_models(module=torchvision.models)
            for entry in [*torchvision.models.get_model_weights(name)]
        ]
        near = ", ".join(difflib.get_close_matches(weights, known, n=3)) or known[0]
        raise MisconfigurationException(
            f"data.weights: torchvision has no weights {weights} for classification; nearest: {near}"
        ) from None
    return {
        "crop": crop,
        "resize": resize,
        "interpolation": own.interpolation.value,
        "mean": list(own.mean),
        "std": list(own.std),
    }


def _preset_of_timm(name: str) -> dict[str, Any]:
    try:
        import timm
    except ImportError:
        raise MisconfigurationException(f"data.weights: timm/{name} needs the package timm: pip install timm") from None
    if not timm.is_model(name):
        near = ", ".join(difflib.get_close_matches(name.split(".")[0], timm.list_models(), n=3))
        raise MisconfigurationException(f"data.weights: timm has no model {name}; nearest: {near}")
    own = timm.data.resolve_data_config(timm.get_pretrained_cfg(name).to_dict())
    crop = int(own["input_size"][-1])
    return {
        "crop": crop,
        "resize": round(crop / own["crop_pct"]),
        "interpolation": own["interpolation"],
        "mean": list(own["mean"]),
        "std": list(own["std"]),
    }
