"""Each run of a study is done once, whoever does it and whoever is killed."""

import os
import signal
from pathlib import Path

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from optuna import create_study
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from experiments.study.claims import FileLock, Stage, open_storage, open_study


def stage(folder: Path, total: int) -> Stage:
    storage = open_storage(None, folder)
    return Stage(open_study(storage, "some", "minimize", None, None), storage, folder, "", total)


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    ready, say = os.pipe()
    other = os.fork()
    if not other:
        FileLock(path).acquire()
        os.write(say, b"held")
        signal.pause()
    assert os.read(ready, 4) == b"held"
    assert path.read_text() == f"{other}\n"
    lock = FileLock(path)
    assert not lock.acquire(wait=False)
    os.kill(other, signal.SIGKILL)
    os.waitpid(other, 0)
    assert lock.acquire(wait=False)
    assert not FileLock(path).acquire(wait=False)
    lock.release()
    with lock:
        assert not FileLock(path).acquire(wait=False)


def test_runs_are_shared_out_once(tmp_path: Path) -> None:
    first, second = stage(tmp_path, 3), stage(tmp_path, 3)  # two processes
    jobs = [each.claim() for each in (first, second, first, second, first)]
    assert [job and job.trial.number for job in jobs] == [0, 1, 2, None, None]
    assert [job.folder.name for job in jobs if job] == ["0", "1", "2"]
    assert not first.is_over()
    for job in jobs:
        if job is not None:
            first.study.tell(job.trial, 1.0)
            job.lock.release()
    assert second.claim() is None
    assert second.is_over()
    assert second.num_done() == 3
    more = stage(tmp_path, 4)  # the study has grown
    job = more.claim()
    assert job is not None
    assert job.trial.number == 3


def test_what_was_left_half_done_is_taken_up(tmp_path: Path) -> None:
    first = stage(tmp_path, 2)
    job = first.claim()
    assert job is not None
    suggested = job.trial.suggest_float("x", 0, 1)
    job.lock.release()  # as of a process that was killed
    again = stage(tmp_path, 2).claim()
    assert again is not None
    assert again.trial.number == 0
    assert again.trial.suggest_float("x", 0, 1) == suggested
    following = first.claim()  # the lock of 0 is held
    assert following is not None
    assert following.trial.number == 1


def test_a_trial_without_a_name_is_taken_up(tmp_path: Path) -> None:
    one = stage(tmp_path, 2)
    one.study.ask()  # and killed before it could say where
    job = one.claim()
    assert job is not None
    assert job.trial.number == 0


def test_runs_on_the_disk_of_another_machine_are_left_alone(tmp_path: Path) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    storage = InMemoryStorage()  # stands for a database
    study = create_study(storage=storage, study_name="some")
    here, there = (Stage(study, storage, tmp_path / name, "", 2) for name in ("here", "there"))
    job = there.claim()
    assert job is not None
    job.lock.release()
    assert here.claim() is not None  # 1, not 0
    assert here.claim() is None
    assert not here.is_over()
    study.ask()  # a third, asked for by both at one instant
    assert [trial.number for trial in here.trials()] == [0, 1]


def test_one_too_many_is_kept_for_later(tmp_path: Path) -> None:
    one = stage(tmp_path, 1)
    one.study.ask()
    assert one._begin() is None
    assert [trial.state for trial in one.study.trials] == [TrialState.RUNNING, TrialState.WAITING]
    assert len(one.trials()) == 1
    one.total = 2
    job = one._begin()
    assert job is not None
    assert job.trial.number == 1


def test_no_run_begins_after_the_time(tmp_path: Path) -> None:
    one = stage(tmp_path, 5)
    assert one.claim() is not None
    one.until = 0.0
    assert one.claim() is None
    assert not one.is_over()
    one.study.tell(0, 1.0)
    assert one.is_over()


@pytest.mark.parametrize(
    "url", ["postgresql://me:secret@localhost:1/none", "nonsense", "sqlite:////no/such/folder/x.db"]
)
def test_a_storage_that_cannot_be_reached(url: str, tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match=r"--study.storage .* cannot be reached") as error:
        open_storage(url, tmp_path)
    assert "secret" not in str(error.value)
