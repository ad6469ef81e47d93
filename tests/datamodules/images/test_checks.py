import shutil
import warnings
from pathlib import Path

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from PIL import Image
from torchvision.transforms import v2

from datamodules.images import ImageFolder, ImageTable
from datamodules.images.checks import same_contents

OPTIONS = {
    "train_transforms": [v2.Resize([8, 8])], "eval_transforms": [v2.Resize([8, 8])],
    "val_fraction": 0.25, "test_fraction": 0.25,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("cat", "dog"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for i in range(8):
            Image.effect_noise((12, 10), 50).save(tmp_path / "mine" / name / f"{i}.bmp")
    return tmp_path / "mine"


def said(data, *stages: str) -> str:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for stage in stages or ("fit",):
            data.setup(stage)
    return "\n".join(str(warning.message) for warning in caught)


def test_same_contents_are_told_from_same_sizes_and_edges(tmp_path: Path) -> None:
    contents = [b"a" * 20000, b"a" * 20000, b"a" * 9000 + b"b" + b"a" * 10999, b"c" * 20000, b"a", b"", b""]
    paths = [tmp_path / str(i) for i in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    assert [[path.name for path in group] for group in same_contents(paths)] == [["0", "1"], ["5", "6"]]


def test_one_image_in_two_classes_is_said(folder: Path) -> None:
    assert said(ImageFolder(str(folder), **OPTIONS)) == ""
    shutil.copy(folder / "cat" / "3.bmp", folder / "dog" / "copy.bmp")
    found = said(ImageFolder(str(folder), **OPTIONS))
    assert "1 images are in several classes, such as" in found
    assert "cat/3.bmp" in found
    assert "dog/copy.bmp" in found


def test_one_image_in_training_and_test_is_said(folder: Path) -> None:
    for name in ("cat", "dog"):
        shutil.copytree(folder / name, folder / "in" / "train" / name)
        (folder / "in" / "test" / name).mkdir(parents=True)
        Image.effect_noise((12, 10), 80).save(folder / "in" / "test" / name / "0.bmp")
    assert said(ImageFolder(str(folder / "in"), **OPTIONS)) == ""
    for i in range(2):
        shutil.copy(folder / "dog" / f"{i}.bmp", folder / "in" / "test" / "dog" / f"again{i}.bmp")
    assert "2 images are in training and evaluation both" in said(ImageFolder(str(folder / "in"), **OPTIONS))


def test_small_classes_and_names_that_differ_in_case_are_said(folder: Path) -> None:
    for name in ("Cat", "cow"):
        (folder / name).mkdir()
        Image.effect_noise((12, 10), 60).save(folder / name / "0.bmp")
    (folder / "Dog").mkdir()
    for k in range(4):
        Image.effect_noise((12, 10), 60 + k).save(folder / "Dog" / f"{k}.bmp")
    found = said(ImageFolder(str(folder), **OPTIONS))
    assert "`Dog` and `dog` are different classes" in found
    assert "classes of one or two training images, which not every split can have: Cat (1), cow (1)" in found


def test_a_single_class_is_refused(folder: Path) -> None:
    shutil.rmtree(folder / "dog")
    with pytest.raises(MisconfigurationException, match="one class, cat"):
        ImageFolder(str(folder), **OPTIONS).setup("fit")


def restored(data, folder: Path):
    other = type(data)(str(folder), **OPTIONS)
    other.load_state_dict(data.state_dict())
    return other


def test_images_that_were_added_after_training_are_said(folder: Path) -> None:
    data = ImageFolder(str(folder), **OPTIONS)
    data.setup("fit")
    assert said(restored(data, folder), "test") == ""
    Image.effect_noise((12, 10), 60).save(folder / "cat" / "8.bmp")
    assert "examples it was trained on may now be among those it is tested on" in said(restored(data, folder), "test")


def test_images_that_were_added_to_a_given_test_split_change_nothing(folder: Path) -> None:
    for split in ("train", "val", "test"):
        for name in ("cat", "dog"):
            shutil.copytree(folder / name, folder / "in" / split / name)
    data = ImageFolder(str(folder / "in"), **OPTIONS)
    data.setup("fit")
    Image.effect_noise((12, 10), 60).save(folder / "in" / "test" / "cat" / "8.bmp")
    assert said(restored(data, folder / "in"), "test") == ""


def test_rows_in_another_order_are_split_alike(folder: Path) -> None:
    lines = [f"{name}/{i}.bmp,{name}" for name in ("cat", "dog") for i in range(8)]
    (folder / "t.csv").write_text("\n".join(["path,label", *lines]))
    data = ImageTable(str(folder / "t.csv"), **OPTIONS)
    data.setup("fit")
    data.setup("test")
    (folder / "t.csv").write_text("\n".join(["path,label", *lines[::-1]]))
    other = restored(data, folder / "t.csv")
    other.setup("test")
    assert other.datasets["test"].images == data.datasets["test"].images
