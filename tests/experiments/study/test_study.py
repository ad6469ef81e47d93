"""``leyden study``: means over seeds, and searches that a kill does not change."""

import csv
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.callbacks.checkpointing import RunCheckpoint
from experiments.study.isolation import isolated

Leyden = Callable[..., int]
Differences = Callable[[Path, Path], list[str]]
SEARCH = ["--study.trials=4", "--study.seeds=1", "--study.search.model.optimizer.lr", "log(1e-3, 1e-1)"]
SEARCH += ["--study.search.data.batch_size", "[300, 600]", "--study.pruner.n_startup_trials=1"]


def contents(path: str) -> Any:
    return json.loads(Path(path).read_text())


def test_seeds_give_what_separate_runs_give(leyden: Leyden, digits: Path, differences: Differences) -> None:
    assert leyden("study", "--config", digits, "--study.seeds", 2) == 0
    assert leyden("fit", "--config", digits, "--seed_everything=1") == 0
    assert leyden("test", "--ckpt_path", "runs/digits/0") == 0
    for name in ("best", "last"):
        paths = (Path(f"runs/{run}/checkpoints/{name}.ckpt") for run in ("digits/0", "digits_study/1"))
        assert differences(*paths) == []
    alone, one = contents("runs/digits/0/metrics.json"), contents("runs/digits_study/0/metrics.json")
    assert contents("runs/digits_study/1/metrics.json") == alone
    study = contents("runs/digits_study/study.json")
    assert study["scores"]["test/accuracy"]["mean"] == pytest.approx(
        (alone["test/accuracy"] + one["test/accuracy"]) / 2
    )
    assert [run["seed"] for run in study["runs"]] == [0, 1]
    with open("runs/digits_study/trials.csv") as file:
        assert [float(row["test/loss"]) for row in csv.DictReader(file)] == [one["test/loss"], alone["test/loss"]]
    assert "| test/accuracy |" in Path("runs/digits_study/summary.md").read_text()


def test_more_seeds_repeat_nothing(leyden: Leyden, digits: Path) -> None:
    words = ["--config", digits, "--trainer.max_epochs=1", "--study.seeds"]
    assert leyden("study", *words, 1) == 0
    before = Path("runs/digits_study/0/checkpoints/last.ckpt").stat().st_mtime_ns
    assert leyden("study", *words, "[0, 7]") == 0
    assert Path("runs/digits_study/0/checkpoints/last.ckpt").stat().st_mtime_ns == before
    assert [run["seed"] for run in contents("runs/digits_study/study.json")["runs"]] == [0, 7]


class Killed(BaseException):
    """Stands for SIGKILL."""


def test_a_search_that_is_killed_ends_as_if_it_had_not_been(
    leyden: Leyden, digits: Path, differences: Differences, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["--config", digits, *SEARCH, "--checkpoint.every_n_train_steps=1"]
    assert leyden("study", *words, "--name=whole") == 0
    start, steps = RunCheckpoint.on_train_batch_start, list[int]()

    def killed(self: RunCheckpoint, *args: Any) -> None:
        start(self, *args)
        steps.append(0)
        if len(steps) in (6, 17):
            raise Killed

    monkeypatch.setattr(RunCheckpoint, "on_train_batch_start", killed)
    for _ in range(2):
        with pytest.raises(Killed):
            leyden("study", *words, "--name=parts")
    assert leyden("study", *words, "--name=parts") == 0
    whole, parts = (contents(f"runs/{name}/study.json") for name in ("whole", "parts"))
    assert whole["search"] == parts["search"]
    assert whole["search"][0]["trials"].keys() == {"complete", "pruned"}
    assert whole["scores"] == parts["scores"]
    for run in (*range(4), "best_0"):
        for name in ("best", "last"):
            paths = [Path(f"runs/{study}/{run}/checkpoints/{name}.ckpt") for study in ("whole", "parts")]
            assert differences(*paths) == [], run
    assert {path.name for path in Path("runs/whole/pictures").glob("*.png")} == {
        "history.png",
        "importance.png",
        "slices.png",
    }
    # Trials are chosen on validation, and what is best is tested on the split that no trial has seen.
    for run in range(4):
        assert not [name for name in contents(f"runs/whole/{run}/metrics.json") if name.startswith("test/")]
    best = whole["search"][0]["best"]
    assert best["value"] == max(contents(f"runs/whole/{run}/metrics.json")["val/accuracy"] for run in range(4))
    assert leyden("fit", "--config", "runs/whole/best.yaml", "--name=again") == 0
    paths = [Path(f"runs/{run}/checkpoints/last.ckpt") for run in ("again/0", "whole/best_0")]
    assert differences(*paths) == []


def test_seeds_after_a_search_keep_its_split(leyden: Leyden, digits: Path) -> None:
    words = ["--config", digits, "--trainer.max_epochs=1", "--study.trials=1", "--study.seeds=2"]
    assert leyden("study", *words, "--study.search.model.optimizer.lr", "[0.01]") == 0
    for seed in (0, 1):
        config = Path(f"runs/digits_study/best_{seed}/config.yaml").read_text()
        assert f"seed_everything: {seed}\n" in config
        assert "split_seed: 0\n" in config


@pytest.mark.slow
def test_a_trial_that_fails_is_none_of_the_study(
    leyden: Leyden, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--config", digits, "--trainer.max_epochs=1", "--study.trials=2", "--study.seeds=1"]
    assert leyden("study", *words, "--study.search.model.optimizer.lr", "[1e30, 0.01]", "--name=some") == 0
    study = contents("runs/some/study.json")
    assert study["search"][0]["params"] == {"model.optimizer.lr": 0.01}
    with open("runs/some/trials.csv") as file:
        failed = [row for row in csv.DictReader(file) if row["state"] == "fail"]
    assert all("loss" in row["reason"] for row in failed)
    assert leyden("study", *words, "--study.search.model.optimizer.lr", "[1e30]", "--name=none") == 1
    assert "none of 2 trials has a score of val/accuracy; the first: the loss is" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "say what to study: --study.seeds N, --study.folds N or --study.trials N"),
        (["--study.seeds=0"], "--study.seeds is 0"),
        (["--study.seeds=[1, 1]"], "a seed stands twice"),
        (["--study.folds=1"], "--study.folds is 1; it must be at least 2"),
        (["--study.trials=3"], "--study.trials needs options to search"),
        (["--study.seeds=1", "--study.search.model.optimizer.lr=[1]"], "--study.search needs a number of trials"),
        (["--study.seeds=1", "--ckpt_path=runs/a/0"], "leave out --ckpt_path"),
        (["--study.seeds=1", "--name=a/b"], "is no name for a run"),
        (["--study.seeds=1", "--seed_everything=true"], "a study needs a number"),
        (["--study.trials=1", "--study.search.data.root", "uniform(0, 1)"], "this option takes no number"),
        (["--study.trials=1", "--study.search.name", "[a, b]"], "a search chooses options of model, data, trainer"),
        (
            ["--study.trials=1", "--study.search.model.label_smoothing", "[0]", "--checkpoint.monitor=val/acuracy"],
            "checkpoint.monitor is val/acuracy, which is not logged; there are: val/accuracy",
        ),
        (["--study.folds=2", "--data.test_fraction=0"], "has a test split of its own (or data.test_fraction is 0)"),
    ],
)
def test_what_is_wrong_is_said_before_the_first_run(
    words: list[str], said: str, leyden: Leyden, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leyden("study", "--config", digits, *words) == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--study.seed=1"], "there is no option study.seed - did you mean study.seeds?"),
        (["--study.seeds=x"], "study.seeds: x is not a whole number, a list or null"),
        (["--study.seeds=1", "--study.sampler=Foo"], "study.sampler: there is no class Foo"),
        (["--study.trials=1", "--study.search.model.optimizer.lrr", "[1]"], "has no option lrr - did you mean lr?"),
        (["--study.trials=1", "--study.search.model.dropout", "[1]"], "has no option dropout"),
        (
            ["--study.trials=1", "--study.search.data.batch_size", "[many]"],
            "data.batch_size: many is not a whole number",
        ),
    ],
)
def test_options_that_are_not_there(
    words: list[str], said: str, leyden: Leyden, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        leyden("study", "--config", digits, *words)
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


def test_interrupted(
    leyden: Leyden, digits: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    start, steps = RunCheckpoint.on_train_batch_start, list[int]()

    def interrupted(self: RunCheckpoint, *args: Any) -> None:
        steps.append(0)
        if len(steps) == 7:
            os.kill(os.getpid(), signal.SIGINT)
        start(self, *args)

    monkeypatch.setattr(RunCheckpoint, "on_train_batch_start", interrupted)
    words = ["--config", digits, "--study.seeds", "1"]
    assert leyden("study", *words) == 130
    said = capsys.readouterr().out.strip().splitlines()[-1]
    assert said.startswith("stopped; nothing is lost, go on with: leyden study --trainer")
    assert said.endswith(f"--config {digits} --study.seeds 1")
    assert leyden("study", *words) == 0
    assert len(steps) == 9  # two epochs of four steps; the last one was begun twice


def test_another_study_is_not_gone_on_with(leyden: Leyden, digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--config", digits, "--study.seeds=1", "--trainer.max_epochs=1"]
    assert leyden("study", *words) == 0
    assert leyden("study", *words, "--model.optimizer.lr=0.5") == 1
    assert "runs/digits_study holds a study with --model.optimizer.lr 0.01, not 0.5" in capsys.readouterr().err
    assert leyden("study", *words, "--data.num_workers=1", "--trainer.max_epochs=1") == 0  # makes no difference


def test_runs_of_no_study_are_not_taken_for_its_own(
    leyden: Leyden, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--config", digits, "--trainer.max_epochs=1", "--name=some"]
    assert leyden("fit", *words, "--model.optimizer.lr=0.5") == 0
    assert leyden("study", *words, "--study.seeds=1") == 1
    assert "runs/some holds runs that are of no study: give it a --name of its own" in capsys.readouterr().err
    assert [path.name for path in Path("runs/some").iterdir()] == ["0"]


def test_all_of_it_in_a_yaml(leyden: Leyden, digits: Path) -> None:
    text = "\nstudy: {trials: 2, seeds: [3], sampler: RandomSampler, search: {model.net.width: 'int(2, 4)'}}\n"
    digits.write_text(digits.read_text() + text)
    assert leyden("study", "--config", digits, "--trainer.max_epochs=1", "--study.trials=1") == 0
    study = contents("runs/digits_study/study.json")
    assert study["search"][0]["trials"] == {"complete": 1}  # the command line wins
    assert study["seeds"] == [3]
    assert study["search"][0]["params"]["model.net.width"] in (2, 3, 4)


def test_a_run_leaves_no_trace_in_the_next(leyden: Leyden, digits: Path) -> None:
    import torch

    with isolated():
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("medium")
    assert not torch.are_deterministic_algorithms_enabled()
    assert not torch.backends.cudnn.benchmark
    assert torch.get_float32_matmul_precision() != "medium"
