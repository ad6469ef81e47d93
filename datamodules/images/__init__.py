"""Images: the user's own, torchvision's datasets, scikit-learn's digits, ants and bees."""

from datamodules.images.base import Images, Pictures
from datamodules.images.own import ImageFolder, ImageTable
from datamodules.images.public import Digits, Hymenoptera
from datamodules.images.torchvision_datasets import TorchvisionImages

__all__ = ["Digits", "Hymenoptera", "ImageFolder", "ImageTable", "Images", "Pictures", "TorchvisionImages"]
