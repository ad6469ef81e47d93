"""Networks for images, ``(batch, channels, height, width)`` to logits ``(batch, classes)``."""

import difflib
from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info
from torch import Tensor, nn


def _conv(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))


class SmallCNN(nn.Module):
    """Pairs of 3x3 convolutions, each pair followed by pooling to half the size (in the manner of VGG).

    Args:
        in_channels: Channels of the images.
        num_classes: Number of classes.
        width: Channels after the first pair; they double with each pair.
        num_stages: Number of pairs; the images must be at least ``2 ** num_stages`` pixels wide.
        dropout: Probability of dropping a feature before the last layer.
    """

    def __init__(
        self, in_channels: int, num_classes: int, width: int = 32, num_stages: int = 2, dropout: float = 0.25
    ) -> None:
        super().__init__()
        stages: list[nn.Module] = []
        for stage in range(num_stages):
            out_channels = width * 2**stage
            stages += [_conv(in_channels, out_channels), _conv(out_channels, out_channels), nn.MaxPool2d(2)]
            in_channels = out_channels
        self.features = nn.Sequential(*stages)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(in_channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(batch, classes)``."""
        features = self.features(images).amax((2, 3))  # (batch, channels)
        logits: Tensor = self.head(self.dropout(features))
        return logits


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut (He et al. 2016, section 4.2), activated before each (He et al. 2016b)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.BatchNorm2d(in_channels), nn.BatchNorm2d(out_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        same = stride == 1 and in_channels == out_channels
        self.shortcut = None if same else nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """``(batch, in_channels, h, w)`` to ``(batch, out_channels, h / stride, w / stride)``."""
        active = F.relu(self.norm1(images))
        shortcut = images if self.shortcut is None else self.shortcut(active)
        changed = self.conv2(F.relu(self.norm2(self.conv1(active))))
        return torch.add(changed, shortcut)


class ResidualCNN(nn.Module):
    """A wide residual network for small images (Zagoruyko & Komodakis 2016).

    Args:
        in_channels: Channels of the images.
        num_classes: Number of classes.
        width: Channels of the first stage; they double, as the size halves, with each stage.
        blocks: Residual blocks in each stage.
        num_stages: Number of stages.
    """

    def __init__(
        self, in_channels: int, num_classes: int, width: int = 32, blocks: int = 2, num_stages: int = 3
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(in_channels, width, 3, padding=1, bias=False)]
        channels = width
        for stage in range(num_stages):
            for block in range(blocks):
                out_channels = width * 2**stage
                layers.append(ResidualBlock(channels, out_channels, stride=2 if stage and block == 0 else 1))
                channels = out_channels
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.head = nn.Linear(channels, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(batch, classes)``."""
        logits: Tensor = self.head(self.features(images).mean((2, 3)))
        return logits


class TorchvisionModel(nn.Module):
    """Any classification model of torchvision, its last layer replaced for the classes at hand.

    Grey images are repeated to the three channels that pretrained models expect.

    Args:
        in_channels: Channels of the images, 1 or 3.
        num_classes: Number of classes.
        name: Name of the model, such as ``resnet18``, ``alexnet``, ``vgg16``, ``squeezenet1_1``.
        weights: Name of pretrained weights (``DEFAULT``, ``IMAGENET1K_V1``), downloaded by torchvision, or the path
            of a file with a state dict; random weights if None.

    Raises:
        MisconfigurationException: If the model or the weights are unknown, or a file's tensors do not fit.
    """

    def __init__(self, in_channels: int, num_classes: int, name: str = "resnet18", weights: str | None = None) -> None:
        super().__init__()
        known = torchvision.models.list_models(module=torchvision.models)
        if name not in known:
            near = ", ".join(difflib.get_close_matches(name, known, n=3)) or "see torchvision.models.list_models()"
            raise MisconfigurationException(f"torchvision has no classification model {name}; nearest: {near}")
        self.in_channels = in_channels
        path = Path(weights) if weights and Path(weights).suffix else None
        published = None if path else weights
        try:
            # Inception and GoogLeNet would return a tuple in training; their side heads are a relic.
            options = {"aux_logits": False} if name in ("inception_v3", "googlenet") and not published else {}
            self.model = torchvision.models.get_model(name, weights=published, **options)
        except (ValueError, KeyError) as error:
            raise MisconfigurationException(f"{name} has no weights {weights}: {error}") from None
        self.head = replace_head(self.model, num_classes)
        if path is not None:
            load_matching(self.model, path, new=self.head)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(batch, classes)``."""
        if self.in_channels == 1:
            images = images.expand(-1, 3, -1, -1)
        logits = self.model(images)
        return logits if isinstance(logits, Tensor) else logits[0]  # Inception's side head, pretrained


def replace_head(model: nn.Module, num_classes: int) -> str:
    """Replace the last linear (or, as in SqueezeNet, 1x1 convolutional) layer by a new one.

    Returns:
        The name of the replaced layer.
    """
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear | nn.Conv2d)]
    name, last = layers[-1]
    new: nn.Module
    if isinstance(last, nn.Linear):
        new = nn.Linear(last.in_features, num_classes, bias=last.bias is not None)
    else:
        new = nn.Conv2d(last.in_channels, num_classes, last.kernel_size, last.stride)  # type: ignore[arg-type]
    parent, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(parent), attribute, new)
    return name


def load_matching(model: nn.Module, path: Path, new: str) -> None:
    """Load a state dict from a file into a model whose head is new.

    Args:
        model: The network.
        path: File of a state dict, possibly wrapped in ``{"state_dict": ...}`` and with ``module.`` before the names.
        new: Name of the layer that stays as it is.

    Raises:
        MisconfigurationException: If a tensor of the file has another name or shape than in the network, or the file
            lacks one.
    """
    if not path.is_file():
        raise MisconfigurationException(f"there is no weights file {path}")
    content = torch.load(path, map_location="cpu", weights_only=True)
    tensors = {key.removeprefix("module."): value for key, value in content.get("state_dict", content).items()}
    tensors = {key: value for key, value in tensors.items() if not key.startswith(f"{new}.")}
    own = {key: value for key, value in model.state_dict().items() if not key.startswith(f"{new}.")}
    strange = [
        f"{key} {tuple(value.shape)}" + (f" (the network has {tuple(own[key].shape)})" if key in own else " (unknown)")
        for key, value in tensors.items()
        if key not in own or own[key].shape != value.shape
    ]
    lacking = [key for key in own if key not in tensors and not key.endswith("num_batches_tracked")]
    if strange or lacking:
        listed = "; ".join([*strange[:5], *(f"{key} is missing" for key in lacking[:5])])
        raise MisconfigurationException(
            f"{path} does not fit the network ({len(strange)} tensors of {len(tensors)} don't, {len(lacking)} are "
            f"missing): {listed}"
        )
    model.load_state_dict(tensors, strict=False)
    rank_zero_info(f"loaded {len(tensors)} tensors from {path}; new: {new}")
