"""Image files: which they are, and their pixels."""

from pathlib import Path

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torchvision import io
from torchvision.transforms.v2 import functional as pixel

ENDINGS = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}


def is_image(path: Path) -> bool:
    """Whether a file's name ends, in any case, as that of an image."""
    return path.suffix.lower() in ENDINGS and path.is_file()


def decode(path: Path, channels: int) -> Tensor:
    """Read an image file of any colour type (grey, palette, RGBA, CMYK), turned upright.

    Args:
        path: The file.
        channels: 1 for grey, 3 for RGB.

    Returns:
        Pixels 0-255, ``(channels, height, width)``, uint8.

    Raises:
        MisconfigurationException: If there is no image in the file; it is named.
    """
    mode = io.ImageReadMode.RGB if channels == 3 else io.ImageReadMode.GRAY
    try:
        image: Tensor = io.decode_image(str(path), mode=mode, apply_exif_orientation=True)[:channels]
        return image
    except (RuntimeError, ValueError):  # a format that torchvision does not know, or a broken file
        from PIL import Image, ImageOps, UnidentifiedImageError

        try:
            with Image.open(path) as opened:
                upright = ImageOps.exif_transpose(opened).convert("RGB" if channels == 3 else "L")
                image = pixel.pil_to_tensor(upright)
                return image
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
            raise MisconfigurationException(f"{path} is not an image that can be read ({error})") from None
