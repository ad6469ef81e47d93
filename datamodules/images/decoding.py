"""Image files: which they are, what their headers say, and their pixels."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from PIL import AvifImagePlugin, Image, ImageOps, Jpeg2KImagePlugin, UnidentifiedImageError, WebPImagePlugin
from PIL.TiffImagePlugin import TiffImageFile
from torch import Tensor

from datamodules.types import Array

WIDTH, HEIGHT, BITS_PER_SAMPLE, PHOTOMETRIC, ORIENTATION = 256, 257, 258, 262, 274  # tags of TIFF, and of EXIF
MAX_PIXELS = 200_000_000  # of one image
# Pillow's decoders that are used: some others start another program. Those of torchvision bring the process down over a
# damaged PNG.
FORMATS = (
    "JPEG", "PNG", "BMP", "DIB", "GIF", "PPM", TiffImageFile.format, WebPImagePlugin.WebPImageFile.format,
    AvifImagePlugin.AvifImageFile.format, Jpeg2KImagePlugin.Jpeg2KImageFile.format,
)  # fmt: skip
ENDINGS = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".gif", ".webp", ".tif", ".tiff",
    ".pbm", ".pgm", ".ppm", ".pnm", ".avif", ".jp2",
}  # fmt: skip
# Images all the same, in formats that are not read.
FOREIGN = {
    ".heic", ".heif", ".jxl", ".svg", ".svgz", ".pdf", ".eps", ".ai", ".psd", ".xcf", ".raw", ".dng", ".cr2", ".cr3",
    ".nef", ".arw", ".orf", ".raf", ".rw2", ".exr", ".hdr", ".dcm", ".ico", ".tga",
}  # fmt: skip
# How a file begins that is no image, whatever its name says.
BEGINNINGS = {
    b"<svg": "an SVG drawing",
    b"<?xml": "an XML file, perhaps an SVG drawing",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"%pdf": "a PDF",
    b"%!ps": "a PostScript drawing",
    b"8bps": "a Photoshop file",
    b"version https://git-lfs": "a pointer of Git LFS: fetch the images with `git lfs pull`",
}


class Header(NamedTuple):
    """What the beginning of an image file says.

    Attributes:
        height: In pixels, of the upright image.
        width: In pixels.
        animated: Whether there are further images in the file.
    """

    height: int
    width: int
    animated: bool


def is_image(path: Path) -> bool:
    """Whether a file's name ends, in any case, as that of an image."""
    return path.suffix.lower() in ENDINGS


def read_header(path: Path, max_pixels: int = MAX_PIXELS) -> Header:
    """Read how large an image is, without decoding it.

    Raises:
        MisconfigurationException: If it is no image, or larger than ``max_pixels``.
    """
    with _opened(path, max_pixels) as image:
        width, height = image.size
        if isinstance(image, TiffImageFile):  # Pillow may have turned it already
            width, height = image.tag_v2[WIDTH], image.tag_v2[HEIGHT]
        if image.getexif().get(ORIENTATION, 1) >= 5:  # lying on its side
            width, height = height, width
        try:
            image.seek(1)
        except EOFError:
            return Header(height, width, False)
        return Header(height, width, image.format != "MPO")  # cameras add smaller versions of a photograph to it


def decode(path: Path, channels: int, max_pixels: int = MAX_PIXELS) -> Tensor:
    """Read an image file of any colour type (grey, palette, RGBA, CMYK), turned upright.

    Of several images in a file the first is read. Transparency is left out. Colours of 16 bits lose the lower eight.

    Args:
        path: The file.
        channels: 1 for grey, 3 for RGB.
        max_pixels: Larger images are refused.

    Returns:
        Pixels ``(channels, height, width)``: 0-255 in uint8, or 0-1 in float32 for grey of more than 8 bits.

    Raises:
        MisconfigurationException: If there is no image in the file, or its range is not known; it is named.
    """
    with _opened(path, max_pixels) as image:
        if channels == 1:
            image.draft("L", image.size)  # a JPEG holds its grey image as it is
        return pixels_of(image, channels, str(path))


def pixels_of(image: Image.Image, channels: int, name: str) -> Tensor:
    """The pixels of an opened image; as ``decode``, which calls it.

    Args:
        image: Of any colour type.
        channels: 1 for grey, 3 for RGB.
        name: What messages call it.
    """
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(("I", "F")):
        grey = torch.from_numpy(_unit_range(np.array(upright), image, name))[None]
        return grey.repeat(channels, 1, 1)
    if upright.mode == "P":  # so that Pillow need not warn of transparent colours
        upright = upright.convert("RGBA")
    pixels = torch.from_numpy(np.array(upright.convert("RGB" if channels == 3 else "L")))
    return pixels.view(upright.height, upright.width, channels).permute(2, 0, 1)


def image_of(given: object, name: str) -> Image.Image:
    """An image in memory as Pillow has it.

    Args:
        given: An image of Pillow; or an array ``(height, width)`` or ``(height, width, channels)`` or a tensor
            ``(channels, height, width)``, 0-255 in uint8.
        name: What messages call it.

    Raises:
        MisconfigurationException: If it is anything else.
    """
    if isinstance(given, Image.Image):
        return given
    if isinstance(given, Tensor):
        given = (given.permute(1, 2, 0) if given.ndim == 3 else given).cpu().numpy()
    if not isinstance(given, np.ndarray):
        raise MisconfigurationException(f"{name} is a {type(given).__name__}, not a path, an image or an array")
    if given.ndim == 3 and given.shape[2] == 1:
        given = given[:, :, 0]
    if given.dtype != np.uint8 or (given.ndim, *given.shape[2:]) not in ((2,), (3, 3), (3, 4)) or not given.size:
        raise MisconfigurationException(
            f"{name} is an array {given.shape} of {given.dtype}; images are (height, width) or (height, width, "
            "channels), as tensors (channels, height, width), from 0 to 255 in uint8"
        )
    return Image.fromarray(given)


def _unit_range(values: Array, image: Image.Image, name: str) -> Array:
    """Bring the values of a grey image of more than 8 bits to 0-1."""
    bits = 16 if image.mode.startswith("I;16") or (image.mode, image.format) == ("I", "PPM") else 0
    if isinstance(image, TiffImageFile) and bits:
        bits = image.tag_v2[BITS_PER_SAMPLE][0]
        if image.tag_v2[PHOTOMETRIC] == 0:  # white is zero
            values = (1 << bits) - 1 - values
    scaled = values.astype(np.float32) / ((1 << bits) - 1 if bits else 1)
    if not (scaled.min() >= 0 and scaled.max() <= 1):
        raise MisconfigurationException(
            f"{name} has pixels from {values.min():g} to {values.max():g} ({values.dtype}), and it is not known what "
            "black and white are: save it with 8 or 16 bits, or scaled to 0-1"
        )
    return scaled


@contextmanager
def _opened(path: Path, max_pixels: int) -> Iterator[Image.Image]:
    if max_pixels > (Image.MAX_IMAGE_PIXELS or max_pixels):  # Pillow's own limit would come first
        Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        # Not by its name: Pillow would map the file into memory, and then turns grey TIFF wrongly.
        with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise Image.DecompressionBombError(f"{image.width} x {image.height}")
            yield image
    except Image.DecompressionBombError as error:
        raise MisconfigurationException(
            f"{path} unfolds to more than {max_pixels:,} pixels ({error}); if it is meant to, raise --data.max_pixels"
        ) from None
    except MisconfigurationException:
        raise
    except Exception as error:  # Pillow raises nearly every kind over a damaged file
        raise MisconfigurationException(f"{path} is not an image that can be read ({_reason(path, error)})") from None


def _reason(path: Path, error: Exception) -> str:
    """Why a file cannot be read, by how it begins."""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as failed:
        return failed.strerror or str(failed)
    if not head:
        return "it is empty"
    if head[4:8] == b"ftyp" and head[8:12] in (b"heic", b"heix", b"hevc", b"mif1", b"msf1"):
        return "it is HEIC: save it as JPEG or PNG"
    start = head.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    for beginning, meaning in BEGINNINGS.items():
        if start.startswith(beginning):
            return f"it is {meaning}"
    return "its format is not known" if isinstance(error, UnidentifiedImageError) else str(error)
