from pathlib import Path

import pytest
import torch
import torchvision
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.images import Images, TorchvisionImages
from datamodules.sampling import Draw

SAMPLES = Path(__file__).parents[2] / "samples"


def ready(data: Images, *stages: str) -> Images:
    for stage in stages or ("fit", "test"):
        data.setup(stage)
    return data


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_idx_files(name: str) -> None:
    data = ready(TorchvisionImages(name, root=str(SAMPLES), channels=1, val_fraction=0.25))
    sizes = {split: len(data.datasets[split]) for split in ("train", "val", "test")}
    assert sizes == {"train": 30, "val": 10, "test": 20}
    images, targets = data.datasets["test"].__getitems__(Draw([13, 2]))
    assert images.shape == (2, 1, 28, 28)
    assert targets.tolist() == [3, 2]  # the published order
    pixels = images * data.std[0] + data.mean[0]
    bright = (pixels[1, 0] > 0.5).nonzero()  # the sample's twos have a bar on rows 6 to 9
    assert bright.amin(0).tolist() == [6, 6]
    assert bright.amax(0).tolist() == [9, 21]
    assert len(data.classes) == 10
    data.predict_path = str(SAMPLES / "my_images" / "cat")  # of other sizes
    data.setup("predict")
    assert data.datasets["predict"].__getitems__(Draw([0, 1]))[0].shape == (2, 1, 28, 28)


def test_cifar10(monkeypatch) -> None:
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *args: True)  # of the published files
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "_check_integrity", lambda self: True)
    data = ready(TorchvisionImages("CIFAR10", root=str(SAMPLES), val_fraction=0.2))
    assert data.classes[:2] == ["airplane", "automobile"]
    images, targets = data.datasets["test"].__getitems__(Draw([0, 1]))
    assert images.shape == (2, 3, 32, 32)
    assert targets.tolist() == [0, 1]
    restored = images * torch.tensor(data.std).view(3, 1, 1) + torch.tensor(data.mean).view(3, 1, 1)
    green, blue = restored[0, :, 0, 0], restored[1, :, 0].median(1).values
    assert green.argmax() == 1
    assert abs(blue - green).max() > 0.1


def test_imagenet_reads_files_and_names_classes(tmp_path) -> None:
    data = TorchvisionImages(
        "ImageNet", root=str(SAMPLES), val_fraction=0.2, weights="ResNet50_Weights.IMAGENET1K_V1", cache_size=32
    )
    data.prepare_data()
    ready(data)
    assert data.classes == ["tench", "goldfish"]
    assert {split: len(data.datasets[split]) for split in ("train", "val", "test")} == {"train": 8, "val": 2, "test": 4}
    images, targets = data.datasets["test"].__getitems__(Draw([0, 3]))
    assert images.shape == (2, 3, 224, 224)
    assert targets.tolist() == [0, 1]


def test_datasets_that_are_not_there_and_unknown_ones(tmp_path) -> None:
    with pytest.raises(MisconfigurationException, match="no dataset FashonMNIST; nearest: FashionMNIST"):
        TorchvisionImages("FashonMNIST")
    with pytest.raises(MisconfigurationException, match=f"CIFAR10 in {tmp_path}/CIFAR10"):
        TorchvisionImages("CIFAR10", root=str(tmp_path)).setup("fit")
