"""Images: the user's own, torchvision's datasets, scikit-learn's digits, ants and bees."""

from datamodules.images.augmentation import BatchAffine, BatchTransform
from datamodules.images.base import Images
from datamodules.images.own import ImageFolder, ImageTable
from datamodules.images.public import Digits, Hymenoptera, TorchvisionImages
from datamodules.images.sets import ImageSet

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
