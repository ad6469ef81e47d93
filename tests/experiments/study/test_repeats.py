"""A run that is tested belongs to its seed, its fold and its options, whatever was asked for before."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from optuna import create_study
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from experiments.study.claims import JOURNAL
from experiments.study.repeats import Repeat, Repeats

Leyden = Callable[..., int]


def contents(path: str) -> Any:
    return json.loads(Path(path).read_text())


def trained_with(run: str) -> tuple[int, float]:
    """Seed and learning rate, as the run itself says."""
    config = yaml.safe_load(Path(f"runs/some/{run}/config.yaml").read_text())
    return config["seed_everything"], config["model"]["init_args"]["optimizer"]["init_args"]["lr"]


def check_scores() -> list[int]:
    """That the scores of all runs are their own; their seeds."""
    study = contents("runs/some/study.json")
    for run in study["runs"]:
        assert run["scores"] == contents(f"runs/some/{run['run']}/metrics.json")
        assert trained_with(run["run"])[0] == run["seed"]
    lines = Path("runs/some/summary.md").read_text().splitlines()
    row = next(line for line in lines if line.startswith("| test/loss |"))
    assert row.split(" | ")[4:] == [
        f"{run['scores']['test/loss']:.4f}" + " |" * (run is study["runs"][-1]) for run in study["runs"]
    ]
    return [run["seed"] for run in study["runs"]]


def folders() -> list[str]:
    return sorted(path.parent.name for path in Path("runs/some").glob("*/config.yaml"))


def test_a_run_belongs_to_its_seed(leyden: Leyden, digits: Path) -> None:
    words = ["--config", digits, "--trainer.max_epochs=1", "--name=some", "--study.seeds"]
    assert leyden("study", *words, 2) == 0
    assert check_scores() == [0, 1]
    assert leyden("study", *words, "[7]") == 0
    assert check_scores() == [7]
    assert folders() == ["0", "1", "2"]
    assert leyden("study", *words, "[1, 0]") == 0
    assert check_scores() == [1, 0]
    assert leyden("study", *words, 1) == 0  # fewer
    assert check_scores() == [0]
    with open("runs/some/trials.csv") as file:
        assert [row["seed"] for row in csv.DictReader(file)] == ["0"]
    assert leyden("study", *words, "[0, 7, 1, 4]") == 0
    assert check_scores() == [0, 7, 1, 4]
    assert folders() == ["0", "1", "2", "3"]


def test_a_better_trial_is_tested_anew(leyden: Leyden, digits: Path) -> None:
    words = ["--config", digits, "--trainer.max_epochs=1", "--name=some", "--study.sampler=RandomSampler"]
    words += ["--study.search.model.optimizer.lr", "log(1e-5, 1e-1)", "--study.pruner=NopPruner"]

    def best(trials: int, seeds: int) -> float:
        assert leyden("study", *words, f"--study.trials={trials}", f"--study.seeds={seeds}") == 0
        assert check_scores() == list(range(seeds))
        scores = [contents(f"runs/some/{number}/metrics.json")["val/accuracy"] for number in range(trials)]
        lr = trained_with(str(scores.index(max(scores))))[1]
        study = contents("runs/some/study.json")
        assert study["search"][0]["params"] == {"model.optimizer.lr": lr}
        assert study["search"][0]["trials"] == {"complete": trials}
        assert {trained_with(run["run"])[1] for run in study["runs"]} == {lr}
        return lr

    first = best(1, 1)
    assert best(6, 1) != first
    assert [name for name in folders() if "best" in name] == ["best_0", "best_1"]
    assert best(1, 2) == first  # as if there had been no more trials
    assert [name for name in folders() if "best" in name] == ["best_0", "best_1", "best_2"]


def test_numbers_that_machines_agree_on(tmp_path: Path) -> None:
    storage = InMemoryStorage()  # stands for a database
    study = create_study(storage=storage, study_name="some")
    here, there = (Repeats(study, storage, tmp_path, "", 0) for _ in range(2))
    first = [Repeat(seed, None, {}) for seed in range(3)]
    for each in (here, there):
        each.ask(first)
    jobs = [each.claim() for each in (here, there)]
    assert [job and here.repeat(job.trial).seed for job in jobs] == [0, 1]
    study.ask()  # and killed before it could say what for
    (tmp_path / JOURNAL).touch()  # processes with one lock need not wait
    taken = there.claim()
    assert taken is not None
    assert there.repeat(taken.trial).seed == 2
    assert here._begin() is None  # one too many, kept for later
    assert study.trials[3].state == TrialState.WAITING
    here.ask([Repeat(5, None, {}), Repeat(1, None, {}), Repeat(2, None, {"lr": 0.1})])
    jobs = [here.claim(), here.claim(), here.claim()]
    assert [job and (job.trial.number, here.repeat(job.trial)[::2]) for job in jobs] == [
        (3, (5, {})),
        (4, (2, {"lr": 0.1})),
        None,
    ]
    assert [trial.number for trial in here.trials()] == [3, 1, 4]
