import torch
from torchvision.transforms import v2

from datamodules.images import BatchAffine


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
