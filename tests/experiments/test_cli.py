"""What the user types and what is said back."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torchvision.io import write_png

from experiments import load


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
