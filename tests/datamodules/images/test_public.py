import shutil
import zipfile
from pathlib import Path

import pytest
import torch
import torchvision
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from sklearn.datasets import load_digits
from torchvision.transforms import v2

from datamodules import data as base
from datamodules.images import Digits, Hymenoptera, ImageFolder, Images, TorchvisionImages
from datamodules.sampling import BatchIndices

SAMPLES = Path(__file__).parents[2] / "samples"


def ready(data: Images, *stages: str) -> Images:
    for stage in stages or ("fit", "test"):
        data.setup(stage)
    return data


def test_hymenoptera_splits_its_training_images_and_keeps_the_published_test_split() -> None:
    data = ready(Hymenoptera(root=str(SAMPLES), val_fraction=0.25, eval_transforms=[v2.Resize([16, 16])]))
    paths = {split: [str(path) for path in data.datasets[split].images] for split in ("train", "val", "test")}
    assert {split: len(found) for split, found in paths.items()} == {"train": 12, "val": 4, "test": 6}
    assert all("hymenoptera_data/val" in path for path in paths["test"])
    assert all("hymenoptera_data/train" in path for path in paths["train"] + paths["val"])
    assert not set(paths["train"]) & set(paths["val"])
    assert data.facts.classes == ["ants", "bees"]
    assert data.facts.class_counts == [6, 6]
    targets = data.datasets["test"].targets.tolist()
    assert targets == [int("bees" in path) for path in paths["test"]]


def test_hymenoptera_is_fetched_checked_and_unpacked(tmp_path, monkeypatch) -> None:
    with zipfile.ZipFile(tmp_path / "served.zip", "w") as archive:
        for path in (SAMPLES / "hymenoptera_data").rglob("*.jpg"):
            archive.write(path, path.relative_to(SAMPLES))
    asked = []

    def fetch(url: str, path: Path, checksum: str) -> None:
        asked.append((url, checksum))
        shutil.copy(tmp_path / "served.zip", path)

    monkeypatch.setattr(base, "fetch", fetch)
    (tmp_path / "root").mkdir()
    for _ in range(2):  # the second time it lies there
        data = Hymenoptera(root=str(tmp_path / "root"), eval_transforms=[v2.Resize([16, 16])])
        data.prepare_data()
    name, checksum = next(iter(Hymenoptera.files.items()))
    assert asked == [(Hymenoptera.url + name, checksum)]
    assert len(ready(data).datasets["test"]) == 6
    assert sorted(entry.name for entry in (tmp_path / "root").iterdir()) == ["hymenoptera_data"]


def test_digits_are_split_in_three() -> None:
    data = ready(Digits())
    assert [len(data.datasets[split]) for split in ("train", "val", "test")] == [1079, 359, 359]
    images, _ = data.datasets["train"].__getitems__(BatchIndices(range(1079)))
    assert abs(images.mean()) < 0.05
    assert abs(images.std() - 1) < 0.05


def test_digits_are_those_of_scikit_learn() -> None:
    theirs, splits = load_digits(), [Digits().read(split) for split in ("train", "val", "test")]
    images = torch.cat([split.images for split in splits]).flatten(1).tolist()
    labels = [label for split in splits for label in split.labels]
    expected = (theirs.data * 15.9375).round().astype(int).tolist()
    assert sorted(zip(images, labels, strict=True)) == sorted(zip(expected, map(str, theirs.target), strict=True))


def test_digits_predict_from_files_of_any_size() -> None:
    data = Digits(predict_path=str(SAMPLES / "my_images" / "cat"))
    ready(data, "fit", "predict")
    assert data.datasets["predict"].__getitems__(BatchIndices([0, 1]))[0].shape == (2, 1, 8, 8)


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST"])
def test_idx_files(name: str) -> None:
    data = ready(TorchvisionImages(name, root=str(SAMPLES), channels=1, val_fraction=0.25))
    sizes = {split: len(data.datasets[split]) for split in ("train", "val", "test")}
    assert sizes == {"train": 30, "val": 10, "test": 20}
    images, targets = data.datasets["test"].__getitems__(BatchIndices([13, 2]))
    assert images.shape == (2, 1, 28, 28)
    assert targets.tolist() == [3, 2]  # the published order
    pixels = images * data.facts.std[0] + data.facts.mean[0]
    bright = (pixels[1, 0] > 0.5).nonzero()  # the sample's twos have a bar on rows 6 to 9
    assert bright.amin(0).tolist() == [6, 6]
    assert bright.amax(0).tolist() == [9, 21]
    assert len(data.facts.classes) == 10
    data.predict_path = str(SAMPLES / "my_images" / "cat")  # of other sizes
    data.setup("predict")
    assert data.datasets["predict"].__getitems__(BatchIndices([0, 1]))[0].shape == (2, 1, 28, 28)


def test_cifar10(monkeypatch) -> None:
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *args: True)  # of the published files
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "_check_integrity", lambda self: True)
    data = ready(TorchvisionImages("CIFAR10", root=str(SAMPLES), val_fraction=0.2))
    assert data.facts.classes[:2] == ["airplane", "automobile"]
    images, targets = data.datasets["test"].__getitems__(BatchIndices([0, 1]))
    assert images.shape == (2, 3, 32, 32)
    assert targets.tolist() == [0, 1]
    restored = images * torch.tensor(data.facts.std).view(3, 1, 1) + torch.tensor(data.facts.mean).view(3, 1, 1)
    green, blue = restored[0, :, 0, 0], restored[1, :, 0].median(1).values
    assert green.argmax() == 1
    assert abs(blue - green).max() > 0.1


def test_imagenet_reads_files_and_names_classes(tmp_path) -> None:
    data = TorchvisionImages(
        "ImageNet", root=str(SAMPLES), val_fraction=0.2, weights="ResNet50_Weights.IMAGENET1K_V1", cache_size=32
    )
    data.prepare_data()
    ready(data)
    assert data.facts.classes == ["tench", "goldfish"]
    assert {split: len(data.datasets[split]) for split in ("train", "val", "test")} == {"train": 8, "val": 2, "test": 4}
    images, targets = data.datasets["test"].__getitems__(BatchIndices([0, 3]))
    assert images.shape == (2, 3, 224, 224)
    assert targets.tolist() == [0, 1]


def test_datasets_that_are_not_there_and_unknown_ones(tmp_path) -> None:
    with pytest.raises(MisconfigurationException, match="no dataset FashonMNIST; nearest: FashionMNIST"):
        TorchvisionImages("FashonMNIST")
    with pytest.raises(MisconfigurationException, match=f"CIFAR10 in {tmp_path}/CIFAR10"):
        TorchvisionImages("CIFAR10", root=str(tmp_path)).setup("fit")


def test_images_in_memory_are_brought_to_a_size_too() -> None:
    data = ready(Digits(max_size=4))
    assert data.facts.size == [4, 4]
    assert data.datasets["train"].__getitems__(BatchIndices([0, 1])).inputs.shape == (2, 1, 4, 4)


def test_classes_of_one_name_stay_apart(monkeypatch) -> None:
    class Birds:
        """As ImageNet, which has two classes called crane."""

        classes = (("crane",), ("crane", "machine"), ("tit", "bird"))
        targets = (0, 1, 2) * 4
        data = torch.zeros(12, 8, 8, 3, dtype=torch.uint8)

    data = TorchvisionImages("ImageNet", val_fraction=0.25)
    monkeypatch.setattr(data, "_open", lambda train, download=False: Birds())
    assert ready(data).facts.classes == ["crane", "crane (1)", "tit"]
    assert sorted(data.datasets["test"].targets.tolist()) == [0] * 4 + [1] * 4 + [2] * 4


def test_grey_images_for_weights_of_colour_images(tmp_path) -> None:
    data = ready(Hymenoptera(root=str(SAMPLES), weights="ResNet18_Weights.DEFAULT"))
    grey = ImageFolder(str(SAMPLES / "my_images"), channels=1, weights="ResNet18_Weights.DEFAULT")
    ready(grey)
    assert grey.facts.mean == pytest.approx([sum(data.facts.mean) / 3])
    assert grey.datasets["test"].__getitems__(BatchIndices([0, 1])).inputs.shape == (2, 1, 224, 224)
