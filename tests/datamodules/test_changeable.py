"""Options that a command with a checkpoint may change, and those that training settled."""

import importlib
import inspect
import json
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import datamodules
from datamodules.data import Data

RUN = Path("runs/run/0")


def classes(base: type = Data) -> Iterator[type]:
    for kind in base.__subclasses__():
        yield kind
        yield from classes(kind)


def test_what_may_change_are_options() -> None:
    for found in pkgutil.walk_packages(datamodules.__path__, "datamodules."):
        importlib.import_module(found.name)
    everywhere = {name for kind in classes() for name in inspect.signature(kind.__init__).parameters}
    assert everywhere >= {"path", "text", "max_tokens", "separator"}  # of several kinds, hence named in the base
    for kind in classes():
        options = {name for base in kind.__mro__ for name in inspect.signature(base.__init__).parameters}
        assert set(vars(kind).get("changeable", ())) <= options, kind


@pytest.mark.parametrize(
    ("command", "option", "said"),
    [
        ("test", "--data.test_fraction=0.6", "data.test_fraction is 0.6, in training it was 0.2"),
        ("validate", "--data.val_fraction=0.6", "data.val_fraction is 0.6, in training it was 0.2"),
        ("fit", "--data.split_seed=3", "data.split_seed is 3, in training it was None"),
        ("fit", "--seed_everything=3", "seed_everything is 3, in training it was 0"),
    ],
)
def test_splits_of_a_run_are_settled(
    command: str, option: str, said: str, leyden: Callable[..., int], digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leyden("fit", "--config", digits, "--name=run") == 0
    assert leyden(command, "--ckpt_path", RUN, option) != 0
    assert said in capsys.readouterr().err


def test_other_options_are_the_users(leyden: Callable[..., int], digits: Path) -> None:
    assert leyden("fit", "--config", digits, "--name=run") == 0
    assert leyden("test", "--ckpt_path", RUN) == 0
    scores = json.loads((RUN / "metrics.json").read_text())
    assert leyden("test", "--ckpt_path", RUN, "--data.batch_size=100", "--seed_everything=3") == 0
    assert json.loads((RUN / "metrics.json").read_text())["test/accuracy"] == scores["test/accuracy"]


@pytest.mark.parametrize("option", ["--data.num_tokens=50", "--data.ngrams=100", "--data.min_count=3"])
def test_a_vocabulary_is_settled(
    option: str, samples: Path, leyden: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--config", Path(__file__).parents[2] / "configs/text_classification/trec_cnn.yaml", "--name=run"]
    assert leyden("fit", *words, "--trainer.max_epochs=1") == 0
    assert leyden("fit", "--ckpt_path", RUN, "--trainer.max_epochs=2", "--data.max_length=20") == 0
    assert leyden("fit", "--ckpt_path", RUN, "--trainer.max_epochs=3", option) != 0
    assert "what was learned of the training data, hold from then on; leave the option out" in capsys.readouterr().err


def test_how_numbers_of_a_table_are_written_is_settled(
    tmp_path: Path, leyden: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("table.csv").write_text("x,y\n" + "".join(f"{k / 8},{k / 4}\n" for k in range(40)))
    Path("new.csv").write_text("x\n0.5\n")
    config = Path(__file__).parents[2] / "configs/own/regression.yaml"
    assert leyden("fit", "--config", config, "--data.path=table.csv", "--data.target=y", "--name=run") == 0
    assert leyden("predict", "--ckpt_path", RUN, "--data.predict_path=new.csv") == 0
    assert leyden("predict", "--ckpt_path", RUN, "--data.predict_path=new.csv", "--data.decimal=,") != 0
    assert "data.decimal is ',', in training it was None" in capsys.readouterr().err
