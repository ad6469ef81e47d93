"""Boards other than TensorBoard get what it gets, tried against the packages themselves."""

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from experiments.callbacks.board.loggers import with_board

CONFIGS = Path(__file__).parents[4] / "configs"
SHOWN = {"train/inputs", "val/confusion_matrix", "val/mistakes"}


def test_csv_beside_the_board(leyden: Callable[..., int], digits: Path) -> None:
    logger = "{class_path: lightning.pytorch.loggers.CSVLogger, init_args: {save_dir: logs, name: a, version: b}}"
    assert leyden("fit", "--config", digits, "--figures=true", f"--trainer.logger={logger}") == 0
    rows = list(csv.DictReader(Path("logs/a/b/metrics.csv").read_text().splitlines()))
    assert {"train/loss", "val/loss", "val/accuracy", "train/lr"} <= rows[0].keys()
    assert "SmallCNN" in Path("logs/a/b/texts/run.md").read_text()
    assert {path.stem for path in Path("runs/digits/0/pictures").iterdir()} == {
        name.replace("/", "_") for name in SHOWN
    }
    assert list(Path("runs/digits/0").glob("events.*.fit"))  # the board of the run stays
    assert "model.net.width: '4'" in Path("logs/a/b/hparams.yaml").read_text()


def test_a_board_of_ones_own_takes_the_place() -> None:
    own, board, more = TensorBoardLogger("a"), TensorBoardLogger("b"), CSVLogger("c")
    assert with_board(own, board) == [own]
    assert with_board([more, own], board) == [more, own]
    assert with_board(more, board) == [board, more]
    assert with_board([], board) == [board]


@pytest.mark.parametrize("package", ["wandb", "mlflow"])
def test_missing_package_is_one_sentence(
    package: str,
    leyden: Callable[..., int],
    digits: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Missing:
        def __bool__(self) -> bool:
            return False

        def __str__(self) -> str:
            return f"Module not found: {package!r}. Try `pip install {package}`"

    monkeypatch.setattr(f"lightning.pytorch.loggers.{package}._{package.upper()}_AVAILABLE", Missing())
    code = leyden("fit", "--config", digits, f"--config={CONFIGS / 'trainer' / f'{package}.yaml'}")
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("leyden: ")]
    assert code == 1
    assert len(said) == 1
    assert said[0].endswith(f": Module not found: {package!r}. Try `pip install {package}`")


@pytest.mark.slow
def test_mlflow(leyden: Callable[..., int], digits: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    assert leyden("fit", "--config", digits, "--figures=true", f"--config={CONFIGS / 'trainer' / 'mlflow.yaml'}") == 0
    client = mlflow.MlflowClient("sqlite:///runs/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("leyden").experiment_id])
    scores = json.loads(Path("runs/digits/0/metrics.json").read_text())
    assert run.data.metrics["val/loss"] == pytest.approx(scores["val/loss"], abs=0.1)
    assert run.data.params["model.net.width"] == "4"
    artifacts = Path("runs/mlflow") / run.info.run_id / "artifacts"
    files = {str(path.relative_to(artifacts).with_suffix("")) for path in artifacts.rglob("*") if path.is_file()}
    assert {f"pictures/{name}_{step}" for name in SHOWN - {"train/inputs"} for step in (4, 8)} <= files
    assert {"pictures/train/inputs_0", "texts/run_0"} <= files


@pytest.mark.slow
def test_wandb(leyden: Callable[..., int], digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    overlay = f"--config={CONFIGS / 'trainer' / 'wandb.yaml'}"
    assert leyden("fit", "--config", digits, "--figures=true", overlay, "--trainer.logger.offline=true") == 0
    wandb.finish()
    (folder,) = Path("runs/wandb").glob("offline-run-*")
    media = [str(path.relative_to(folder / "files" / "media")) for path in folder.rglob("media/**/*") if path.is_file()]
    for name in SHOWN:
        assert any(path.startswith(f"images/{name}_") for path in media)
    assert any(path.startswith("table/run_") for path in media)
    names = (b"val/accuracy", b"train/loss", b"model.net.width")
    deadline = time.monotonic() + 30  # another process writes the file, and may not be done with it
    while time.monotonic() < deadline:
        kept = next(folder.glob("*.wandb")).read_bytes()
        if all(name in kept for name in names):
            return
        time.sleep(0.2)
    pytest.fail("the curves were not written")
