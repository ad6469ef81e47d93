"""Single runs of a study."""

from pathlib import Path

import pytest

from experiments.commands.configs import CONFIGS
from experiments.study import trials


def test_figures_are_drawn_when_a_run_is_tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = Path("runs/line/0")
    words = ["--config", str(CONFIGS / "regression" / "line.yaml"), "--trainer.max_epochs=1"]
    trials.train(words, run, ["--trainer.accelerator=cpu"])
    assert not (run / "pictures").exists()
    trials.evaluate(run, ["--trainer.accelerator=cpu"])
    assert [path.name for path in (run / "pictures").iterdir()] == ["test_predictions.png"]
