"""Folds: every example is held out once, and the scores of all predictions together are those of scikit-learn."""

import csv
import json
import math
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from seqeval.metrics import f1_score
from sklearn import metrics

from experiments import load
from experiments.runs import read_scores
from experiments.study.results.folds import read_predictions

Leyden = Callable[..., int]
CONFIGS = Path(__file__).parents[4] / "configs"
ONE_EPOCH = ["--trainer.max_epochs=1", "--trainer.enable_model_summary=false"]


def study(name: str) -> Any:
    return json.loads(Path(f"runs/{name}/study.json").read_text())


def table(path: Path, rows: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(rows, 3)), columns=["a", "b", "c"])
    frame["person"] = [f"p{k}" for k in rng.integers(0, rows // 4, rows)]
    frame["price"] = 1000 + 50 * frame["a"] + rng.normal(size=rows)
    frame["kind"] = np.where(frame["a"] > 0, "up", np.where(frame["b"] > 0, "left", "right"))
    frame.to_csv(path, index=False)
    return frame


def pooled(name: str) -> pd.DataFrame:
    return pd.read_csv(f"runs/{name}/out_of_fold.csv")


def test_numbers(leyden: Leyden, tmp_path: Path) -> None:
    frame = table(tmp_path / "some.csv", 60)
    words = ["--config", CONFIGS / "own/regression.yaml", "--data.path=some.csv", "--data.target=price", *ONE_EPOCH]
    assert leyden("study", *words, "--study.folds=3", "--data.ignore=[person, kind]", "--name=some") == 0
    found, scores = pooled("some"), study("some")["pooled"]
    assert found["example"].tolist() == list(range(60))
    assert np.allclose(found["truth"], frame["price"])
    assert scores["test/mae"]["mean"] == pytest.approx(metrics.mean_absolute_error(found["truth"], found["prediction"]))
    assert scores["test/r2"]["mean"] == pytest.approx(metrics.r2_score(found["truth"], found["prediction"]))
    mse = metrics.mean_squared_error(found["truth"], found["prediction"])
    assert scores["test/rmse"]["mean"] == pytest.approx(math.sqrt(mse))


def test_classes_in_groups_over_seeds(leyden: Leyden, tmp_path: Path) -> None:
    frame = table(tmp_path / "some.csv", 80)
    words = ["--config", CONFIGS / "own/tabular_classification.yaml", "--data.path=some.csv", "--data.target=kind"]
    words += ["--data.group_column=person", "--data.ignore=[price]", *ONE_EPOCH, "--name=some", "--study.folds=2"]
    assert leyden("study", *words, "--study.seeds=2") == 0
    for seed in (0, 1):
        found = pd.read_csv(f"runs/some/seed_{seed}_out_of_fold.csv")
        assert found["example"].tolist() == list(range(80))
        assert found["truth"].tolist() == frame["kind"].tolist()
        assert (found.groupby(frame["person"])["fold"].nunique() == 1).all()
    assert [run.get("fold") for run in study("some")["runs"]] == [0, 1, 0, 1]
    scores, names = study("some")["pooled"], ["left", "right", "up"]
    each = [pd.read_csv(f"runs/some/seed_{seed}_out_of_fold.csv") for seed in (0, 1)]
    wanted = {
        "accuracy": [metrics.accuracy_score(some["truth"], some["class"]) for some in each],
        "f1": [metrics.f1_score(some["truth"], some["class"], average="macro") for some in each],
        "auroc": [
            np.mean([metrics.roc_auc_score(some["truth"] == name, some[f"probability_{name}"]) for name in names])
            for some in each
        ],
    }
    for name, values in wanted.items():
        assert scores[f"test/{name}"]["mean"] == pytest.approx(np.mean(values)), name


def test_tags(leyden: Leyden, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    kinds = {"O": ["the", "sees", "goes"], "B-PER": ["Ann", "Bo"], "B-LOC": ["Bern", "Ulm"]}
    lines = []
    for _ in range(30):
        for tag in rng.choice(list(kinds), rng.integers(2, 6)):
            lines.append(f"{rng.choice(kinds[tag])} {tag}")
        lines.append("")
    (tmp_path / "some.txt").write_text("\n".join(lines))
    words = ["--config", CONFIGS / "own/tagging.yaml", "--data.path=some.txt", *ONE_EPOCH, "--name=some"]
    assert leyden("study", *words, "--study.folds=2") == 0
    with open("runs/some/out_of_fold.csv") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["example"]) for row in rows] == list(range(30))
    truth, tags = ([json.loads(row[name]) for row in rows] for name in ("truth", "tags"))
    flat = [list(chain(*some)) for some in (truth, tags)]
    assert [tag[2:] for tag in flat[0]] == [line.split()[1][2:] for line in lines if line]
    scores = study("some")["pooled"]
    assert scores["test/accuracy"]["mean"] == pytest.approx(metrics.accuracy_score(*flat))
    assert scores["test/entity_f1"]["mean"] == pytest.approx(f1_score(truth, tags))


def test_rolling_origin_of_a_series(leyden: Leyden, tmp_path: Path) -> None:
    times = pd.date_range("2024-01-01", periods=120, freq="D")
    pd.DataFrame({"day": times, "sales": np.sin(np.arange(120)) + np.arange(120)}).to_csv("some.csv", index=False)
    words = ["--config", CONFIGS / "own/forecasting.yaml", "--data.path=some.csv", "--data.target=sales", *ONE_EPOCH]
    words += ["--data.context=8", "--data.horizon=3", "--data.test_fraction=0.3", "--data.val_fraction=0.1"]
    assert leyden("study", *words, "--study.folds=3", "--study.gap=2", "--name=some") == 0
    for fold, begin in enumerate((84, 96, 108)):
        rows = read_predictions(Path(f"runs/some/{fold}"))
        truth = np.array([row["truth"] for row in rows])[..., 0]
        wanted = [np.sin(np.arange(k, k + 3)) + np.arange(k, k + 3) for k in range(begin, begin + 10)]
        assert np.allclose(truth, wanted, atol=1e-4)
    data = load("runs/some/1").data
    data.setup("fit")
    assert len(data.datasets["train"]) == 82 - 8 - 3 + 1  # the fold begins at 96, after a gap of 2
    assert len(data.datasets["val"]) == 12 - 3 + 1
    rows = [row for fold in range(3) for row in read_predictions(Path(f"runs/some/{fold}"))]
    forecast, truth = (np.array([row[name] for row in rows]).ravel() for name in ("forecast", "truth"))
    assert study("some")["pooled"]["test/mae_original"]["mean"] == pytest.approx(
        metrics.mean_absolute_error(truth, forecast)
    )


@pytest.mark.slow
def test_folds_around_a_search(leyden: Leyden, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table(tmp_path / "some.csv", 40)
    words = ["--config", CONFIGS / "own/regression.yaml", "--data.path=some.csv", "--data.target=price", *ONE_EPOCH]
    words += ["--study.folds=2", "--study.trials=2", "--study.search.model.optimizer.lr=[0.1, 0.001]", "--name=some"]
    assert leyden("study", *words) == 0
    out = capsys.readouterr().out
    assert "2 trials in each of 2 folds, then 2 runs to test (1 seed x 2 folds): 6 trainings in all" in out
    for fold in (0, 1):
        for run in (f"fold_{fold}_trial_1", f"best_{fold}"):
            assert f"fold:\n      index: {fold}\n      count: 2\n" in Path(f"runs/some/{run}/config.yaml").read_text()
        assert Path(f"runs/some/best_of_fold_{fold}.yaml").is_file()
    assert len(pooled("some")) == 40


@pytest.mark.parametrize("config", ["own/tabular_classification", "own/regression", "own/tagging", "own/forecasting"])
def test_rows_are_scored_as_the_test_is(config: str, leyden: Leyden, tmp_path: Path) -> None:
    samples = CONFIGS.parent / "tests" / "samples"
    options = {
        "own/tabular_classification": [
            f"--data.path={tmp_path}/some.csv",
            "--data.target=kind",
            "--data.test_fraction=.5",
        ],
        "own/regression": [f"--data.path={tmp_path}/some.csv", "--data.target=price"],
        "own/tagging": [f"--data.path={samples}/tagged"],
        "own/forecasting": [f"--data.path={samples}/series/shops.csv", "--data.id=shop", "--data.target=sales"],
    }
    table(tmp_path / "some.csv", 60)
    from experiments.study import trials
    from experiments.study.results.folds import TestPredictions

    assert leyden("fit", "--config", CONFIGS / f"{config}.yaml", *options[config], *ONE_EPOCH, "--name=some") == 0
    trials.evaluate(Path("runs/some/0"), ["--trainer.devices=1"], [TestPredictions()])
    scores = read_scores(Path("runs/some/0"))
    again = load("runs/some/0").task.score_rows(read_predictions(Path("runs/some/0")))
    assert len(again) >= 3
    for name, value in again.items():
        assert value == pytest.approx(scores[f"test/{name}"], rel=1e-5, abs=1e-5, nan_ok=True), name


@pytest.mark.parametrize(
    ("rows", "options", "folds", "said"),
    [
        (24, ["--data.ignore=[person, kind]"], 26, "--study.folds is 26: fold 24 cannot be made of 24 examples ("),
        (24, ["--data.group_column=person", "--data.ignore=[kind]"], 7, "of 24 examples in 6 groups ("),
        (24, ["--data.time_column=c", "--data.ignore=[person, kind]"], 4, "fold 1 cannot be made of 24 examples ("),
    ],
)
def test_too_many_folds_are_refused_before_anything_is_trained(
    rows: int,
    options: list[str],
    folds: int,
    said: str,
    leyden: Leyden,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    frame = table(tmp_path / "some.csv", rows)
    assert frame["person"].nunique() == 6
    frame["c"] = [f"2024-01-{16 if 15 <= k < 21 else k + 1:02}" for k in range(24)]  # six of them of one time
    frame.to_csv(tmp_path / "some.csv", index=False)
    words = ["--config", CONFIGS / "own/regression.yaml", "--data.path=some.csv", "--data.target=price", *ONE_EPOCH]
    assert leyden("study", *words, *options, "--data.test_fraction=0.5", f"--study.folds={folds}") == 1
    error = capsys.readouterr().err
    assert said in error
    assert "); take fewer folds" in error
    assert not Path("runs").exists()
    assert leyden("study", *words, *options, "--data.test_fraction=0.5", "--study.folds=2") == 0
