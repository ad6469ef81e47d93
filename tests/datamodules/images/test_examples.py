from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from datamodules.images import BatchAffine, BatchTransform, Digits
from datamodules.images.examples import ImageExamples
from datamodules.sampling import BatchIndices, mix


class Fill(BatchTransform):
    """Each image becomes its first random number."""

    num_random = 2

    def forward(self, images: Tensor, random: Tensor) -> Tensor:
        """Fill."""
        return images * 0 + 255 * random[:, :1, None, None]


class Add(Fill):
    """Each image and its second random number."""

    def forward(self, images: Tensor, random: Tensor) -> Tensor:
        """Add."""
        return images + 255 * random[:, 1:, None, None]


def examples(images, transforms=(), **options) -> ImageExamples:
    return ImageExamples(images, None, 1, transforms, [0.0], [1.0], 0, **options)


def test_transforms_of_a_batch_have_random_numbers_of_their_own() -> None:
    images = torch.zeros(4, 1, 2, 2, dtype=torch.uint8)
    filled = examples(images, [Fill()]).__getitems__(BatchIndices(range(4))).inputs[:, 0, 0, 0]
    assert len(filled.unique()) == 4
    both = examples(images, [Fill(), Add()])
    added = both.__getitems__(BatchIndices(range(4))).inputs[:, 0, 0, 0]
    numbers = torch.rand(4, 4, generator=torch.Generator().manual_seed(mix(0, 0)))
    torch.testing.assert_close(added, numbers[:, 0] + numbers[:, 3])
    assert not torch.equal(both.__getitems__(BatchIndices(range(4), epoch=1)).inputs[:, 0, 0, 0], added)


def test_a_transform_of_batches_before_one_of_images_is_refused() -> None:
    Digits(train_transforms=[v2.RandomCrop(4), BatchAffine(flip=0.5)])
    with pytest.raises(MisconfigurationException, match=r"train_transforms: BatchAffine takes whole batches"):
        Digits(train_transforms=[BatchAffine(flip=0.5), v2.RandomCrop(4)])


def test_images_of_8_and_16_bits_form_one_batch(tmp_path: Path) -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.fromarray(pixels.astype(np.uint16) * 257).save(tmp_path / "b.png")
    for transforms in ([], [v2.Resize([12, 16]), v2.ColorJitter(brightness=(1.2, 1.2))]):
        data = examples([tmp_path / "a.png", tmp_path / "b.png"], transforms)
        low, high = data.__getitems__(BatchIndices([0, 1])).inputs
        torch.testing.assert_close(low, high, atol=2 / 255, rtol=0)


def test_floats_of_a_transform_are_shares_and_nothing_else() -> None:
    images = torch.randint(0, 256, (4, 1, 6, 6), dtype=torch.uint8)
    indices = BatchIndices(range(4))
    plain = examples(images).__getitems__(indices).inputs
    to_float = v2.ToDtype(torch.float32, scale=True)
    torch.testing.assert_close(examples(images, [to_float]).__getitems__(indices).inputs, plain)
    for wrong in ([v2.ToDtype(torch.float32)], [to_float, v2.Normalize([0.5], [0.25])]):
        with pytest.raises(MisconfigurationException, match=r"image \d has pixels from .* leave Normalize to the data"):
            examples(images, wrong).__getitems__(indices)


@pytest.mark.parametrize("kept", [False, True])
def test_images_of_different_sizes_are_named(kept: bool, tmp_path: Path) -> None:
    for name, size in (("a", (8, 6)), ("b", (8, 6)), ("c", (6, 8))):
        Image.new("L", size).save(tmp_path / f"{name}.png")
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    data = examples(paths)
    if kept:
        data.keep()
    with pytest.raises(MisconfigurationException, match=r"different sizes \(.*a.png 6 x 8, .*c.png 8 x 6\).*Resize"):
        data.__getitems__(BatchIndices([0, 1, 2]))
    with pytest.raises(MisconfigurationException, match=r"sizes after their transforms \(.*b.png 4 x 5, .*c.png 5 x 4"):
        examples(paths, [v2.Resize(4)]).__getitems__(BatchIndices([1, 2]))
