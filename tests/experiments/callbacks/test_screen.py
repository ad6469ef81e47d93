"""What is seen on a screen of 80 columns."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest


def test_a_run_on_a_narrow_screen(
    leyden: Callable[..., int],
    digits: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda file: (80, 24))
    options = ("--trainer.enable_progress_bar=true", "--trainer.enable_model_summary=true")
    assert leyden("fit", "--config", digits, *options) == 0
    said = capsys.readouterr()
    lines = [re.sub(r"\x1b\[\w", "", line).split("`Trainer")[0] for line in re.split(r"[\r\n]+", said.out)]
    assert max(map(len, lines)) <= 80
    last = [line for line in lines if line.startswith("Epoch 2/2: 100%")][-1]
    assert re.search(r"4/4 \[00:00 left, train/loss=\d\.\d+, val/accuracy=\d\.\d+\]$", last)
    assert "FLOPs" not in said.out + caplog.text
    assert re.search(r"  net +SmallCNN +246 *\n246 parameters \(0\.0 MB\), all of them trained\n", said.out)


def test_predictions_leave_no_event_file(leyden: Callable[..., int], digits: Path) -> None:
    assert leyden("fit", "--config", digits, "--trainer.max_epochs=1") == 0
    images = Path(__file__).parents[2] / "samples" / "my_images" / "cat"
    before = sorted(Path("runs/digits/0").glob("events.*"))
    assert leyden("predict", "--ckpt_path", "runs/digits/0", "--data.predict_path", images) == 0
    assert Path("runs/digits/0/predictions.csv").exists()
    assert sorted(Path("runs/digits/0").glob("events.*")) == before
