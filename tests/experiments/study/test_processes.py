"""Several processes on one study, killed and started again, with a file or PostgreSQL to share it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments.study.claims import open_storage

ROOT = Path(__file__).parents[3]
TRIALS = 6
WORDS = ["--study.trials", str(TRIALS), "--study.seeds", "2", "--study.search.model.optimizer.lr", "log(1e-3, 1e-1)"]
WORDS += ["--study.search.model.net.dropout", "uniform(0, 0.5)", "--checkpoint.every_n_train_steps", "1"]
WORDS += ["--trainer.accelerator", "cpu", "--trainer.max_epochs", "4", "--study.pruner", "NopPruner", "--name", "some"]


def start(digits: Path, log: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "experiments", "study", "--config", str(digits), *WORDS, *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=digits.parent, env=environment, stdout=log.open("ab"), stderr=subprocess.STDOUT
    )


def half_done(run: Path, process: subprocess.Popen[bytes]) -> Path | None:
    """A trial that a process is in the middle of."""
    for lock in run.glob("[0-9]*/.lock"):
        begun, ended = (lock.parent / name for name in ("checkpoints/last.ckpt", "metrics.json"))
        if lock.read_text() == f"{process.pid}\n" and begun.exists() and not ended.exists():
            return lock.parent
    return None


def work_and_kill(digits: Path, *words: str) -> set[str]:
    """Three processes, one of which is killed three times while it trains; the trials that it was at."""
    run, killed = digits.parent / "runs/some", set[str]()
    logs = [digits.parent / f"log_{k}" for k in range(3)]
    processes = [start(digits, log, *words) for log in logs]
    while len(killed) < 3 and processes[0].poll() is None:
        trial = half_done(run, processes[0])
        if trial is None:
            time.sleep(0.01)
            continue
        processes[0].send_signal(signal.SIGKILL)
        processes[0].wait()
        if not (trial / "metrics.json").exists():
            killed.add(trial.name)
        processes[0] = start(digits, logs[0], *words)
    assert [process.wait() for process in processes] == [0, 0, 0], "\n".join(log.read_text() for log in logs)
    return killed


def check(digits: Path, killed: set[str], differences: Callable[[Path, Path], list[str]], leyden: Any) -> None:
    study = json.loads((digits.parent / "runs/some/study.json").read_text())
    assert study["search"][0]["trials"] == {"complete": TRIALS}
    assert killed
    for name in killed:
        run = digits.parent / "runs/some" / name
        assert leyden("fit", "--config", run / "config.yaml", f"--name=whole_{name}") == 0
        for file in ("best.ckpt", "last.ckpt"):
            paths = [folder / "checkpoints" / file for folder in (run, digits.parent / f"runs/whole_{name}/0")]
            assert differences(*paths) == [], name


@pytest.mark.slow
def test_three_processes_lose_and_repeat_nothing(
    leyden: Any, digits: Path, differences: Callable[[Path, Path], list[str]]
) -> None:
    killed = work_and_kill(digits)
    journal = (digits.parent / "runs/some/journal.log").read_text().splitlines()
    ended = Counter(
        line["trial_id"] for line in map(json.loads, journal) if line["op_code"] == 6 and line["state"] == 1
    )
    assert set(ended.values()) == {1}
    assert len(ended) == TRIALS + 2
    check(digits, killed, differences, leyden)


@pytest.fixture
def postgresql(tmp_path: Path) -> Iterator[str]:
    """The URL of a database of its own."""
    pytest.importorskip("psycopg", reason="needs psycopg, the driver of PostgreSQL")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    if not found:
        pytest.skip("needs PostgreSQL as Debian packages it")
    folder = Path(tmp_path / "database")
    as_user: list[str] = []
    if os.geteuid() == 0:  # which PostgreSQL refuses
        folder = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
        shutil.chown(folder, "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    run = [*as_user, str(found[-1])]
    options = f"-k {folder} -c listen_addresses= -c fsync=off"
    make = [*run, "initdb", "-D", folder / "data", "-o", "-A trust -U me"]
    subprocess.run(make, check=True, capture_output=True, cwd="/")
    subprocess.run(
        [*run, "start", "-w", "-D", folder / "data", "-l", folder / "log", "-o", options], check=True, cwd="/"
    )
    try:
        yield f"postgresql+psycopg://me@/postgres?host={folder}"
    finally:
        subprocess.run([*run, "stop", "-m", "immediate", "-D", folder / "data"], check=True, cwd="/")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
def test_a_database_shares_the_work(
    postgresql: str, leyden: Any, digits: Path, differences: Callable[[Path, Path], list[str]]
) -> None:
    killed = work_and_kill(digits, "--study.storage", postgresql)
    assert not (digits.parent / "runs/some/journal.log").exists()
    check(digits, killed, differences, leyden)


@pytest.mark.slow
def test_machines_that_share_nothing_but_a_database(postgresql: str, digits: Path, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
        shutil.copy(digits, folder)
    words = ["--study.storage", postgresql]
    processes = [start(folder / digits.name, folder / "log", *words) for folder in folders]
    assert [process.wait() for process in processes] == [0, 0]
    done = [{path.parent.name for path in folder.glob("runs/some/*/metrics.json")} for folder in folders]
    assert not done[0] & done[1]
    assert done[0] | done[1] == {*map(str, range(TRIALS)), "best_0", "best_1"}
    assert all(done)
    studies = [json.loads((folder / "runs/some/study.json").read_text()) for folder in folders]
    assert studies[0]["scores"] == studies[1]["scores"]
    assert open_storage(postgresql, tmp_path).get_all_studies()


@pytest.mark.slow
def test_a_trial_on_two_devices_has_processes_of_its_own(digits: Path) -> None:
    words = ["--study.devices_per_trial", "2", "--study.trials", "1", "--study.seeds", "1", "--trainer.max_epochs", "1"]
    log = digits.parent / "log"
    assert start(digits, log, *words).wait() == 0, log.read_text()
    run = digits.parent / "runs/some"
    study = json.loads((run / "study.json").read_text())
    assert study["search"][0]["trials"] == {"complete": 1}
    for name in ("0", "best_0"):
        assert "\n  devices: '2'\n" in (run / name / "config.yaml").read_text()
    assert study["search"][0]["best"]["value"] == json.loads((run / "0/metrics.json").read_text())["val/accuracy"]
