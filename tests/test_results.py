"""The page of results is what its table says, with a place for each config; only runs of a config as it is count."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks import results


def test_page_is_written_from_the_table() -> None:
    table = yaml.safe_load(results.TABLE.read_text())
    assert sorted(table) == sorted(results.names())
    assert "".join(results.lines(table)) == results.PAGE.read_text()


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.5], "f1 0.500 (1 seed)"),
        ([0.25, 0.75], "f1 0.500 ± 0.354 (2 seeds)"),  # the deviation of a sample: 0.25 * 2 ** 0.5
        ({"mean": 39.94, "seeds": 3}, "f1 39.9 (3 seeds)"),
    ],
)
def test_a_score_with_its_spread(values: Any, text: str) -> None:
    assert results.shown("f1", values) == text


@pytest.fixture
def run(tmp_path: Path) -> Path:
    config = yaml.safe_load((results.CONFIGS / "tabular_classification" / "iris.yaml").read_text())
    config |= {"name": "iris", "seed_everything": 1}
    config["model"]["init_args"]["optimizer"] = {
        "class_path": "torch.optim.AdamW",
        "init_args": {**config["model"]["init_args"]["optimizer"], "betas": [0.9, 0.999]},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / "metrics.json").write_text(json.dumps({"test/accuracy": 0.91234, "test/loss": 1.0}))
    return tmp_path


def test_a_run_is_put_in_the_place_of_its_seed(run: Path) -> None:
    table = {"tabular_classification/iris": {"scores": {"accuracy": [0.1, 0.2, 0.3]}}}
    results.take(table, run)
    assert table["tabular_classification/iris"]["scores"]["accuracy"] == [0.1, 0.9123, 0.3]
    with pytest.raises(SystemExit, match="put the runs of seeds 0 to 0 in first"):
        results.take({"tabular_classification/iris": {"scores": {"accuracy": {"mean": 0.9, "seeds": 5}}}}, run)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("name", "other", "no config is called other"),
        ("max_epochs", 3, "trainer.max_epochs"),
        ("lr", 1.0, "optimizer.lr"),
    ],
)
def test_a_run_of_other_options_is_refused(run: Path, key: str, value: Any, message: str) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    place = {"name": config, "max_epochs": config["trainer"]}.get(key)
    place = config["model"]["init_args"]["optimizer"]["init_args"] if place is None else place
    place[key] = value
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(SystemExit, match=message):
        results.take({}, run)


def test_a_run_that_was_not_tested_is_told(run: Path) -> None:
    (run / "metrics.json").write_text(json.dumps({"val/accuracy": 0.9}))
    with pytest.raises(SystemExit, match=r"has no test/accuracy: run leyden test"):
        results.take({}, run)
