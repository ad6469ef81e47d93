"""Images: the user's own, torchvision's datasets, scikit-learn's digits, ants and bees."""

from datamodules.image_datasets import Digits, Hymenoptera, TorchvisionImages
from datamodules.image_files import ImageFolder, ImageTable
from datamodules.pictures import Images, Pictures

__all__ = ["Digits", "Hymenoptera", "ImageFolder", "ImageTable", "Images", "Pictures", "TorchvisionImages"]
