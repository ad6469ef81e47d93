import numpy as np
import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.tables.public import BreastCancer, CaliforniaHousing, Diabetes, Iris, Line, Wine


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
    assert (data.num_inputs, data.classes) == (num_inputs, classes)
    assert data.num_outputs == (None if classes else 1)


def test_every_point_lies_on_the_line():
    data = Line(slope=-3.0, intercept=0.5)
    frame = data.frame()
    assert frame["y"].to_numpy() == pytest.approx(-3 * frame["x"].to_numpy() + 0.5)
    data.setup("fit")
    assert (data.target_mean, data.target_scale) == ([0.0], [1.0])
    examples = data.datasets["train"]
    assert (examples.target - (-3 * examples.inputs + 0.5)).abs().max() < 1e-6


def test_noise_has_its_deviation_and_follows_the_seed():
    data = Line(noise=0.5, num_examples=5000)
    frame = data.frame()
    residual = frame["y"] - 2 * frame["x"] - 1
    assert residual.std() == pytest.approx(0.5, rel=0.05)
    assert data.frame().equals(frame)
    data.seed = 1
    assert not data.frame().equals(frame)


def test_california_in_the_layout_of_its_archive(tmp_path):
    folder = tmp_path / "california_housing"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = rng.uniform(1, 9, size=(30, 9))
    (folder / "cal_housing.data").write_text("\n".join(",".join(f"{v:.3f}" for v in row) for row in rows) + "\n")
    data = CaliforniaHousing(root=str(tmp_path))
    data.prepare_data()  # finds it there
    data.setup("fit")
    assert data.num_inputs == 9
    assert data.frame()["total_rooms_per_household"].iloc[0] == pytest.approx(rows[0, 3] / rows[0, 6], rel=1e-2)


def test_california_is_not_there(tmp_path):
    with pytest.raises(MisconfigurationException, match="there is no file"):
        CaliforniaHousing(root=str(tmp_path)).frame()
