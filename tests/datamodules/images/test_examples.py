from pathlib import Path

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from PIL import Image
from torchvision.transforms import v2

from datamodules.images.examples import BatchAffine, decode

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


def test_batch_affine_turns_like_torchvision() -> None:
    image = v2.functional.gaussian_blur(torch.rand(1, 1, 32, 32), [5, 5])
    draws = torch.full((1, 6), 0.5)
    draws[0, 0] = 0.9
    turned = BatchAffine(degrees=20)(image, draws)
    wanted = v2.functional.rotate(image, 16, interpolation=v2.InterpolationMode.BILINEAR)
    torch.testing.assert_close(turned[..., 6:-6, 6:-6], wanted[..., 6:-6, 6:-6], atol=0.02, rtol=0)


def test_batch_affine_does_nothing_by_default_and_flips_by_draw() -> None:
    images = torch.rand(2, 3, 6, 8)
    draws = torch.tensor([[0.3, 0.3, 0.3, 0.1, 0.3, 0.3], [0.3, 0.3, 0.3, 0.9, 0.3, 0.3]])
    torch.testing.assert_close(BatchAffine()(images, draws), images)
    flipped = BatchAffine(flip=0.5)(images, draws)
    torch.testing.assert_close(flipped[0], images[0].flip(-1))
    torch.testing.assert_close(flipped[1], images[1])


def test_shift_moves_by_a_fraction_of_the_size() -> None:
    images = torch.rand(1, 1, 8, 8)
    draws = torch.tensor([[0.5, 0.5, 0.5, 0.9, 1.0, 0.5]])
    moved = BatchAffine(translate=0.25)(images, draws)
    torch.testing.assert_close(moved[..., :-2], images[..., 2:])
