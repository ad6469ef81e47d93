"""Images: the user's own, torchvision's datasets, scikit-learn's digits, ants and bees."""

from datamodules.images.augmentation import BatchAffine, BatchTransform
from datamodules.images.base import Images, ImageSet
from datamodules.images.own import ImageFolder, ImageTable
from datamodules.images.public import Digits, Hymenoptera, TorchvisionImages

__all__ = [
    "BatchAffine",
    "BatchTransform",
    "Digits",
    "Hymenoptera",
    "ImageFolder",
    "ImageSet",
    "ImageTable",
    "Images",
    "TorchvisionImages",
]
