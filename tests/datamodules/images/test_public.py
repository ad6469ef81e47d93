import shutil
import zipfile
from pathlib import Path

from torchvision.transforms import v2

from datamodules.images import Digits, Hymenoptera, Images
from datamodules.images import public as image_datasets
from datamodules.sampling import Draw

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
    assert data.classes == ["ants", "bees"]
    assert data.class_counts == [6, 6]
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

    monkeypatch.setattr(image_datasets, "fetch", fetch)
    (tmp_path / "root").mkdir()
    for _ in range(2):  # the second time it lies there
        data = Hymenoptera(root=str(tmp_path / "root"), eval_transforms=[v2.Resize([16, 16])])
        data.prepare_data()
    assert asked == [(Hymenoptera.URL, Hymenoptera.SHA256)]
    assert len(ready(data).datasets["test"]) == 6
    assert sorted(entry.name for entry in (tmp_path / "root").iterdir()) == ["hymenoptera_data"]


def test_digits_are_split_in_three() -> None:
    data = ready(Digits())
    assert [len(data.datasets[split]) for split in ("train", "val", "test")] == [1078, 360, 359]
    images, _ = data.datasets["train"].__getitems__(Draw(range(1078)))
    assert abs(images.mean()) < 0.05
    assert abs(images.std() - 1) < 0.05


def test_digits_predict_from_files_of_any_size() -> None:
    data = Digits(predict_path=str(SAMPLES / "my_images" / "cat"))
    ready(data, "fit", "predict")
    assert data.datasets["predict"].__getitems__(Draw([0, 1]))[0].shape == (2, 1, 8, 8)
