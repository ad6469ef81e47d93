"""``leyden compare``: what differs, by how much, and whether it can be compared at all."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from experiments.study.results.compare import bootstrap
from experiments.study.results.scores import spread, spreads, welch

Leyden = Callable[..., int]


def write_run(folder: Path, seed: int, lr: float, **scores: float) -> None:
    folder.mkdir(parents=True)
    config = f"seed_everything: {seed}\nmodel:\n  class_path: modules.a.B\n  init_args:\n    optimizer: {{lr: {lr}}}\n"
    (folder / "config.yaml").write_text(config + "data: {class_path: datamodules.a.C}\ntrainer: {max_epochs: 3}\n")
    (folder / "metrics.json").write_text(json.dumps({f"test/{name}": value for name, value in scores.items()}))


@pytest.fixture
def compare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    from experiments.study.results import compare, groups

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(groups.Run, "_fingerprint", lambda self: "x")  # no checkpoints here

    def run(*words: str) -> str:
        assert compare.main(list(words)) == 0
        return capsys.readouterr().out

    return run


def test_mean_and_interval_are_those_of_scipy() -> None:
    values = [0.9, 0.95, 0.97, 0.93]
    found = spread(values)
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.std == pytest.approx(np.std(values, ddof=1))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert str(found) == "0.9375 ± 0.0299"
    assert str(spread([0.5])) == "0.5"
    assert np.isnan(spread([0.5, float("nan")]).mean)
    assert list(spreads([{"val/a": 1.0, "test/b": 1.0, "c": 0.0}, {"val/a": 2.0, "test/b": 3.0}])) == [
        "test/b",
        "val/a",
    ]
    low, high = stats.ttest_ind([3, 4, 6], [1, 2, 2, 3], equal_var=False).confidence_interval()
    assert welch([1, 2, 2, 3], [3, 4, 6])[2:4] == pytest.approx((low, high))


def test_bootstrap_covers_the_mean() -> None:
    values = np.random.default_rng(0).normal(1, 2, 400)
    low, high = bootstrap(values)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)


def test_what_differs_stands_in_columns(compare: Callable[..., str]) -> None:
    for seed in range(3):
        write_run(Path(f"runs/a/{seed}"), seed, 0.1, accuracy=0.8 + 0.01 * seed)
        write_run(Path(f"runs/b/{seed}"), seed, 0.2, accuracy=0.85 + 0.02 * seed)
    out = compare("runs/a", "runs/b", "runs/b/0", "--csv=out/x.csv", "--markdown=out/x.md")
    with open("out/x.csv") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["", "runs", "model.optimizer.lr", "test/accuracy"]
    assert rows[1] == ["runs/a", "3", "0.1", "0.8100 ± 0.0100"]
    assert rows[3] == ["runs/b/0", "1", "0.2", "0.85"]
    assert "| runs/b | 3 | 0.2 | 0.8700 ± 0.0200 |" in Path("out/x.md").read_text()
    assert "0.8100 ± 0.0100" in out
    assert "warning" not in out


def test_the_difference_is_paired_by_seed(compare: Callable[..., str]) -> None:
    first, second = [0.7, 0.8, 0.9], [0.72, 0.83, 0.91]
    for seed in range(3):
        write_run(Path(f"runs/a/{seed}"), seed, 0.1, accuracy=first[seed])
        write_run(Path(f"runs/b/{2 - seed}"), seed, 0.2, accuracy=second[seed])  # in another order
    interval = stats.ttest_rel(second, first).confidence_interval()
    wanted = f"test/accuracy: +0.02 (95 % {interval.low:+.4g} to {interval.high:+.4g}), over 3 pairs of the same seed"
    assert wanted in compare("runs/a", "runs/b")
    shutil.move("runs/b/0", "runs/c/0")
    for number in (1, 2):
        path = Path(f"runs/b/{number}/config.yaml")
        path.write_text(path.read_text().replace("seed_everything: ", "seed_everything: 1"))
    assert "over 3 and 2 runs, not paired" in compare("runs/a", "runs/b")


def test_runs_of_one_seed_are_averaged(compare: Callable[..., str]) -> None:
    first, second = [0.7, 0.72, 0.8, 0.84], [0.75, 0.79, 0.81, 0.91]
    for number, seed in enumerate((0, 0, 1, 1)):
        write_run(Path(f"runs/a/{number}"), seed, 0.1, accuracy=first[number])
        write_run(Path(f"runs/b/{number}"), seed, 0.2, accuracy=second[number])
        write_run(Path(f"runs/c/{number}"), 7 + seed, 0.2, accuracy=second[number])
    a, b = (np.reshape(values, (2, 2)).mean(1) for values in (first, second))
    interval, of = stats.ttest_rel(b, a).confidence_interval(), "of 4 and 4 runs, those of one seed and fold averaged"
    out = compare("runs/a", "runs/b")
    difference = f"{np.mean(second) - np.mean(first):+.4g}"  # that of the means in the table
    assert f"test/accuracy: {difference} (95 % {interval.low:+.4g} to {interval.high:+.4g}), over 2 pairs" in out
    assert f"of the same seed and fold ({of})\n" in out
    interval = stats.ttest_ind(b, a, equal_var=False).confidence_interval()
    wanted = f"test/accuracy: {difference} (95 % {interval.low:+.4g} to {interval.high:+.4g}), over 2 and 2 seeds and"
    assert f"{wanted} folds, not paired ({of})\n" in compare("runs/a", "runs/c")
    shutil.rmtree("runs/b/3")
    shutil.rmtree("runs/b/1")
    write_run(Path("runs/b/5"), 3, 0.2, accuracy=0.5)
    assert "over 2 pairs of the same seed and fold (of 4 and 3 runs, those of" in compare("runs/a", "runs/b")


def test_the_difference_over_examples(compare: Callable[..., str]) -> None:
    for name, wrong in (("a", 30), ("b", 10)):
        write_run(Path(f"runs/{name}/0"), 0, 0.1, accuracy=1 - wrong / 100)
        rows = [{"example": k, "truth": "x", "class": "y" if k < wrong else "x"} for k in range(100)]
        lines = "\n".join(map(json.dumps, rows))
        Path(f"runs/{name}/0/test_predictions.jsonl").write_text(lines)
    out = compare("runs/a/0", "runs/b/0")
    assert "share of errors of a test example: -0.2 (95 % -0.28 to -0.12), over 100 examples" in out
    Path("runs/b/0/test_predictions.jsonl").write_text(lines.replace('"example": 5,', '"example": 500,'))
    assert "of a test example" not in compare("runs/a/0", "runs/b/0")


@pytest.mark.parametrize("numbered", [True, False])
def test_an_example_counts_once_however_often_it_is_tested(numbered: bool, compare: Callable[..., str]) -> None:
    rng, num = np.random.default_rng(0), 30
    truth, off = rng.normal(size=num), rng.normal([[[1.0]], [[2.0]]], 1, (2, 2, num))  # (groups, seeds, examples)
    fold_of = [rng.permutation(num) % 3 if numbered else np.arange(num) // 10 for _ in range(2)]
    for group, seed, fold in np.ndindex(2, 2, 3):
        run = Path(f"runs/{'ab'[group]}/{3 * seed + fold}")
        write_run(run, seed, 0.1 + group, mae=0.5)
        config = (run / "config.yaml").read_text()
        with_fold = f"datamodules.a.C, init_args: {{fold: {{index: {fold}, count: 3}}}}}}"
        (run / "config.yaml").write_text(config.replace("datamodules.a.C}", with_fold))
        rows = [
            {"example": k if numbered else k % 10, "truth": truth[k], "prediction": truth[k] + off[group, seed, k]}
            for k in np.flatnonzero(fold_of[seed] == fold).tolist()
        ]
        (run / "test_predictions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    differences = (np.abs(off[1]) - np.abs(off[0])).mean(0)
    low, high = bootstrap(differences[np.argsort(fold_of[0], kind="stable")])
    wanted = f"absolute error of a test example: {differences.mean():+.4g} (95 % {low:+.4g} to {high:+.4g}), over 30 ex"
    assert wanted in compare("runs/a", "runs/b")


def test_sets_of_labels_are_right_or_wrong(compare: Callable[..., str]) -> None:
    truth = ["comedy;war", "", "drama", "comedy;war"]
    for name, predicted in (("a", ["comedy", "war", "drama", "war"]), ("b", ["comedy;war", "", "drama", "war"])):
        write_run(Path(f"runs/{name}/0"), 0, 0.1, f1=0.5)
        rows = [{"example": k, "truth": truth[k], "prediction": predicted[k], "probability_war": 0.5} for k in range(4)]
        Path(f"runs/{name}/0/test_predictions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    # Three are wrong of the first, one of the second.
    assert "share of wrong sets of labels of a test example: -0.5 (95 %" in compare("runs/a/0", "runs/b/0")


def test_runs_on_different_data_do_not_compare(
    leyden: Leyden, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in (0, 1):
        assert leyden("fit", "--config", digits, f"--seed_everything={seed}", "--trainer.max_epochs=1") == 0
    capsys.readouterr()
    from experiments.study.results import compare

    assert compare.main(["runs/digits/0", "runs/digits/1"]) == 0
    out = capsys.readouterr().out
    assert "tested on different examples, so their scores do not compare: seed of the split 0 and 1" in out
    assert "val/accuracy" in out  # neither was tested


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["runs/none"], "runs/none is neither a run nor a study, nor a folder of runs"),
        (["runs/a/0"], "runs/a/0/metrics.json is damaged"),
        (["runs/b"], "none of runs/b has any scores"),
        (["runs/c"], "runs/c/study.json is damaged"),
    ],
)
def test_what_is_wrong_is_said(
    words: list[str], said: str, leyden: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from experiments.program import main

    write_run(tmp_path / "runs/a/0", 0, 0.1)
    (tmp_path / "runs/a/0/metrics.json").write_text("[1]")
    write_run(tmp_path / "runs/b/0", 0, 0.1)
    write_run(tmp_path / "runs/c/0", 0, 0.1)
    (tmp_path / "runs/c/study.json").write_text("{}")
    assert main(["compare", *words]) == 1
    assert said in capsys.readouterr().err
