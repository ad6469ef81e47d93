from pathlib import Path

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from PIL import Image

from datamodules.images.decoding import decode

COLOURS = {"L": 120, "RGB": (200, 30, 90), "RGBA": (200, 30, 90, 255), "CMYK": (10, 200, 30, 40), "P": 3}


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


def test_turns_images_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held sideways
    Image.new("RGB", (7, 5)).save(tmp_path / "a.jpg", exif=exif)
    assert decode(tmp_path / "a.jpg", channels=3).shape == (3, 7, 5)


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n0000"])
def test_broken_file_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(MisconfigurationException, match=r"a.png is not an image"):
        decode(tmp_path / "a.png", channels=3)
