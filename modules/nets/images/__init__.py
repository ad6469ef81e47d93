"""Networks for images."""

from modules.nets.images.cnn import ResidualCNN, SmallCNN
from modules.nets.images.pretrained import TorchvisionModel

__all__ = ["ResidualCNN", "SmallCNN", "TorchvisionModel"]
