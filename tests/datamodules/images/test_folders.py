"""What lies in the user's folders beside the images that were meant."""

import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from PIL import Image
from torchvision.transforms import v2

from datamodules.images import ImageFolder
from datamodules.sampling import BatchIndices

OPTIONS = {
    "train_transforms": [v2.Resize([8, 8])], "eval_transforms": [v2.Resize([8, 8])],
    "val_fraction": 0.25, "test_fraction": 0.25,
}  # fmt: skip


def save(*paths: Path) -> None:
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((12, 10), 50 + number).save(path, format="PNG")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(*(tmp_path / "mine" / name / f"{i}.png" for name in ("cat", "dog") for i in range(8)))
    return tmp_path / "mine"


def ready(folder: Path, **options) -> ImageFolder:
    data = ImageFolder(str(folder), **{**OPTIONS, **options})
    data.setup("fit")
    data.setup("test")
    return data


def names(data: ImageFolder, *splits: str) -> set[str]:
    return {
        str(path.relative_to(data.path))
        for split in splits or ("train", "val", "test")
        for path in data.datasets[split].images
    }


@pytest.fixture
def warned() -> Callable[..., str]:
    def run(*words, **options) -> str:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            ready(*words, **options)
        return "\n".join(str(warning.message) for warning in caught)

    return run


@pytest.mark.parametrize(
    "names_of", [("Train", "valid", "TEST"), ("training", "validation", "testing"), ("train", "dev", "test")]
)
def test_splits_have_several_names(names_of: tuple[str, str, str], folder: Path) -> None:
    for name, ids in zip(names_of, ((0, 1, 2, 3), (4, 5), (6, 7)), strict=True):
        for kind in ("cat", "dog"):
            for i in ids:
                save(folder / "in" / name / kind / f"{i}.png")
    data = ready(folder / "in")
    assert [len(data.datasets[split]) for split in ("train", "val", "test")] == [8, 4, 4]
    assert names(data, "val") == {f"{names_of[1]}/{kind}/{i}.png" for kind in ("cat", "dog") for i in (4, 5)}


def test_two_folders_for_one_split_are_refused(folder: Path) -> None:
    save(*(folder / "in" / split / "cat" / "0.png" for split in ("train", "val", "valid")))
    with pytest.raises(MisconfigurationException, match="val and valid are both for the val split"):
        ready(folder / "in")


def test_a_class_may_be_called_as_a_split(folder: Path, warned: Callable[..., str]) -> None:
    (folder / "cat").rename(folder / "valid")
    assert "valid taken for a class" in warned(folder)
    assert ready(folder).facts.classes == ["dog", "valid"]
    (folder / "valid").rename(folder / "train")  # a vehicle
    assert ready(folder).facts.classes == ["dog", "train"]


def test_folders_beside_the_splits_are_said(folder: Path, warned: Callable[..., str]) -> None:
    save(*(folder / "train" / kind / f"{i}.png" for kind in ("a", "b") for i in range(8)))
    assert "left out the folders cat, dog" in warned(folder)


def test_what_is_hidden_or_no_image_is_left_out_and_counted(folder: Path, warned: Callable[..., str]) -> None:
    before = names(ready(folder))
    save(folder / ".ipynb_checkpoints" / "0.png", folder / "cat" / ".cache" / "0.png", folder / "__MACOSX" / "1.png")
    (folder / "dog" / "._1.png").write_bytes(b"\0\5\x16\7")
    (folder / "dog" / "notes.txt").write_text("mine")
    (folder / "cat" / "2.png.bak").write_text("")
    (folder / "cat" / "gone.png").symlink_to(folder / "nowhere.png")
    save(folder / "loose.png")
    said = warned(folder)
    assert "left out 4 hidden files and folders" in said
    assert "left out 2 files that are no images" in said
    assert "left out 1 links that lead nowhere" in said
    assert "left out 1 images that lie in no class folder" in said
    data = ready(folder)
    assert names(data) == before
    assert data.facts.classes == ["cat", "dog"]


def test_what_is_predicted_is_found_alike(folder: Path) -> None:
    (folder / "cat" / "._1.png").write_bytes(b"\0\5\x16\7")
    save(folder / "cat" / ".cache" / "0.png")
    data = ready(folder, predict_path=str(folder / "cat"))
    data.setup("predict")
    assert [data.describe(i)["path"] for i in range(8)] == [str(folder / "cat" / f"{i}.png") for i in range(8)]
    assert len(data.datasets["predict"]) == 8


def test_endings_in_capitals_links_and_folders_in_class_folders(folder: Path) -> None:
    (folder / "cat" / "0.png").rename(folder / "cat" / "0.PNG")
    save(folder / "cat" / "more" / "9.png")
    shutil.move(folder / "dog", folder.parent / "elsewhere")
    (folder / "dog").symlink_to(folder.parent / "elsewhere")
    (folder / "cat" / "linked").symlink_to(folder.parent / "others")
    save(folder.parent / "others" / "7.png")
    (folder / "cat" / "more" / "round").symlink_to(folder / "cat")  # in circles
    found = names(ready(folder))
    assert {"cat/0.PNG", "cat/more/9.png", "cat/linked/7.png", "dog/3.png"} <= found
    assert len(found) == 18


def test_formats_that_are_not_read_are_listed(folder: Path, warned: Callable[..., str]) -> None:
    for name in ("a.HEIC", "b.heic", "c.svg"):
        (folder / "cat" / name).write_bytes(b"0")
    with pytest.raises(MisconfigurationException, match=r"3 images are in formats .* \(2 .heic, 1 .svg; the first is"):
        ready(folder)
    assert "3 images are in formats" in warned(folder, on_error="skip")


@pytest.mark.parametrize("broken", [b"", b"\x89PNG\r\n\x1a\n0000", b"<html>"])
def test_an_image_that_cannot_be_read_is_named_before_training(broken: bytes, folder: Path) -> None:
    (folder / "cat" / "3.png").write_bytes(broken)
    with pytest.raises(MisconfigurationException, match=r"cat/3.png is not an image .*data.on_error skip"):
        ready(folder)


@pytest.mark.filterwarnings("ignore")
def test_one_broken_image_in_many_is_left_out_and_counted(folder: Path, warned: Callable[..., str]) -> None:
    whole = folder / "cat" / "3.png"
    whole.write_bytes(whole.read_bytes()[:-60])  # its header is in order
    assert "left out 1 of " in warned(folder, on_error="skip")
    assert "cat/3.png" not in names(ready(folder, on_error="skip"))
    data = ready(folder, on_error="skip", predict_path=str(folder / "cat"))
    data.setup("predict")
    assert len(data.datasets["predict"]) == 7


def test_folders_without_class_folders_are_explained(folder: Path) -> None:
    with pytest.raises(MisconfigurationException, match=r"cat has no class folders .* its 8 images could be listed"):
        ready(folder / "cat")
    save(folder.parent / "outer" / ".hidden" / "0.png")
    shutil.move(folder, folder.parent / "outer" / "images")
    with pytest.raises(MisconfigurationException, match=r"one class, images; if its folders are the classes: .*images"):
        ready(folder.parent / "outer")


def test_several_images_in_a_file_are_said(folder: Path, warned: Callable[..., str]) -> None:
    frames = [Image.new("L", (12, 10), i) for i in range(3)]
    frames[0].save(folder / "cat" / "3.gif", save_all=True, append_images=frames[1:])
    assert "files hold several images, such as" in warned(folder)


def test_an_image_of_one_flat_colour_is_said(folder: Path, warned: Callable[..., str]) -> None:
    assert "flat" not in warned(folder)
    for i in range(8):
        Image.new("RGBA", (12, 10), (0, 0, 0, i)).save(folder / "cat" / f"{i}.png")
    assert "4 of 8 images that were looked at are of one flat colour, such as" in warned(folder)


def test_sizes_are_told_before_training_and_hold_for_what_is_predicted(folder: Path) -> None:
    data = ready(folder, train_transforms=None, eval_transforms=None, predict_path=str(folder.parent / "large"))
    assert data.facts.size == [10, 12]
    (folder.parent / "large").mkdir()
    Image.new("L", (48, 40)).save(folder.parent / "large" / "0.png")
    data.setup("predict")
    assert data.datasets["predict"].__getitems__(BatchIndices([0])).inputs.shape == (1, 3, 10, 12)
    Image.new("L", (20, 20)).save(folder / "cat" / "3.png")
    with pytest.raises(MisconfigurationException, match=r"images have different sizes \(.* 10 x 12, .*3.png 20 x 20\)"):
        ready(folder, train_transforms=None, eval_transforms=None)


def test_unreadable_names(folder: Path) -> None:
    os.rename(os.fsencode(folder / "cat" / "3.png"), os.fsencode(folder / "cat") + b"/\xff.png")
    data = ready(folder, predict_path=str(folder / "cat"))
    assert len(names(data)) == 16
    data.setup("predict")
    assert data.write([data.describe(i) for i in range(8)], folder).read_text().endswith("cat/\\xff.png\n")


def test_a_size_is_told_from_the_training_images(folder: Path) -> None:
    shutil.copytree(folder / "cat", folder / "large")
    for i, size in enumerate([(40, 30), (40, 30), (80, 60), (4, 4)]):
        for name in ("cat", "dog", "large"):
            Image.effect_noise(size, 50).save(folder / name / f"{i}.png")
    same = {"train_transforms": None, "eval_transforms": None, "val_fraction": 0.1, "test_fraction": 0.1}
    data = ready(folder, max_size=8, predict_path=str(folder / "large"), **same)
    assert data.facts.size == [7, 8]  # the median is 10 x 12, the longer side at most 8
    data.setup("predict")
    for split in ("train", "val", "test", "predict"):
        assert data.datasets[split].__getitems__(BatchIndices([0, 1])).inputs.shape == (2, 3, 7, 8)
    assert ready(folder, max_size=100, **same).facts.size == [10, 12]
    kept = ready(folder, max_size=8, cache_size=20, **same).datasets["train"]
    assert {image.shape for image in kept.kept} == {(3, 7, 8)}
    with pytest.raises(MisconfigurationException, match=r"has a size of its own: leave out data\.max_size"):
        ImageFolder(str(folder), max_size=8, weights="ResNet18_Weights.DEFAULT")
