"""``metrics.json`` has the scores of the best checkpoint on whole splits; if it has others, that is told."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments import load
from experiments.program import main
from experiments.runs import replace_scores

RUN = Path("runs/run/0")


def scores(name: str = "metrics.json") -> dict[str, float]:
    found: dict[str, float] = json.loads((RUN / name).read_text())
    return found


@pytest.fixture
def tested(leyden: Callable[..., int], digits: Path) -> Callable[..., int]:
    assert leyden("fit", "--config", digits, "--name=run") == 0
    assert leyden("test", "--ckpt_path", RUN) == 0
    return leyden


@pytest.mark.parametrize(
    ("path", "options", "told"),
    [
        (RUN, ["--trainer.limit_test_batches=1", "--data.batch_size=50"], "limit_test_batches 1"),
        (RUN, ["--trainer.fast_dev_run=true"], "fast_dev_run"),
        (RUN / "checkpoints/last.ckpt", [], "last.ckpt"),
        (RUN, ["--model.label_smoothing=0.3"], "model.label_smoothing 0.3"),
    ],
)
def test_scores_of_something_else_are_not_the_runs(
    path: Path, options: list[str], told: str, tested: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    if path != RUN:  # another one than the best
        assert tested("fit", "--ckpt_path", RUN, "--trainer.max_epochs=3", "--model.optimizer.init_args.lr=1") == 0
        assert tested("test", "--ckpt_path", RUN) == 0
    assert not (RUN / "metrics_of.json").exists()
    capsys.readouterr()
    assert tested("test", "--ckpt_path", path, *options) == 0
    assert f"metrics.json; they are not those of the run, but of {told}\n" in capsys.readouterr().out
    assert json.loads((RUN / "metrics_of.json").read_text()) == {"test": [told]}
    assert f"\n  of {told}:\n" in repr(load(RUN))
    assert main(["compare", str(RUN)]) == 0
    assert f"warning: the test scores of {RUN} are of {told}" in capsys.readouterr().out
    assert tested("test", "--ckpt_path", RUN) == 0
    assert not (RUN / "metrics_of.json").exists()


def test_whole_tests_are_the_runs_however_they_are_batched(tested: Callable[..., int]) -> None:
    before = scores()
    (RUN / "metrics.json").unlink()
    assert tested("test", "--ckpt_path", RUN / "checkpoints/best.ckpt", "--data.batch_size=50") == 0
    assert scores()["test/accuracy"] == before["test/accuracy"]
    assert not (RUN / "metrics_of.json").exists()


def test_scores_of_former_weights_go(tested: Callable[..., int]) -> None:
    assert tested("fit", "--ckpt_path", RUN, "--trainer.max_epochs=8") == 0
    assert not [name for name in scores() if name.startswith("test/")]


def test_scores_stay_while_the_best_checkpoint_does(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"val/loss": 0.5, "test/loss": 0.25}')
    replace_scores(tmp_path, {"val/loss": 0.5})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"val/loss": 0.5, "test/loss": 0.25}
    replace_scores(tmp_path, {"val/loss": 0.375})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"val/loss": 0.375}


def test_the_configuration_is_that_with_which_training_went_on(tested: Callable[..., int]) -> None:
    import yaml

    def trained() -> Any:
        return yaml.safe_load((RUN / "config.yaml").read_text())["trainer"]["max_epochs"]

    assert trained() == 2
    assert tested("fit", "--ckpt_path", RUN, "--trainer.max_epochs=3") == 0
    assert trained() == 3


def test_damaged_conditions_cost_no_scores(tested: Callable[..., int], capsys: pytest.CaptureFixture[str]) -> None:
    before = scores()
    (RUN / "metrics_of.json").write_text("[1]")
    assert "test/accuracy" in repr(load(RUN))
    (RUN / "metrics.json").unlink()
    with pytest.warns(UserWarning, match=r"metrics_of.json is damaged, and written anew"):
        assert tested("test", "--ckpt_path", RUN) == 0
    assert scores()["test/accuracy"] == before["test/accuracy"]
    assert not (RUN / "metrics_of.json").exists()
    (RUN / "metrics_of.json").write_text("[1]")
    assert main(["compare", str(RUN)]) == 1
    assert "metrics_of.json is damaged: delete it, and test the run anew" in capsys.readouterr().err
