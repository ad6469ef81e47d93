import struct
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from PIL import Image
from torch import Tensor

from datamodules.images.decoding import decode, read_header

COLOURS = {"L": 120, "RGB": (200, 30, 90), "RGBA": (200, 30, 90, 255), "CMYK": (10, 200, 30, 40), "P": 3}
GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
COLOUR = np.stack([GREY, GREY[::-1], 255 - GREY], 2)


def as_8_bits(pixels: Tensor) -> np.ndarray:
    assert pixels.dtype == torch.float32
    return (pixels * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def png(pixels: np.ndarray, depth: int, colour: int, size: tuple[int, int] | None = None) -> bytes:
    """A PNG by hand: Pillow writes no colours of 16 bits, nor another size than that of the pixels."""
    height, width = size or pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(f">u{depth // 8}").tobytes() for row in pixels)
    parts = {b"IHDR": struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0), b"IDAT": zlib.compress(rows)}
    chunks = [(kind + data, len(data)) for kind, data in {**parts, b"IEND": b""}.items()]
    body = b"".join(struct.pack(">I", size) + data + struct.pack(">I", zlib.crc32(data)) for data, size in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("mode", COLOURS)
@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "tif"])
def test_decodes_every_colour_type(mode: str, ending: str, tmp_path: Path) -> None:
    if (mode, ending) in {("RGBA", "jpg"), ("P", "jpg"), ("CMYK", "png"), ("CMYK", "bmp")}:
        pytest.skip("the format has no such images")
    image = Image.new(mode, (7, 5), COLOURS[mode])
    image.save(tmp_path / f"a.{ending}")
    wanted = torch.tensor(image.convert("RGB").getpixel((0, 0)))
    pixels = decode(tmp_path / f"a.{ending}", channels=3)
    assert pixels.shape == (3, 5, 7)
    assert pixels.dtype == torch.uint8
    assert (pixels[:, 2, 2].int() - wanted).abs().max() <= 6
    assert decode(tmp_path / f"a.{ending}", channels=1).shape == (1, 5, 7)


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_grey_of_16_bits_is_scaled(ending: str, tmp_path: Path) -> None:
    Image.fromarray(GREY.astype(np.uint16) * 257).save(tmp_path / f"a.{ending}")
    for channels in (1, 3):
        pixels = decode(tmp_path / f"a.{ending}", channels)
        assert pixels.shape == (channels, 6, 8)
        assert (as_8_bits(pixels) == GREY[..., None]).all()


def test_grey_of_12_bits_in_16_keeps_its_levels(tmp_path: Path) -> None:
    levels = np.arange(48, dtype=np.uint16).reshape(6, 8)  # all of them black in 8 bits
    Image.fromarray(levels).save(tmp_path / "a.png")
    assert len(decode(tmp_path / "a.png", 1).unique()) == 48


def test_white_is_zero_in_tiff_of_16_bits(tmp_path: Path) -> None:
    Image.fromarray(GREY.astype(np.uint16) * 257).save(tmp_path / "a.tif", tiffinfo={262: 0})
    assert (as_8_bits(decode(tmp_path / "a.tif", 1))[..., 0] == 255 - GREY).all()


@pytest.mark.parametrize(
    ("colour", "pixels"), [(2, COLOUR), (6, np.dstack([COLOUR, GREY])), (4, np.dstack([GREY] * 2))]
)
def test_colours_of_16_bits_are_scaled(colour: int, pixels: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(pixels.astype(np.uint16) * 257, 16, colour))
    wanted = pixels[..., :3] if colour != 4 else np.dstack([GREY] * 3)
    assert (decode(tmp_path / "a.png", 3).permute(1, 2, 0).numpy() == wanted).all()


def test_floats_are_shares_of_white(tmp_path: Path) -> None:
    Image.fromarray(GREY.astype(np.float32) / 255).save(tmp_path / "a.tif")
    assert (as_8_bits(decode(tmp_path / "a.tif", 1))[..., 0] == GREY).all()


@pytest.mark.parametrize("values", [GREY.astype(np.float32), GREY.astype(np.int32), GREY * np.float32("nan")])
def test_unknown_ranges_are_refused(values: np.ndarray, tmp_path: Path) -> None:
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(MisconfigurationException, match=r"a.tif has pixels from .* save it with 8 or 16 bits"):
        decode(tmp_path / "a.tif", 1)


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "tif"])
def test_of_several_images_the_first_is_read(ending: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ((250, 0, 0), (0, 250, 0), (0, 0, 250))]
    path = tmp_path / f"a.{ending}"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert decode(path, 3).float().mean((1, 2)).argmax() == 0
    assert decode(path, 1).shape == (1, 6, 8)
    assert read_header(path) == (6, 8, True)
    frames[0].save(path)
    assert read_header(path) == (6, 8, False)


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_grey_is_not_the_red_of_a_colour_image(ending: str, tmp_path: Path) -> None:
    Image.new("RGB", (8, 6), (255, 0, 0)).save(tmp_path / f"a.{ending}")
    assert abs(int(decode(tmp_path / f"a.{ending}", 1)[0, 2, 2]) - 76) < 4


def test_a_palette_with_transparent_colours(tmp_path: Path) -> None:
    image = Image.fromarray(COLOUR).quantize(8)
    image.save(tmp_path / "a.png", transparency=bytes([0, 128] + [255] * 6))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels = decode(tmp_path / "a.png", 3)
    assert (pixels.permute(1, 2, 0).numpy() == np.asarray(image.convert("RGB"))).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("ending", "values"),
    [("tif", GREY), ("tif", COLOUR), ("tif", GREY.astype(np.uint16) * 257), ("png", COLOUR), ("webp", COLOUR)],
)
def test_turns_images_upright(orientation: int, ending: str, values: np.ndarray, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(values).save(
        tmp_path / f"a.{ending}", exif=exif, **({"lossless": True} if ending == "webp" else {})
    )
    upright = [
        values, values[:, ::-1], values[::-1, ::-1], values[::-1], values.swapaxes(0, 1), np.rot90(values, -1),
        np.rot90(values, 2).swapaxes(0, 1), np.rot90(values),
    ][orientation - 1]  # fmt: skip
    pixels = decode(tmp_path / f"a.{ending}", 3 if values.ndim == 3 else 1).permute(1, 2, 0).numpy().squeeze()
    assert pixels.shape == upright.shape
    assert np.abs(pixels * (65535 if pixels.dtype == np.float32 else 1) - upright.astype(float)).max() < 0.1
    assert read_header(tmp_path / f"a.{ending}")[:2] == upright.shape[:2]


def test_turns_photographs_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held sideways
    Image.new("RGB", (7, 5)).save(tmp_path / "a.jpg", exif=exif)
    assert decode(tmp_path / "a.jpg", channels=3).shape == (3, 7, 5)
    assert read_header(tmp_path / "a.jpg")[:2] == (7, 5)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"no image", "its format is not known"),
        (b"\x89PNG\r\n\x1a\n0000", ""),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "it is HEIC: save it as JPEG or PNG"),
        (b"<?xml version='1.0'?><svg/>", "SVG"),
        (b"\n <!DOCTYPE html><html>404", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
    ],
)
def test_what_is_no_image_is_named(content: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    for read in (read_header, lambda path: decode(path, channels=3)):
        with pytest.raises(MisconfigurationException, match=rf"a.png is not an image.*{reason}"):
            read(tmp_path / "a.png")


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_cut_images_are_refused(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(MisconfigurationException, match="is not an image that can be read"):
        decode(path, channels=3)


@pytest.mark.filterwarnings("ignore")  # Pillow's
def test_damaged_images_are_answered_in_a_sentence(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for ending in ("png", "jpg", "tif", "gif", "webp", "bmp"):
        Image.fromarray(COLOUR).save(tmp_path / f"a.{ending}")
        whole = (tmp_path / f"a.{ending}").read_bytes()
        for _ in range(60):
            content = bytearray(whole)
            for place in random.integers(0, len(content), 3):
                content[place] = random.integers(256)
            (tmp_path / f"a.{ending}").write_bytes(content)
            for read in (read_header, lambda path: decode(path, channels=3)):
                with suppress(MisconfigurationException):
                    read(tmp_path / f"a.{ending}")


def test_large_images_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    Image.new("1", (300, 200)).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png", 1, max_pixels=60_000).shape == (1, 200, 300)
    for read in (lambda path: read_header(path, 59_999), lambda path: decode(path, 1, 59_999)):
        with pytest.raises(MisconfigurationException, match=r"a.png unfolds to more than 59,999 pixels.*max_pixels"):
            read(tmp_path / "a.png")


def test_a_bomb_is_refused_unless_the_limit_is_raised(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(np.zeros((1, 1)), 8, 0, size=(15000, 15000)))
    with pytest.raises(MisconfigurationException, match="unfolds to more than 200,000,000 pixels"):
        decode(tmp_path / "a.png", 1)
    before = Image.MAX_IMAGE_PIXELS
    try:
        with pytest.raises(MisconfigurationException, match="is not an image that can be read"):  # its data end
            decode(tmp_path / "a.png", 1, max_pixels=300_000_000)
    finally:
        Image.MAX_IMAGE_PIXELS = before
