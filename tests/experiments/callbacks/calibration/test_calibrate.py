"""What a run with ``Calibrate`` keeps, scores, predicts and exports."""

import csv
import json
import os
import signal
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.sampling import BatchIndices
from datamodules.series.figures import draw_forecasts
from experiments import load
from experiments.callbacks import Calibrate
from experiments.callbacks.checkpointing import RunCheckpoint
from experiments.deployment.export.command import export
from experiments.deployment.export.scripts.shared import answers_of
from experiments.deployment.model import Model
from modules.calibration import ClassCalibrator, Compared, best_temperature
from modules.classification import Classifier, sets_to_texts
from tests.experiments.deployment.test_export import program
from tests.small_tasks import CONFIGS, fit

CALIBRATE = "--trainer.callbacks+=experiments.callbacks.Calibrate"
EMA = "--trainer.callbacks+=experiments.callbacks.averaging.EMA"
SHORT = ["--trainer.max_epochs=2", "--trainer.enable_model_summary=false"]


class Killed(BaseException):
    """Stands for SIGKILL."""


def compared(model: Model, split: str) -> Compared:
    """Outputs of the network on a whole split, and the truth."""
    task, data = model
    data.setup({"val": "validate"}.get(split, split))
    examples = data.datasets[split]
    with torch.no_grad():
        found = task.step(examples.__getitems__(BatchIndices(range(len(examples))))).compared
    assert found is not None
    return found


def scores(run: str) -> dict[str, float]:
    found: dict[str, float] = json.loads(Path(f"runs/{run}/0/metrics.json").read_text())
    return found


def content(run: str, name: str = "best") -> dict[str, Any]:
    found: dict[str, Any] = torch.load(f"runs/{run}/0/checkpoints/{name}.ckpt", weights_only=True)
    return found


@pytest.fixture
def tables(tmp_path: Path, leyden: Callable[..., int]) -> Path:
    """Rows with two numbers and a class, and a series with a value a day."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    table = pd.DataFrame(x, columns=["a", "b"]).round(4)
    table["first"] = (1e5 + 10 * x[:, 0] + 3 * rng.normal(size=300)).round(3)
    table["second"] = (300 * x[:, 1] + 30 * rng.normal(size=300)).round(3)
    table["kind"] = np.array(["x", "y", "z"])[(x[:, 0] + rng.normal(size=300) > 0) * 1 + (x[:, 1] > 0.5)]
    table.to_csv("t.csv", index=False)
    days = pd.date_range("2021-01-01", periods=400).strftime("%Y-%m-%d")
    sales = np.exp(3 + 0.3 * np.sin(np.arange(400) * 2 * np.pi / 7) + 0.1 * rng.normal(size=400))
    pd.DataFrame({"day": days, "sales": sales.round(3)}).to_csv("s.csv", index=False)
    return tmp_path


def train(leyden: Callable[..., int], config: str, *words: str) -> Model:
    assert leyden("fit", f"--config={CONFIGS / config}.yaml", *SHORT, CALIBRATE, "--name=run", *words) == 0
    return load("runs/run/0")


def predicted(leyden: Callable[..., int], path: str) -> pd.DataFrame:
    assert leyden("predict", "--ckpt_path=runs/run/0", "--figures", f"--data.predict_path={path}") == 0
    return pd.read_csv("runs/run/0/predictions.csv", dtype=str, keep_default_na=False)


def as_written(frame: pd.DataFrame) -> pd.DataFrame:
    frame.to_csv("again.csv", index=False)
    return pd.read_csv("again.csv", dtype=str, keep_default_na=False)


FORECASTING = ["own/forecasting", "--data.path=s.csv", "--data.target=sales", "--data.scale=log"]
TABLES = {
    "class": (["own/tabular_classification", "--data.path=t.csv", "--data.target=kind"], "t.csv"),
    "number": (["own/regression", "--data.path=t.csv", "--data.target=second"], "t.csv"),
    "numbers": (["own/regression", "--data.path=t.csv", "--data.target=[first, second]"], "t.csv"),
    "quantiles": (FORECASTING, "s.csv"),
    "forecast": ([*FORECASTING, "--model.quantiles=[]"], "s.csv"),
}


@pytest.mark.parametrize("averaged", [[], [EMA, "--trainer.callbacks.decay=0.5"]], ids=["plain", "EMA"])
def test_a_checkpoint_has_the_calibration_of_its_own_weights(
    averaged: list[str], leyden: Callable[..., int], digits: Path
) -> None:
    words = [CALIBRATE, "--trainer.callbacks.coverage=0.8", *averaged]
    assert leyden("fit", "--config", digits, "--name=run", *words) == 0
    model = load("runs/run/0")
    logits, target, _ = compared(model, "val")
    temperature = content("run")["calibration"]["temperature"]
    assert temperature.dtype == torch.float64
    assert float(temperature) == pytest.approx(float(best_temperature(logits, target)), rel=1e-5)
    assert content("run")["calibration"]["coverage"] == 0.8
    shares = (logits.double() / temperature).softmax(1)
    limit = shares.gather(1, target[:, None])[:, 0].sort(descending=True).values[-(-(len(target) + 1) * 4 // 5) - 1]
    found = scores("run")
    assert found["val/set_size"] == pytest.approx(float((shares >= limit - 1e-9).double().sum(1).mean()), abs=0.01)
    assert 0.8 <= found["val/set_coverage"] < 0.81
    assert {name for name in found if "set" in name} == {"val/set_coverage", "val/set_size"}


def test_scores_of_the_test_split(leyden: Callable[..., int], digits: Path) -> None:
    assert leyden("fit", "--config", digits, "--name=run", CALIBRATE, "--trainer.max_epochs=1") == 0
    model, found = load("runs/run/0"), scores("run")
    assert leyden("test", "--ckpt_path=runs/run/0") == 0
    logits, target, _ = compared(model, "test")
    temperature = content("run")["calibration"]["temperature"]
    shares = (logits.double() / temperature).softmax(1)
    inside = (shares >= content("run")["calibration"]["threshold"]).gather(1, target[:, None])
    tested = scores("run")
    assert tested["test/set_coverage"] == pytest.approx(float(inside.double().mean()), abs=0.003)
    assert tested["test/calibration_error_scaled"] != tested["test/calibration_error"]
    assert model.score()["set_coverage"] == tested["test/set_coverage"]
    assert leyden("validate", "--ckpt_path=runs/run/0") == 0
    for name, value in found.items():
        assert scores("run")[name] == pytest.approx(value, abs=1e-6), name


def test_it_can_be_monitored(leyden: Callable[..., int], digits: Path) -> None:
    monitored = "--checkpoint.monitor=val/calibration_error_scaled"
    assert leyden("fit", "--config", digits, "--name=run", CALIBRATE, monitored) == 0
    assert "val/calibration_error_scaled" in scores("run")


MORE = [pytest.param(name, marks=pytest.mark.slow) for name in ("number", "forecast")]


@pytest.mark.parametrize("name", ["class", "numbers", "quantiles", *MORE])
@pytest.mark.usefixtures("tables")
def test_predictions(name: str, leyden: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    words, inputs = TABLES[name]
    drawn: list[Any] = []

    def draw(panels: Any, levels: Any) -> Any:
        drawn.append((panels, levels))
        return draw_forecasts(panels, levels=levels)

    monkeypatch.setattr("datamodules.series.base.draw_forecasts", draw)
    model = train(leyden, *words)
    written, found = predicted(leyden, inputs), model.predict(inputs)
    pd.testing.assert_frame_equal(as_written(found), written)
    assert leyden("test", "--ckpt_path=runs/run/0") == 0
    tested = scores("run")
    if name == "class":
        assert list(found)[-1] == "set"
        truth = pd.read_csv(inputs)["kind"]
        names = found["set"].str.split("|")
        each = model.score(inputs)
        held = [true in some for true, some in zip(truth, names, strict=True)]
        assert np.mean(held) == pytest.approx(each["set_coverage"], abs=1e-6)
        assert sum(len(some) for some in names if some != [""]) / 300 == pytest.approx(each["set_size"], abs=1e-6)
        threshold = float(content("run")["calibration"]["threshold"])
        for row, some in zip(found.to_dict("records"), names, strict=True):
            assert {n for n in "xyz" if row[f"probability_{n}"] > threshold + 1e-5} <= {*some}
            assert {n for n in some if n} <= {n for n in "xyz" if row[f"probability_{n}"] > threshold - 1e-5}
    elif name.startswith("number"):
        targets = ["first", "second"] if name == "numbers" else ["second"]
        of = {target: f"_{target}" if name == "numbers" else "" for target in targets}
        numbers, each = pd.read_csv(inputs)[targets], model.score(inputs)
        inside = [numbers[t].between(found[f"lower{of[t]}"], found[f"upper{of[t]}"]) for t in targets]
        width = [found[f"upper{of[t]}"] - found[f"lower{of[t]}"] for t in targets]
        assert np.mean(inside) == pytest.approx(each["interval_coverage"], abs=0.004)  # one may be an end itself
        assert np.mean(width) == pytest.approx(each["interval_width"], rel=1e-6)
        assert tested["test/interval_width"] == pytest.approx(each["interval_width"], rel=1e-6)
    else:
        assert list(found)[-2:] == ["sales_lower", "sales_upper"]
        assert (found["sales_lower"] < found["sales"]).all()
        assert (found["sales"] < found["sales_upper"]).all()
        (panel,), levels = drawn[0]
        low, middle, high = np.array(panel.forecast).T
        assert levels == ([0.1, 0.5, 0.9] if name == "quantiles" else ["lower", "upper"])
        np.testing.assert_allclose(middle, found["sales"])
        np.testing.assert_allclose(high, found["sales_0.9" if name == "quantiles" else "sales_upper"])
        np.testing.assert_allclose(low, found["sales_0.1" if name == "quantiles" else "sales_lower"])
        margin = content("run")["calibration"]["margin"]
        assert margin.shape == (7, 1)
        ends = ("sales_0.1", "sales_0.9") if name == "quantiles" else ("sales", "sales")
        seen = compared(model, "val")
        assert seen.spread is not None
        off = torch.maximum(seen.outputs[..., 0] - seen.target, seen.target - seen.outputs[..., -1]) / seen.spread
        rank = -(-(len(off) + 1) * 9 // 10)
        np.testing.assert_allclose(margin, off.sort(0).values[rank - 1], rtol=1e-4, atol=1e-5)
        context = np.log(pd.read_csv(inputs)["sales"].tail(28))
        spread = np.sqrt(context.var(ddof=0) + (0.1 * float(model.data.facts.std[0, 0])) ** 2)
        wide = spread * margin[:, 0].numpy()
        np.testing.assert_allclose(found["sales_lower"], found[ends[0]] * np.exp(-wide), rtol=1e-5)
        np.testing.assert_allclose(found["sales_upper"], found[ends[1]] * np.exp(wide), rtol=1e-5)
        assert tested["test/interval_coverage"] > 0.75


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
@pytest.mark.usefixtures("tables")
def test_exported_programs_say_the_same(name: str, leyden: Callable[..., int]) -> None:
    words, inputs = TABLES[name]
    found = train(leyden, *words).predict(inputs)
    folder = export("runs/run/0")
    with open(inputs, newline="") as file:
        rows = list(csv.DictReader(file))
    exported = pd.DataFrame(program(folder).predict(rows, folder)).rename(columns={"class": "prediction"})
    answers = [column for column in found if column not in rows[0] or column == "sales"]
    assert [column for column in exported if column != "day"] == answers
    for column in answers:
        if column in ("prediction", "set") and name == "class":
            assert (exported[column] == found[column]).mean() > 0.99  # at a threshold the last digit decides
        else:
            np.testing.assert_allclose(exported[column].astype(float), found[column].astype(float), rtol=1e-4)


def test_answers_of_exported_programs() -> None:
    logits = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    calibrator = ClassCalibrator(0.8)
    calibrator.fit(Compared(3 * logits, logits.argmax(1).roll(1)))
    probabilities = calibrator.probabilities(logits)
    fitted = {name: value.tolist() for name, value in calibrator.values.items()}
    for classes in (["a", "b", "c"], ["a|b", "b", "c"]):
        known: dict[str, Any] = {"classes": classes, "calibration": fitted}
        answers = answers_of({"logits": logits.numpy()}, known)
        assert [row["set"] for row in answers] == sets_to_texts(calibrator.sets(probabilities), probabilities, classes)
        shares = [[row[f"probability_{name}"] for name in classes] for row in answers]
        np.testing.assert_allclose(shares, probabilities, atol=1e-6)
    units = {"target_mean": [1.0, 2.0], "target_scale": [2.0, 3.0]}
    known = {"targets": ["x", "y"], **units, "calibration": {"margin": [0.5, 5.0]}}
    (row,) = answers_of({"standardized": np.array([[1.0, -1.0]])}, known)
    assert row == {
        "prediction_x": 3.0, "prediction_y": -1.0, "lower_x": 2.5, "lower_y": -6.0, "upper_x": 3.5, "upper_y": 4.0
    }  # fmt: skip


def test_a_checkpoint_of_other_weights_has_none(leyden: Callable[..., int], digits: Path) -> None:
    step, calls = Classifier.step, iter(range(100))

    def stop(self: Classifier, batch: Any) -> Any:
        if next(calls) == 11:
            raise Killed
        return step(self, batch)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Classifier, "step", stop)
        leyden("fit", "--config", digits, "--name=run", CALIBRATE, "--checkpoint.every_n_train_steps=1")
    assert content("run", "last")["global_step"] == 7
    assert "calibration" not in content("run", "last")
    assert "calibration" in content("run")
    assert leyden("fit", "--ckpt_path=runs/run/0") == 0
    assert "calibration" in content("run", "last")
    assert leyden("fit", "--ckpt_path=runs/run/0", "--trainer.callbacks=[]", "--trainer.max_epochs=3") == 0
    assert "calibration" not in content("run", "last")


def test_a_checkpoint_written_again_keeps_it(
    leyden: Callable[..., int], digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert leyden("fit", "--config", digits, "--name=run", CALIBRATE, "--trainer.max_epochs=1") == 0
    before, start = content("run", "last"), RunCheckpoint.on_train_batch_start

    def signalled(self: RunCheckpoint, *args: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        start(self, *args)

    monkeypatch.setattr(RunCheckpoint, "on_train_batch_start", signalled)
    assert leyden("fit", "--ckpt_path=runs/run/0", "--trainer.max_epochs=2") == 128 + signal.SIGTERM
    assert content("run", "last")["global_step"] == before["global_step"]
    assert content("run", "last")["calibration"] == before["calibration"]  # not that of the sanity check


def test_what_a_few_examples_said_is_forgotten(
    leyden: Callable[..., int], digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(self: RunCheckpoint, trainer: Trainer, module: Classifier, *args: Any) -> None:
        assert module.calibration is None
        raise Killed

    monkeypatch.setattr(RunCheckpoint, "on_train_batch_start", stop)
    with pytest.raises(Killed):
        leyden("fit", "--config", digits, CALIBRATE)


@pytest.mark.usefixtures("samples")
def test_what_cannot_be_calibrated_is_refused(
    leyden: Callable[..., int], digits: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert leyden(*fit("tagging_by_counts"), CALIBRATE) == 1
    assert "Calibrate: it is not known how a HMMTagger is calibrated; modules.classification" in capsys.readouterr().err
    assert leyden("fit", "--config", digits, CALIBRATE, "--trainer.limit_val_batches=0") == 1
    assert "Calibrate needs a validation" in capsys.readouterr().err
    assert leyden("fit", "--config", digits, CALIBRATE, "--trainer.check_val_every_n_epoch=3") == 1
    assert "with trainer.check_val_every_n_epoch 3 there is none in trainer.max_epochs 2" in capsys.readouterr().err
    step = Classifier.step
    monkeypatch.setattr(Classifier, "step", lambda self, batch: step(self, batch)._replace(compared=None))
    assert leyden("fit", "--config", digits, CALIBRATE) == 1
    assert "Classifier.step returns no Step with `compared`" in capsys.readouterr().err


def test_training_without_a_validation_says_so(leyden: Callable[..., int], digits: Path) -> None:
    words = ["--trainer.check_val_every_n_epoch=null", "--trainer.val_check_interval=9", "--trainer.max_epochs=1"]
    with pytest.warns(UserWarning, match="this training ended without a validation, so nothing is calibrated"):
        assert leyden("fit", "--config", digits, CALIBRATE, *words) == 0
    assert content("digits", "last").get("calibration") is None


def test_only_training_calibrates(leyden: Callable[..., int], digits: Path) -> None:
    assert leyden("fit", "--config", digits, "--trainer.max_epochs=1") == 0
    for command in ("validate", "test"):
        with pytest.warns(UserWarning, match=r"only fit calibrates, and this run is not calibrated: .*/0 --config con"):
            assert leyden(command, "--ckpt_path=runs/digits/0", CALIBRATE) == 0
    words = [CALIBRATE, "--trainer.callbacks.coverage=0.8"]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Calibrate")
        assert leyden("fit", "--ckpt_path=runs/digits/0", *words, "--trainer.max_epochs=2") == 0
        assert leyden("test", "--ckpt_path=runs/digits/0", *words) == 0
    with pytest.warns(UserWarning, match="this run is calibrated to 0.8"):
        assert leyden("test", "--ckpt_path=runs/digits/0", CALIBRATE) == 0


def test_too_few_examples_are_refused(
    leyden: Callable[..., int], digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leyden("fit", "--config", digits, CALIBRATE, "--trainer.callbacks.coverage=0.999") == 1
    said = capsys.readouterr().err
    assert "a coverage of 0.999 needs at least 999 validation examples, and there are 359: raise" in said
    few = ["--trainer.limit_val_batches=1", "--data.batch_size=5", "--trainer.limit_train_batches=1"]
    assert leyden("fit", "--config", digits, CALIBRATE, *few) == 1
    assert "a coverage of 0.9 needs at least 9 validation examples, and there are 5" in capsys.readouterr().err
    assert leyden("fit", "--config", digits, CALIBRATE, *few, "--trainer.fast_dev_run=true") == 0
    with pytest.raises(MisconfigurationException, match="coverage is 90"):
        Calibrate(90)


def test_what_rests_on_few_examples_is_told(leyden: Callable[..., int], digits: Path) -> None:
    few = ["--trainer.limit_train_batches=1", "--trainer.max_epochs=1", "--data.val_fraction=0.03"]
    with pytest.warns(
        UserWarning, match=r"Calibrate: 54 validation examples tell roughly .* may be 4 of 100 more or less"
    ):
        assert leyden("fit", "--config", digits, CALIBRATE, *few) == 0


@pytest.mark.usefixtures("tables")
def test_forecasts_that_overlap_count_once(leyden: Callable[..., int]) -> None:
    with pytest.warns(UserWarning, match="Calibrate: 5 forecasts of the validation split that do not overlap tell"):
        train(leyden, *FORECASTING, "--trainer.max_epochs=1")  # a week each, of 40 days


def test_damaged(leyden: Callable[..., int], digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert leyden("fit", "--config", digits, "--name=run", CALIBRATE, "--trainer.max_epochs=1") == 0
    path, whole = Path("runs/run/0/checkpoints/best.ckpt"), content("run")
    margin = {"coverage": 0.9, "margin": torch.zeros(3)}
    said = r"calibration in the checkpoint has no|the checkpoint has a calibration that is none|the coverage is 2\.0"
    for damaged in ([1], {"coverage": "0.9"}, {"coverage": 2.0}, margin):
        torch.save({**whole, "calibration": damaged}, path)
        with pytest.raises(MisconfigurationException, match=said):
            load("runs/run/0")
    assert leyden("test", "--ckpt_path=runs/run/0") == 1
    shown = capsys.readouterr().err
    assert "the calibration in the checkpoint has no temperature for this task" in shown
    assert "Traceback" not in shown


def test_outputs_that_are_not_finite_are_not_calibrated(
    leyden: Callable[..., int], digits: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = Classifier.forward
    monkeypatch.setattr(Classifier, "forward", lambda self, x: forward(self, x) / (1 if self.training else 0))
    with pytest.warns(UserWarning, match="no finite numbers, so nothing is calibrated"):
        assert leyden("fit", "--config", digits, "--name=run", CALIBRATE, "--trainer.max_epochs=1") == 0
    assert "calibration" not in content("run", "last")
