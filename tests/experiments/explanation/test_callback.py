"""``leyden predict --explain`` writes what ``predict`` writes, and why; what it cannot explain is refused at once."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from datamodules.series import ETT
from datamodules.tables import Iris
from experiments.explanation.callback import explaining
from modules.classification import Classifier
from modules.tagging import HMMTagger
from tests.processes import run_on
from tests.small_tasks import fit

PREDICT = ["predict", "--ckpt_path=runs/run/0"]


@pytest.fixture
def people(samples: Path, leyden: Callable[..., int]) -> None:
    """A run that learned a class from a table."""
    assert leyden(*fit("tabular_classification"), "--name=run", "--trainer.max_epochs=1") == 0
    lines = ["sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)"]
    Path("new.csv").write_text("\n".join([*lines, *(f"{5 + k / 10},3,{1 + k / 5},{k / 10}" for k in range(20))]))


def written() -> pd.DataFrame:
    return pd.read_csv("runs/run/0/predictions.csv")


def test_tables(people: None, leyden: Callable[..., int]) -> None:
    words = [*PREDICT, "--data.predict_path=new.csv"]
    assert leyden(*words) == 0
    assert not list(Path("runs/run/0").glob("*.predict"))
    plain = written()
    assert leyden(*words, "--explain", "--data.batch_size=7", "--figures") == 0
    found = written()
    pd.testing.assert_frame_equal(found[list(plain)], plain, atol=1e-5)
    names = [name.removeprefix("contribution_") for name in found if name.startswith("contribution_")]
    assert names == list(plain)[:4]
    for _, row in found.iterrows():
        named = sorted(names, key=lambda name: -abs(row[f"contribution_{name}"]))[:3]
        assert row["because"] == ", ".join(f"{name} ({row[f'contribution_{name}']:+.3g})" for name in named)
    (events,) = Path("runs/run/0").glob("*.predict")
    board = EventAccumulator(str(events))
    board.Reload()
    assert board.Tags()["images"] == ["predict/because"]
    assert Image.open("runs/run/0/pictures/predict_because.png").size[0] > 500


def test_pictures_can_be_left_out(people: None, leyden: Callable[..., int]) -> None:
    assert leyden(*PREDICT, "--data.predict_path=new.csv", "--explain", "--figures=false") == 0
    assert "because" in written()
    assert not Path("runs/run/0/pictures/predict_because.png").exists()
    assert not list(Path("runs/run/0").glob("*.predict"))


def test_a_picture_that_cannot_be_written_costs_nothing(
    people: None, leyden: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree("runs/run/0/pictures", ignore_errors=True)
    Path("runs/run/0/pictures").touch()
    with pytest.warns(UserWarning, match=r"predict_because.png cannot be written into .*--figures false leaves pictu"):
        assert leyden(*PREDICT, "--data.predict_path=new.csv", "--explain", "--figures") == 0
    (events,) = Path("runs/run/0").glob("*.predict")
    assert b"predict/because" in events.read_bytes()


def test_what_else_it_is_not_for() -> None:
    task, data = Classifier(net=torch.nn.Linear), Iris()
    with pytest.raises(MisconfigurationException, match="--explain is of predictions, not of fit"):
        explaining("fit", False, True, task, data)
    with pytest.raises(MisconfigurationException, match="--explain looks into the network, which --compile hides"):
        explaining("predict", True, True, task, data)
    with pytest.raises(MisconfigurationException, match="the predictions of HMMTagger cannot be explained"):
        explaining("predict", False, True, HMMTagger(), data)  # before a network is built
    with pytest.raises(MisconfigurationException, match="predictions from series in time cannot be explained"):
        explaining("predict", False, True, task, ETT())


def test_captum_is_missed_before_anything_is_predicted(
    people: None, leyden: Callable[..., int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leyden("test", "--ckpt_path=runs/run/0", "--explain") == 1
    assert "--explain is of predictions, not of test" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "captum", None)
    assert leyden(*PREDICT, "--data.predict_path=new.csv", "--explain") == 1
    assert "pip install 'leyden[explain]'" in capsys.readouterr().err
    assert not Path("runs/run/0/predictions.csv").exists()


def test_images(samples: Path, leyden: Callable[..., int], digits: Path) -> None:
    assert leyden("fit", "--config", digits, "--name=run", "--trainer.max_epochs=1") == 0
    Path("images").mkdir()
    for k in range(3):
        Image.new("L", (8, 8), 80 * k).save(f"images/{k}.png")
    assert leyden(*PREDICT, "--data.predict_path=images", "--explain=true", "--figures", "--trainer.logger=false") == 0
    assert not [name for name in written() if name.startswith(("because", "contribution"))]
    assert Path("runs/run/0/pictures/predict_because.png").is_file()


@pytest.mark.slow
def test_several_processes(people: None, leyden: Callable[..., int], samples: Path) -> None:
    words = [*PREDICT, "--data.predict_path=new.csv", "--explain", "--data.batch_size=3", "--figures=true"]
    assert leyden(*words) == 0
    alone = written()
    picture = Path("runs/run/0/pictures/predict_because.png")
    drawn = picture.read_bytes()
    picture.unlink()
    Path("runs/run/0/predictions.csv").unlink()
    run_on(3, [words], samples)
    pd.testing.assert_frame_equal(written(), alone, atol=1e-5)
    assert picture.read_bytes() == drawn
