import gzip
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from PIL import Image
from torchvision.transforms import v2

from datamodules.images import ImageFolder, ImageTable
from datamodules.images.examples import ImageExamples
from datamodules.sampling import BatchIndices

SAMPLES = Path(__file__).parents[2] / "samples"
CROP = [v2.Resize([16, 16])]
SAME_SIZE = {"train_transforms": CROP, "eval_transforms": CROP}


def images_of(data, split: str) -> list[str]:
    return [f"{path.parent.name}/{path.name}" for path in data.datasets[split].images]


@pytest.fixture
def folder(tmp_path) -> Path:
    shutil.copytree(SAMPLES / "my_images", tmp_path / "mine")
    return tmp_path / "mine"


def test_class_folders_are_split_the_same_way_for_the_same_seed(folder) -> None:
    splits = []
    for seed in (0, 0, 1):
        data = ImageFolder(str(folder), val_fraction=0.25, test_fraction=0.25, **SAME_SIZE)
        data.seed = seed
        data.setup("fit")
        data.setup("test")
        splits.append([images_of(data, split) for split in ("train", "val", "test")])
    assert splits[0] == splits[1] != splits[2]
    train, val, test = splits[0]
    assert sorted(train + val + test) == sorted(f"{name}/{i:02}.jpg" for name in ("cat", "dog") for i in range(8))
    assert [sum("cat" in path for path in split) for split in (train, val, test)] == [4, 2, 2]


def test_given_splits_are_used(folder) -> None:
    for split, count in (("train", 5), ("val", 2), ("test", 1)):
        for name in ("cat", "dog"):
            (folder / split / name).mkdir(parents=True)
            for path in sorted((folder / name).iterdir())[:count]:
                path.rename(folder / split / name / path.name)
    data = ImageFolder(str(folder), **SAME_SIZE)
    data.setup("fit")
    data.setup("test")
    assert [len(data.datasets[split]) for split in ("train", "val", "test")] == [10, 4, 2]


def test_a_class_without_images_and_an_empty_folder_are_named(folder) -> None:
    (folder / "horse").mkdir()
    with pytest.raises(MisconfigurationException, match=r"class folder .*horse holds no image"):
        ImageFolder(str(folder)).setup("fit")
    with pytest.raises(MisconfigurationException, match="horse has no class folders"):
        ImageFolder(str(folder / "horse")).setup("fit")
    with pytest.raises(MisconfigurationException, match=r"no data folder .*nowhere"):
        ImageFolder(str(folder / "nowhere")).setup("fit")


def test_a_broken_image_is_named_or_left_out(folder) -> None:
    (folder / "cat" / "00.jpg").write_bytes(b"\xff\xd8 nonsense")
    data = ImageFolder(str(folder), test_fraction=0.01, val_fraction=0.01, eval_transforms=CROP, train_transforms=CROP)
    with pytest.raises(MisconfigurationException, match=r"00\.jpg"):
        data.setup("fit")
        data.datasets["train"].__getitems__(BatchIndices(range(len(data.datasets["train"]))))
    data = ImageFolder(
        str(folder), on_error="skip", test_fraction=0.01, val_fraction=0.01, eval_transforms=CROP, train_transforms=CROP
    )
    with pytest.warns(UserWarning, match="left out 1 of 14 images; the first: .*00.jpg"):
        data.setup("fit")
    images, _ = data.datasets["train"].__getitems__(BatchIndices(range(len(data.datasets["train"]))))
    assert len(images) == 13  # 16, less one for each of validation and test, less the broken one


def test_colour_types_and_upright_turning(folder) -> None:
    Image.new("RGBA", (20, 10), (255, 0, 0, 128)).save(folder / "cat" / "rgba.png")
    Image.new("L", (20, 10), 200).save(folder / "cat" / "grey.png")
    Image.new("P", (20, 10)).save(folder / "cat" / "palette.gif")
    Image.new("CMYK", (20, 10)).save(folder / "cat" / "cmyk.jpg")
    turned = Image.new("RGB", (20, 10), (0, 0, 255))
    exif = turned.getexif()
    exif[0x0112] = 6  # stored lying on its side
    turned.save(folder / "cat" / "turned.jpg", exif=exif)
    data = ImageFolder(str(folder), predict_path=str(folder / "cat"))
    pictures = data.read_predict(folder / "cat")
    examples = ImageExamples(pictures.images, None, 3, [], [0.0] * 3, [1.0] * 3, seed=0)
    by_name = {path.name: examples.__getitems__(BatchIndices([i]))[0][0] for i, path in enumerate(pictures.images)}
    assert all(image.shape[0] == 3 for image in by_name.values())
    assert by_name["turned.jpg"].shape == (3, 20, 10)
    assert by_name["rgba.png"][:, 5, 5].tolist() == [1.0, 0.0, 0.0]
    assert by_name["grey.png"].unique().tolist() == pytest.approx([200 / 255])


def table(folder: Path, text: str) -> str:
    (folder / "t.csv").write_text(text)
    return str(folder / "t.csv")


def test_table_with_a_split_column_and_any_separator(folder) -> None:
    rows = [
        f"{name}/{i:02}.jpg;{name};{split}"
        for name in ("cat", "dog")
        for i, split in enumerate(["train", "val", "test"])
    ]
    path = table(folder, "\n".join(["file;kind;part", *rows]))
    data = ImageTable(path, image="file", target="kind", split_column="part", **SAME_SIZE)
    data.setup("fit")
    data.setup("test")
    assert images_of(data, "val") == ["cat/01.jpg", "dog/01.jpg"]
    assert images_of(data, "test") == ["cat/02.jpg", "dog/02.jpg"]
    assert data.facts.classes == ["cat", "dog"]


def test_table_is_split_stratified(folder) -> None:
    data = ImageTable(str(folder / "labels.csv"), val_fraction=0.25, test_fraction=0.25, **SAME_SIZE)
    data.setup("fit")
    data.setup("test")
    parts = [images_of(data, split) for split in ("train", "val", "test")]
    assert [len(part) for part in parts] == [8, 4, 4]
    assert len({path for part in parts for path in part}) == 16


def test_wrong_tables_are_explained(folder) -> None:
    with pytest.raises(MisconfigurationException, match=r"no column `label`; there are: path, kind"):
        ImageTable(table(folder, "path,kind\ncat/00.jpg,cat\n")).setup("fit")
    with pytest.raises(MisconfigurationException, match=r"t.csv, line 3: there is no image .*nope.jpg"):
        ImageTable(table(folder, "path,label\ncat/00.jpg,cat\ncat/nope.jpg,cat\n")).setup("fit")
    with pytest.raises(MisconfigurationException, match=r"no table .*none.csv"):
        ImageTable(str(folder / "none.csv")).setup("fit")


def test_a_class_that_only_the_test_split_has_is_named(folder) -> None:
    path = table(
        folder, "path,label,part\ncat/00.jpg,cat,train\ncat/02.jpg,cow,train\ncat/01.jpg,cat,val\ndog/00.jpg,dog,test\n"
    )
    data = ImageTable(path, split_column="part", **SAME_SIZE)
    data.setup("fit")
    with pytest.raises(MisconfigurationException, match="class `dog` does not occur in training"):
        data.setup("test")


def test_cached_images_are_shrunk_once_and_give_the_same_batches(folder) -> None:
    def batch(cache_size):
        data = ImageFolder(
            str(folder), eval_transforms=CROP, train_transforms=[v2.RandomCrop(20)], cache_size=cache_size
        )
        data.setup("fit")
        data.predict_path = str(folder / "cat")
        data.setup("predict")
        return data, [
            data.datasets[split].__getitems__(BatchIndices([1, 0], 3))[0] for split in ("train", "val", "predict")
        ]

    (plain, as_they_are), (_, large), (small, shrunk) = batch(None), batch(1000), batch(24)
    for expected, images in zip(as_they_are, large, strict=True):
        assert torch.equal(images, expected)
    assert not torch.equal(shrunk[0], as_they_are[0])
    assert {min(image.shape[1:]) for image in small.datasets["train"].kept} == {24}
    assert all(isinstance(path, Path) for path in plain.datasets["train"].images)
    # What is predicted is prepared like what was validated, though it is not kept.
    same = small.datasets["val"].kept
    path = next(p for p in sorted((folder / "cat").iterdir()) if p.name == "00.jpg")
    assert small.datasets["predict"].load(0).shape == torch.Size([3, 24, 32])
    assert path == small.datasets["predict"].images[0]
    assert same[0].dtype == torch.uint8


def classes_of(data: ImageTable, split: str) -> list[str]:
    return [data.facts.classes[i] for i in data.datasets[split].targets]


LABELS = ["001", "None", "NA", "1.0"]


def rows_of(folder: Path) -> list[dict[str, str]]:
    names = [f"{name}/{i:02}.jpg" for name in ("cat", "dog") for i in range(8)]
    return [{"id": f"{k:03}", "path": name, "label": LABELS[k % 4]} for k, name in enumerate(names)]


def csv_of(rows: list[dict[str, str]], separator: str = ",") -> str:
    return "\n".join(separator.join(line) for line in [list(rows[0]), *(list(row.values()) for row in rows)]) + "\n"


def test_every_form_of_table_is_read_alike_and_classes_are_text(folder: Path) -> None:
    rows = rows_of(folder)
    (folder / "a.csv").write_text(csv_of(rows))
    (folder / "b.tsv").write_text(csv_of(rows, "\t"), encoding="utf-16")
    (folder / "c.csv").write_text(csv_of(rows, ";"), encoding="utf-8-sig")
    (folder / "d.csv.gz").write_bytes(gzip.compress(csv_of(rows, "|").encode(), mtime=0))
    (folder / "e.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pd.DataFrame(rows).to_parquet(folder / "f.parquet")
    pd.DataFrame(rows).to_excel(folder / "g.xlsx", index=False)
    seen = set()
    for path in sorted(path for path in folder.iterdir() if path.name[1] == "."):
        data = ImageTable(str(path), **SAME_SIZE, predict_path=str(path))
        data.setup("fit")
        data.setup("predict")
        assert data.facts.classes == sorted(LABELS)
        found = [(image, *row) for image, row in zip(images_of(data, "train"), classes_of(data, "train"), strict=True)]
        seen.add(str(found))
        assert [data.describe(k) for k in range(16)] == rows
    assert len(seen) == 1


def test_a_table_to_predict_keeps_its_columns_and_needs_no_classes(folder: Path) -> None:
    data = ImageTable(str(folder / "labels.csv"), **SAME_SIZE)
    data.setup("fit")
    (folder / "new").mkdir()
    shutil.copy(folder / "dog" / "01.jpg", folder / "new" / "x.jpg")
    (folder / "new" / "t.csv").write_text("ticket;path\n007;x.jpg\n008;x.jpg\n")
    data.predict_path = str(folder / "new" / "t.csv")
    data.setup("predict")
    assert [data.describe(k) for k in range(2)] == [
        {"ticket": "007", "path": "x.jpg"},
        {"ticket": "008", "path": "x.jpg"},
    ]
    data.predict_path = str(folder / "cat")
    data.setup("predict")
    assert data.describe(0) == {"path": str(folder / "cat" / "00.jpg")}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("cat/07.jpg,,train", "line 2: `label` is empty"),
        ("cat/77.jpg,cat,train", "line 2: there is no image .*77.jpg"),
        (",cat,train", "line 2: there is no image"),
        ("cat/07.jpg,cat,holdout", "line 2: `holdout` in column part is not train, val or test"),
        ("cat/07.jpg,cat", "line 2: 2 cells, but the header has 3"),
    ],
)
def test_a_faulty_row_is_named_or_left_out(row: str, message: str, folder: Path) -> None:
    good = [f"{name}\\{i:02}.jpg, {name} ,train" for name in ("cat", "dog") for i in range(8)]
    path = table(folder, "\n".join(["path,label,part", row, *good]))
    with pytest.raises(MisconfigurationException, match=message):
        ImageTable(path, split_column="part", **SAME_SIZE).setup("fit")
    data = ImageTable(path, split_column="part", on_error="skip", **SAME_SIZE)
    with pytest.warns(UserWarning, match=f"left out 1 of 17 rows; the first: .*{message}"):
        data.setup("fit")
    assert data.facts.classes == ["cat", "dog"]
    assert sum(data.facts.class_counts) + len(data.datasets["val"]) == 14  # two are for testing
    with pytest.raises(MisconfigurationException, match=r"the table, row 1: there is no image nope\.jpg"):
        data.read_labelled([{"path": "nope.jpg", "label": "cat"}])
    path = table(folder, "path,label\ncat/07.jpg,cat\ncat/07.jpg")
    with pytest.warns(UserWarning, match="left out 1 of 2 rows"):  # one cannot be read at all
        assert len(data.read_predict(Path(path)).images) == 1


def test_splits_that_a_column_lacks_are_split_off(folder: Path) -> None:
    rows = [f"{name}/{i:02}.jpg,{name},{'Training' if i < 6 else 'TEST'}" for name in ("cat", "dog") for i in range(8)]
    path = table(folder, "\n".join(["path,label,part", *rows]))
    data = ImageTable(path, split_column="part", val_fraction=0.25, **SAME_SIZE)
    data.setup("fit")
    data.setup("test")
    assert [len(data.datasets[split]) for split in ("train", "val", "test")] == [9, 3, 4]
    assert images_of(data, "test") == ["cat/06.jpg", "cat/07.jpg", "dog/06.jpg", "dog/07.jpg"]


# ---- what is to be predicted, other than a class


def target_of(data, split: str) -> torch.Tensor:
    examples = data.datasets[split]
    return examples.__getitems__(BatchIndices(range(len(examples)))).target


def table_of(folder, **columns) -> Path:
    paths = [f"{name}/{k:02}.jpg" for k in range(8) for name in ("cat", "dog")]
    pd.DataFrame({"path": paths, **columns}).to_json(folder / "t.jsonl", orient="records", lines=True)
    return folder / "t.jsonl"


def test_images_with_several_labels(folder) -> None:
    tags = [["cat", "old"], ["dog"], ["cat"], []] * 4
    path = table_of(folder, tags=tags, cat=[1, 0, 1, 0] * 4, old=[1, 0, 0, 0] * 4)
    found = []
    for target in ("tags", ["cat", "old"]):
        data = ImageTable(str(path), target=target, kind="labels", val_fraction=0.25, test_fraction=0.25, **SAME_SIZE)
        data.setup("fit")
        data.setup("test")
        assert [len(data.datasets[split]) for split in ("train", "val", "test")] == [8, 4, 4]
        sums = torch.stack([target_of(data, split).sum(0) for split in ("train", "val", "test")])
        assert sums[0].tolist() == data.facts.label_counts
        found.append(dict(zip(data.facts.labels, sums.sum(0).tolist(), strict=True)))
    assert found == [{"cat": 8, "dog": 4, "old": 4}, {"cat": 8, "old": 4}]


def test_images_with_numbers(folder) -> None:
    path = table_of(folder, age=[2.0 * k for k in range(16)])
    data = ImageTable(str(path), target="age", kind="number", val_fraction=0.25, test_fraction=0.25, **SAME_SIZE)
    data.setup("fit")
    age = {f"{name}/{k:02}.jpg": 4.0 * k + 2 * (name == "dog") for k in range(8) for name in ("cat", "dog")}
    for split in ("train", "val"):
        exact = target_of(data, split)[:, 0].double() * data.facts.target_scale[0] + data.facts.target_mean[0]
        assert exact.tolist() == pytest.approx([age[image] for image in images_of(data, split)], abs=1e-5)


def test_a_table_is_scored_in_a_file_and_in_memory(folder) -> None:
    path = table_of(folder, age=[2.0 * k for k in range(16)])
    data = ImageTable(str(path), target="age", kind="number", **SAME_SIZE)
    data.setup("fit")
    rows = [{"path": str(folder / "cat" / "03.jpg"), "age": "6,5"}]
    with pytest.raises(MisconfigurationException, match="column `age`: '6,5' is not a number"):
        data.examples(data.read_labelled(rows), train=False)
    assert len(data.read_labelled(str(path)).images) == 16
    assert data.read_labelled([{**rows[0], "age": 6.5}]).labels == data.read_labelled([(rows[0]["path"], 6.5)]).labels


@pytest.mark.parametrize("lacking", ["path", "label", "part"])
@pytest.mark.parametrize("place", [0, 7])
def test_a_row_of_json_that_lacks_a_key_is_a_fault_of_this_row(folder, lacking, place) -> None:
    names = sorted(f"{path.parent.name}/{path.name}" for path in folder.rglob("*.jpg"))
    rows = [{"path": name, "label": name[:3], "part": ("train", "val", "test")[k % 3]} for k, name in enumerate(names)]
    del rows[place][lacking]
    (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = {"split_column": "part", **SAME_SIZE}
    with pytest.raises(MisconfigurationException, match=rf"t.jsonl, line {place + 1} has no column `{lacking}`;"):
        ImageTable(str(folder / "t.jsonl"), **options).setup("fit")
    data = ImageTable(str(folder / "t.jsonl"), on_error="skip", **options)
    data.setup("fit")
    data.setup("test")
    assert sorted(name for split in ("train", "val", "test") for name in images_of(data, split)) == sorted(
        set(names) - {names[place]}
    )
    if lacking == "path":
        assert len(data.read_predict(folder / "t.jsonl").images) == len(names) - 1
        with pytest.raises(MisconfigurationException, match=rf"line {place + 1} has no column `path`"):
            ImageTable(str(folder / "t.jsonl")).read_predict(folder / "t.jsonl")
    elif lacking == "label":
        assert len(data.read_labelled(folder / "t.jsonl").images) == len(names) - 1


@pytest.mark.parametrize("options", [{"target": "path"}, {"image": "label"}, {"split_column": "label"}])
def test_a_column_is_not_for_two_things(options) -> None:
    with pytest.raises(
        MisconfigurationException, match=r"the column `(path|label)` is named twice, by data.*name anot"
    ):
        ImageTable("t.csv", **options)
