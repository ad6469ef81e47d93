"""Networks for images, ``(batch, channels, height, width)`` to logits ``(batch, classes)``."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.nets.checks import at_least_one
from modules.nets.images.norms import normalize_single_by_running


def _conv(in_channels: int, out_channels: int) -> nn.Sequential:
    conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False)
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
        at_least_one(width=width, num_stages=num_stages)
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
        stride: Of the first convolution: 2 halves the images at once, for those that are not that small.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        width: int = 32,
        blocks: int = 2,
        num_stages: int = 3,
        stride: int = 1,
    ) -> None:
        super().__init__()
        at_least_one(width=width, blocks=blocks, num_stages=num_stages, stride=stride)
        layers: list[nn.Module] = [nn.Conv2d(in_channels, width, 3, stride, padding=1, bias=False)]
        channels = width
        for stage in range(num_stages):
            for block in range(blocks):
                out_channels = width * 2**stage
                layers.append(ResidualBlock(channels, out_channels, stride=2 if stage and block == 0 else 1))
                channels = out_channels
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.head = nn.Linear(channels, num_classes)
        normalize_single_by_running(self)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(batch, classes)``."""
        logits: Tensor = self.head(self.features(images).mean((2, 3)))
        return logits
