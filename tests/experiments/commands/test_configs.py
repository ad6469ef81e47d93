"""Shipped configs are found from everywhere, by what a user would type."""

from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.commands.configs import CONFIGS, describe, find, shipped, with_shipped
from experiments.program import main


@pytest.mark.parametrize("typed", ["configs/regression/line.yaml", "regression/line.yaml", "regression/line", "line"])
def test_shipped_configs_are_found_by_their_names(typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find(typed) == CONFIGS / "regression" / "line.yaml"
    Path(typed).parent.mkdir(parents=True, exist_ok=True)
    Path(typed).touch()
    assert find(typed) is None  # the user's own comes first


@pytest.mark.parametrize("typed", ["", "none", "default", "../configs/line", "/line", "configs/default.yaml", "{a: 1}"])
def test_other_words_are_left_alone(typed: str) -> None:
    assert find(typed) is None


def test_words_that_name_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    line = str(CONFIGS / "regression" / "line.yaml")
    assert with_shipped(["fit", "--config", "line", "-c=line", "--name", "line", "--config"]) == [
        *("fit", "--config", line, f"-c={line}", "--name", "line", "--config")
    ]


def test_a_shipped_config_runs_where_there_is_none(leyden: Callable[..., int]) -> None:
    assert leyden("fit", "--config", "configs/regression/line.yaml", "--trainer.max_epochs=1") == 0
    text = Path("runs/line/0/config.yaml").read_text()
    assert "experiments.callbacks.screen.Progress" in text  # of configs/default.yaml


def test_scores_are_those_of_the_headers() -> None:
    told = {path.stem: describe(path) for path in shipped()}
    assert told["digits"].score == "accuracy 0.995"
    assert told["etth1_linear"].score == "MSE 0.373"
    assert told["multi30k_gru"].score == "BLEU 37.5"
    assert told["imagenet_resnet50"].score == ""
    assert sum(bool(one.score) for one in told.values()) > 20
    assert all(one.about for one in told.values())


def test_configs_are_listed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["configs"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if line.startswith("  ")] == [path.stem for path in shipped()]
    assert main(["configs", "line"]) == 0
    assert capsys.readouterr().out.endswith((CONFIGS / "regression" / "line.yaml").read_text())
