import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.sampling import BatchIndices
from datamodules.tables import Adult, BreastCancer, CaliforniaHousing, Diabetes, Diamonds, Iris, Line, Wine


@pytest.mark.parametrize(
    ("kind", "num_rows", "num_inputs", "classes"),
    [
        (Iris, 150, 4, ["setosa", "versicolor", "virginica"]),
        (Wine, 178, 13, ["class_0", "class_1", "class_2"]),
        (BreastCancer, 569, 30, ["benign", "malignant"]),
        (Diabetes, 442, 10, None),
    ],
)
def test_public_table(kind, num_rows, num_inputs, classes):
    data = kind()
    data.setup("fit")
    data.setup("test")
    assert sum(len(data.datasets[split]) for split in ("train", "val", "test")) == num_rows
    assert data.facts.num_inputs == num_inputs
    if classes:
        assert data.facts.classes == classes
    else:
        assert data.facts.targets == ["progression"]


def test_every_point_lies_on_the_line():
    data = Line(slope=-3.0, intercept=0.5)
    frame = data.table()
    assert frame["y"].to_numpy() == pytest.approx(-3 * frame["x"].to_numpy() + 0.5)
    data.setup("fit")
    assert (data.facts.target_mean, data.facts.target_scale) == ([0.0], [1.0])
    examples = data.datasets["train"]
    assert (examples.target - (-3 * examples.inputs + 0.5)).abs().max() < 1e-6


def test_noise_has_its_deviation_and_follows_the_seed():
    data = Line(noise=0.5, num_examples=5000)
    frame = data.table()
    residual = frame["y"] - 2 * frame["x"] - 1
    assert residual.std() == pytest.approx(0.5, rel=0.05)
    assert data.table().equals(frame)
    data.seed = 1
    assert not data.table().equals(frame)


def california(folder):
    rng = np.random.default_rng(0)
    header = "longitude,latitude,housing_median_age,total_rooms,total_bedrooms,population,households,median_income,"
    rows = rng.uniform(1, 9, size=(40, 9))
    lines = [",".join(f"{v:.3f}" for v in row) + f",{('INLAND', 'NEAR BAY')[k % 2]}" for k, row in enumerate(rows)]
    folder.mkdir()
    (folder / "housing.csv").write_text("\n".join([header + "median_house_value,ocean_proximity", *lines]) + "\n")
    return rows


def test_california_in_its_layout(tmp_path):
    rows = california(tmp_path / "california_housing")
    data = CaliforniaHousing(root=str(tmp_path))
    data.prepare_data()  # finds it there
    data.setup("fit")
    assert data.facts.num_inputs == 11
    assert data.facts.columns[6]["categories"] == ["INLAND", "NEAR BAY"]
    assert data.table()["total_rooms_per_household"].iloc[0] == pytest.approx(rows[0, 3] / rows[0, 6], rel=1e-2)
    assert list(data.files) == ["housing.csv"]


def test_california_is_not_there(tmp_path):
    with pytest.raises(MisconfigurationException, match="there is no file"):
        CaliforniaHousing(root=str(tmp_path)).table()


def test_diamonds_in_its_layout(tmp_path):
    (tmp_path / "diamonds").mkdir()
    lines = [f'0.{k + 20},"Ideal","{"DE"[k % 2]}","SI2",61.5,55,{300 + k},3.95,3.98,2.43' for k in range(40)]
    header = '"carat","cut","color","clarity","depth","table","price","x","y","z"'
    (tmp_path / "diamonds" / "diamonds.csv").write_text("\n".join([header, *lines]) + "\n")
    data = Diamonds(root=str(tmp_path))
    data.prepare_data()
    with pytest.warns(UserWarning, match="column `cut` is the same in all training rows"):
        data.setup("fit")
    table = data.table()
    assert table["log_price"].tolist() == pytest.approx([math.log(300 + k) for k in range(40)])
    assert "price" not in table
    assert [column["name"] for column in data.facts.columns] == ["carat", "color"]


def test_adult_keeps_its_official_test_rows(tmp_path):
    (tmp_path / "adult").mkdir()
    train = [f"{20 + k},{('Private', '?')[k % 2]},{('<=50K', '>50K')[k % 3 == 0]}" for k in range(30)]
    test = [f"{40 + k}, Private, {('<=50K.', '>50K.')[k % 2]}" for k in range(10)]
    header = "age,workclass,income"
    (tmp_path / "adult" / "adult.csv").write_text("\n".join([header, *train]) + "\n")
    (tmp_path / "adult" / "adult.test").write_text("\n".join([header, *test]) + "\n\n")
    data = Adult(root=str(tmp_path))
    data.prepare_data()
    data.setup("fit")
    data.setup("test")
    assert {split: len(examples) for split, examples in data.datasets.items()} == {"train": 26, "val": 4, "test": 10}
    assert data.facts.classes == ["<=50K", ">50K"]
    assert data.read("test").where.tolist() == list(range(30, 40))
    columns = [(column["name"], column["missing"]) for column in data.facts.columns]
    assert columns == [("age", False), ("workclass", True)]
    _, target = data.datasets["test"].__getitems__(BatchIndices(range(10)))
    assert target.tolist() == [k % 2 for k in range(10)]


SAMPLES = Path(__file__).parents[2] / "samples"


@pytest.mark.parametrize(
    ("make", "file"), [(CaliforniaHousing, "housing.csv"), (Diamonds, "diamonds.csv"), (Adult, "adult.test")]
)
def test_rows_to_predict_are_as_the_datasets_own(make, file):
    """A file of the dataset, or what a program has read of it, is encoded as it was for training."""
    data = make(root=str(SAMPLES))
    data.setup("test")
    path = SAMPLES / make.folder / file
    rows = data.read("test").where - (60 if make is Adult else 0)  # behind those of the other file
    expected = data.datasets["test"].__getitems__(BatchIndices(range(len(rows)))).inputs
    given = pd.read_csv(path, skipinitialspace=True).drop(columns=["price", "income"], errors="ignore")
    for inputs in (path, given):
        data.ask(inputs)
        data.setup("predict")
        found = data.datasets["predict"].__getitems__(BatchIndices(rows.tolist()))
        torch.testing.assert_close(found.inputs, expected)
