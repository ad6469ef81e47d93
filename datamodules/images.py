"""Images: the user's own, torchvision's datasets, scikit-learn's digits, ants and bees."""

from datamodules.image_datasets import Digits, Hymenoptera
from datamodules.image_files import ImageFolder, ImageTable
from datamodules.pictures import Images, Pictures
from datamodules.torchvision_images import TorchvisionImages

__all__ = ["Digits", "Hymenoptera", "ImageFolder", "ImageTable", "Images", "Pictures", "TorchvisionImages"]
