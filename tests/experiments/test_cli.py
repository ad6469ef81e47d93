"""What the user types and what is said back."""

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import yaml
from torchvision.io import write_png

from datamodules.tables import Tabular
from experiments import load
from experiments.cli import TRAINING
from experiments.study.claims import FileLock


def test_fit_test_predict_of_a_moved_run(leyden: Callable[..., int], digits: Path, tmp_path: Path) -> None:
    assert leyden("fit", "--config", digits) == 0
    run = Path(shutil.move("runs/digits/0", tmp_path / "elsewhere"))
    digits.unlink()
    config = (run / "config.yaml").read_text()
    assert leyden("test", "--ckpt_path", run) == 0
    metrics = json.loads((run / "metrics.json").read_text())
    assert {"test/accuracy", "test/f1", "test/auroc", "test/loss", "test/top5_accuracy"} < set(metrics)
    assert leyden("validate", "--ckpt_path", run / "checkpoints" / "last.ckpt") == 0
    assert {"test/accuracy", "val/accuracy"} < set(json.loads((run / "metrics.json").read_text()))
    (tmp_path / "mine").mkdir()
    write_png(torch.zeros(1, 20, 30, dtype=torch.uint8), str(tmp_path / "mine" / "b.PNG"))
    write_png(torch.zeros(3, 8, 8, dtype=torch.uint8), str(tmp_path / "mine" / "a.png"))
    assert leyden("predict", "--ckpt_path", run, "--data.predict_path", tmp_path / "mine") == 0
    lines = (run / "predictions.csv").read_text().splitlines()
    assert lines[0].startswith("path,class,probability,probability_0,")
    assert [Path(line.split(",")[0]).name for line in lines[1:]] == ["a.png", "b.PNG"]
    assert (run / "config.yaml").read_text() == config
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "mine", "runs"]


def test_load_gives_the_same_predictions(leyden: Callable[..., int], digits: Path) -> None:
    leyden("fit", "--config", digits)
    leyden("test", "--ckpt_path", "runs/digits/0")
    task, data = load("runs/digits/0")
    data.setup("test")
    correct = [(task(x).argmax(1) == y) for x, y in data.test_dataloader()]  # type: ignore[operator]
    accuracy = float(torch.cat(correct).float().mean())
    assert accuracy == pytest.approx(json.loads(Path("runs/digits/0/metrics.json").read_text())["test/accuracy"])


def test_one_seed_gives_one_result(
    leyden: Callable[..., int], digits: Path, differences: Callable[[Path, Path], list[str]]
) -> None:
    for _ in range(2):
        leyden("fit", "--config", digits, "--trainer.deterministic=true")
    leyden("fit", "--config", digits, "--seed_everything=1")
    runs = [Path(f"runs/digits/{n}/checkpoints/last.ckpt") for n in range(3)]
    assert differences(runs[0], runs[1]) == []
    assert differences(runs[0], runs[2]) != []


def test_command_line_wins_over_the_checkpoint(leyden: Callable[..., int], digits: Path) -> None:
    leyden("fit", "--config", digits)
    before = torch.load("runs/digits/0/checkpoints/last.ckpt", weights_only=True)
    assert leyden("fit", "--ckpt_path", "runs/digits/0", "--trainer.max_epochs=3") == 0
    after = torch.load("runs/digits/0/checkpoints/last.ckpt", weights_only=True)
    assert (before["epoch"], after["epoch"]) == (2, 3)
    assert leyden("test", "--ckpt_path", "runs/digits/0", "--data.batch_size=7") == 0


def test_learning_rate_of_the_command_line_wins_on_resume(leyden: Callable[..., int], digits: Path) -> None:
    leyden("fit", "--config", digits)
    leyden("fit", "--ckpt_path", "runs/digits/0", "--trainer.max_epochs=3", "--model.optimizer.lr=0.5")
    after = torch.load("runs/digits/0/checkpoints/last.ckpt", weights_only=True)
    assert after["optimizer_states"][0]["param_groups"][0]["lr"] == 0.5


def test_bfloat16_that_the_processor_lacks_stays_in_the_configuration_only(
    leyden: Callable[..., int], digits: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    with caplog.at_level("INFO"):
        assert leyden("fit", "--config", digits, "--trainer.precision=bf16-mixed", "--trainer.max_epochs=1") == 0
    assert "float32 is used instead" in caplog.text
    assert "precision: bf16-mixed" in Path("runs/digits/0/config.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["fitt", "--config", "digits.yaml"], 2, "did you mean fit?"),
        (["fit", "--config", "none.yaml"], 2, "none.yaml"),
        (["fit", "--config", "digits.yaml", "--trainer.max_epocs=3"], 2, "trainer.max_epochs"),
        (["fit", "--config", "digits.yaml", "--model.labelsmoothing=3"], 2, "label_smoothing"),
        (["fit", "--config", "digits.yaml", "--model.optimiser.lr=3"], 2, "did you mean optimizer?"),
        (["fit", "--config", "digits.yaml", "--model.label_smoothing=a"], 2, "label_smoothing"),
        (
            ["fit", "--config", "digits.yaml", "--data=datamodules.images.ImageFolder", "--data.path=no"],
            1,
            "no (--data.p",
        ),
        (["fit", "--config", "digits.yaml", "--checkpoint.monitor=val/acc"], 1, "val/accuracy"),
        (["test", "--config", "digits.yaml"], 2, "test needs a trained model: --ckpt_path"),
        (["test", "--ckpt_path", "runs/none/0"], 1, "there is no checkpoint runs/none/0"),
        (["test", "--ckpt_path", "digit.yaml"], 1, "there is no checkpoint digit.yaml; did you mean digits.yaml?"),
    ],
)
def test_errors_are_one_sentence(
    words: list[str],
    code: int,
    sentence: str,
    leyden: Callable[..., int],
    digits: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        got = leyden(*words)
    except SystemExit as exit_:
        got = int(exit_.code or 0)
    said = capsys.readouterr().err
    assert got == code
    assert sentence in said
    assert "Traceback" not in said
    assert len([line for line in said.splitlines() if line.startswith("leyden: ")]) == 1


def test_checkpoint_without_a_fact_is_refused(
    leyden: Callable[..., int], digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leyden("fit", "--config", digits)
    content = torch.load("runs/digits/0/checkpoints/best.ckpt", weights_only=True)
    content["Digits"]["facts"].pop("mean")
    torch.save(content, "runs/digits/0/checkpoints/best.ckpt")
    assert leyden("test", "--ckpt_path", "runs/digits/0") == 1
    assert "does not hold the facts of ImageClassFacts (mean)" in capsys.readouterr().err


def test_data_without_a_fact_that_the_task_needs(
    leyden: Callable[..., int], digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--data=datamodules.tables.Diabetes"]
    assert leyden("fit", "--config", digits, *options) == 1
    assert "Classifier needs classes, and Diabetes has numbers to predict" in capsys.readouterr().err


def test_checkpoint_of_another_task(
    leyden: Callable[..., int], digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leyden("fit", "--config", digits)
    Path("line.yaml").write_text("model: {class_path: modules.regression.Regressor}\n")
    assert leyden("test", "--config", "line.yaml", "--ckpt_path", "runs/digits/0") == 1
    assert "holds a modules.classification.Classifier, line.yaml is a modules.regression" in capsys.readouterr().err


def test_learning_rate_finder_is_refused(
    leyden: Callable[..., int], digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finder = "--trainer.callbacks+=lightning.pytorch.callbacks.LearningRateFinder"
    assert leyden("fit", "--config", digits, finder) == 1
    assert "LearningRateFinder sets an option `lr` of the task" in capsys.readouterr().err
    assert not Path("runs/digits").exists()


@pytest.mark.parametrize("options", [["--trainer.max_epochs=1"], ["--data.batch_size=100", "--trainer.max_epochs=1"]])
def test_what_is_typed_wins_wherever_it_stands(
    options: list[str], leyden: Callable[..., int], digits: Path, tmp_path: Path
) -> None:
    over = tmp_path / "over.yaml"
    over.write_text("trainer: {max_epochs: 3}\ndata: {init_args: {batch_size: 200}}\n")
    assert leyden("fit", *options, "--config", digits, "--name=run", f"--config={over}") == 0
    trained = yaml.safe_load(Path("runs/run/0/config.yaml").read_text())
    assert trained["trainer"]["max_epochs"] == 1
    assert trained["data"]["init_args"]["batch_size"] == (100 if len(options) == 2 else 200)


def test_options_are_not_dropped_for_another_config(
    leyden: Callable[..., int], digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        leyden("fit", "--config=own/tabular_classification", "--data.path=people.csv", "--config", digits)
    assert "data has no option path" in capsys.readouterr().err


def test_nobody_else_trains_in_a_run(
    leyden: Callable[..., int], digits: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert leyden("fit", "--config", digits, "--name=run") == 0
    run = Path("runs/run/0")
    with FileLock(run / TRAINING):
        assert leyden("fit", "--ckpt_path", run, "--trainer.max_epochs=3") == 1
        assert "another process trains in runs/run/0: wait until it has ended, or stop it" in capsys.readouterr().err
        assert leyden("test", "--ckpt_path", run) == 0
        monkeypatch.setenv("PMI_RANK", "1")  # another process of the training that holds the lock
        assert leyden("fit", "--ckpt_path", run, "--trainer.max_epochs=3") == 0
    monkeypatch.delenv("PMI_RANK")
    assert leyden("fit", "--ckpt_path", run, "--trainer.max_epochs=4") == 0  # the lock was given back


def test_a_run_that_cannot_be_written_to(
    leyden: Callable[..., int], digits: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leyden("fit", "--config", digits, "--name=run") == 0
    run = Path("runs/run/0")

    def fail(*_: object) -> bool:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(
        "experiments.cli.os", SimpleNamespace(access=lambda path, mode: path != run, W_OK=os.W_OK, environ={})
    )
    monkeypatch.setattr(FileLock, "acquire", lambda self, wait: fail())
    for command in ("fit", "test"):
        assert leyden(command, "--ckpt_path", run) == 1
        assert "runs/run/0 cannot be written to (" in capsys.readouterr().err


def test_predictions_are_whole_or_those_of_before(
    leyden: Callable[..., int], samples: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = Path(__file__).parents[2] / "configs/own/regression.yaml"
    table = samples / "tables" / "people.csv"
    options = ["--data.path", table, "--data.target=income", "--trainer.max_epochs=1", "--name=run"]
    assert leyden("fit", "--config", config, *options) == 0
    predict = ["--ckpt_path=runs/run/0", "--data.predict_path", table]
    assert leyden("predict", *predict) == 0
    before = Path("runs/run/0/predictions.csv").read_bytes()

    def half(self: Tabular, rows: object, folder: Path) -> Path:
        (folder / "predictions.csv").write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Tabular, "write", half)
    capsys.readouterr()
    assert leyden("predict", *predict) == 1
    said = "the predictions cannot be written into runs/run/0 (No space left on device); those that were there are left"
    assert said in capsys.readouterr().err
    assert Path("runs/run/0/predictions.csv").read_bytes() == before
    assert not [path for path in Path("runs/run/0").iterdir() if path.name.startswith(".predictions")]
