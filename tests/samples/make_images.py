"""Makes the image samples beside this file: python tests/samples/make_images.py."""

import pickle
import struct
from pathlib import Path

import numpy as np
import torch
import torchvision
from PIL import Image

HERE = Path(__file__).parent
random = np.random.default_rng(0)


def photo(kind: int, height: int, width: int) -> Image.Image:
    """Dark blobs on green (0) or stripes on blue (1)."""
    y, x = np.mgrid[:height, :width]
    pixels = np.empty((height, width, 3))
    pixels[:] = (60, 140, 60) if kind == 0 else (90, 130, 200)
    if kind == 0:
        center = random.uniform(0.3, 0.7, 2) * (height, width)
        pixels[(y - center[0]) ** 2 + (x - center[1]) ** 2 < (height / 4) ** 2] = (40, 30, 20)
    else:
        pixels[(x + random.integers(8)) % 8 < 4] = (230, 190, 30)
    return Image.fromarray((pixels + random.normal(0, 5, pixels.shape)).clip(0, 255).astype(np.uint8))


def folder(path: Path, classes: list[str], count: int, size: tuple[int, int] = (36, 48), ending: str = "jpg") -> None:
    for kind, name in enumerate(classes):
        (path / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            turned = size[::-1] if i == 1 else size
            photo(kind % 2, *turned).save(path / name / f"{i:02}.{ending}", format="JPEG", quality=60)


def idx(path: Path, values: np.ndarray) -> None:
    """The format of MNIST (LeCun): zero, zero, type, number of dimensions, sizes, values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    path.write_bytes(header + values.astype(np.uint8).tobytes())


def mnist(name: str) -> None:
    for part, count in (("train", 40), ("t10k", 20)):
        labels = np.arange(count) % 10
        images = np.zeros((count, 28, 28))
        for image, label in zip(images, labels, strict=True):
            image[2 + 2 * label : 6 + 2 * label, 6:22] = random.integers(150, 256)
        idx(HERE / name / "raw" / f"{part}-images-idx3-ubyte", images)
        idx(HERE / name / "raw" / f"{part}-labels-idx1-ubyte", labels)


def cifar10() -> None:
    path = HERE / "CIFAR10" / "cifar-10-batches-py"
    path.mkdir(parents=True, exist_ok=True)
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    (path / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    for batch in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"):
        pixels = np.stack([np.asarray(photo(kind, 32, 32)).transpose(2, 0, 1).ravel() for kind in (0, 1)])
        (path / batch).write_bytes(pickle.dumps({"data": pixels, "labels": [0, 1]}))


def imagenet() -> None:
    names = {"n01440764": ("tench", "Tinca tinca"), "n01443537": ("goldfish", "Carassius auratus")}
    folder(HERE / "ImageNet" / "train", list(names), 5, ending="JPEG")
    folder(HERE / "ImageNet" / "val", list(names), 2, ending="JPEG")
    torch.save((names, ["n01440764", "n01443537"]), HERE / "ImageNet" / "meta.bin")


def squeezenet() -> None:
    """Weights of the right shapes; one number for each channel, so that the file is small."""
    tensors = {
        name: (torch.randn(len(value), dtype=torch.float32) / value[0].numel() ** 0.5)
        .view(-1, *[1] * (value.ndim - 1))
        .expand_as(value)
        for name, value in torchvision.models.squeezenet1_1().state_dict().items()
        if name.startswith("features")
    }
    (HERE / "pretrained").mkdir(exist_ok=True)
    torch.save(tensors, HERE / "pretrained" / "squeezenet1_1_features.pth")


if __name__ == "__main__":
    torch.manual_seed(0)
    folder(HERE / "hymenoptera_data" / "train", ["ants", "bees"], 8)
    folder(HERE / "hymenoptera_data" / "val", ["ants", "bees"], 3)
    folder(HERE / "my_images", ["cat", "dog"], 8)
    lines = [f"{name}/{i:02}.jpg,{name}" for name in ("cat", "dog") for i in range(8)]
    (HERE / "my_images" / "labels.csv").write_text("\n".join(["path,label", *lines]) + "\n")
    for name in ("MNIST", "FashionMNIST"):
        mnist(name)
    cifar10()
    imagenet()
    squeezenet()
