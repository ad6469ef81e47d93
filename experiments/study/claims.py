"""Sharing the runs of a study out to processes, so that each is done once and none is lost.

A study is kept by Optuna, in a file or a database. Its trials have numbers from 0, and a number says which run that is.
Who works on a run holds a lock on its folder, which the system takes back when the process ends, however it ends: a
trial that is said to be running, but whose lock is free, is taken up where it stopped.
"""

import fcntl
import os
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from modules.nets.loading import first_line

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial, Trial

LOCK = ".lock"
PLACE = ".place"  # names the disk: processes that see the same file share the folders of runs
JOURNAL = "journal.log"
REPEAT = "repeat"  # what a run is for, where they differ by more than their number, as an attribute of its trial
Direction = Literal["minimize", "maximize"]
TRIES = 5  # to open a database
LOST = 60.0  # seconds after which a trial that nobody put a name to is taken up


class FileLock:
    """Lock on a file, which ends with the process that holds it.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None

    def acquire(self, wait: bool = True) -> bool:
        """Take the lock; whether it was had."""
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(file)
            return False
        os.ftruncate(file, 0)
        os.write(file, f"{os.getpid()}\n".encode())  # for whoever wants to know
        self._file = file
        return True

    def files(self) -> list[int]:
        """The open file that holds the lock, for processes that are to hold it, too."""
        return [] if self._file is None else [self._file]

    def release(self) -> None:
        """Give it back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> "FileLock":
        self.acquire()
        return self

    def __exit__(self, *error: object) -> None:
        self.release()


def open_storage(url: str | None, folder: Path) -> "BaseStorage":
    """The storage of a study: a journal in its folder, or a database.

    Args:
        url: URL of the database.
        folder: Folder of the study.

    Raises:
        MisconfigurationException: If it cannot be reached.
    """
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    if url is None:
        lock = cast(Any, FileLock(folder / f"{JOURNAL}.lock"))  # Optuna's own would outlive a process that is killed
        return JournalStorage(JournalFileBackend(str(folder / JOURNAL), lock_obj=lock))
    for attempt in range(TRIES):
        try:
            return RDBStorage(url)
        except Exception as error:  # of the driver of any database
            # Of several processes that make the tables at one instant only the first can.
            if attempt + 1 < TRIES and type(error).__name__ in ("IntegrityError", "ProgrammingError"):
                time.sleep(1.0)
                continue
            said = f"--study.storage {_hidden(url)} cannot be reached: {first_line(error)}"
            raise MisconfigurationException(said) from error
    raise AssertionError


def _hidden(url: str) -> str:
    """A URL without its password."""
    before, at, after = url.rpartition("@")
    scheme, slashes, user = before.partition("://")
    return f"{scheme}{slashes}{user.split(':')[0]}{at}{after}" if at else url


class Job(NamedTuple):
    """A run that this process has to do.

    Attributes:
        trial: The trial.
        folder: Of the run.
        lock: On the folder; to be released when the run is done.
    """

    trial: "Trial"
    folder: Path
    lock: FileLock


class Stage:
    """A number of runs that are shared out.

    Args:
        study: The study in the storage that counts them.
        storage: The storage.
        folder: Folder of the study; each run has one of its own in it.
        prefix: What the names of these begin with, before the number.
        total: How many runs there are.
    """

    def __init__(self, study: "Study", storage: "BaseStorage", folder: Path, prefix: str, total: int) -> None:
        self.study, self.storage, self.folder, self.prefix, self.total = study, storage, folder, prefix, total
        self.until: float | None = None  # no new run begins after this time of the monotonic clock
        with FileLock(folder / LOCK):
            place = folder / PLACE
            if not place.exists():
                place.write_text(secrets.token_hex(8))
            self.place = place.read_text()

    def run_folder(self, number: int) -> Path:
        """The folder of a run."""
        return self.folder / f"{self.prefix}{number}"

    def begun(self) -> list["FrozenTrial"]:
        """All that has begun, by number."""
        from optuna.trial import TrialState

        return [trial for trial in self.study.get_trials(deepcopy=False) if trial.state != TrialState.WAITING]

    def trials(self) -> list["FrozenTrial"]:
        """What has begun of what is asked for: less than there is, if the study was once to be a larger one."""
        return [trial for trial in self.begun() if trial.number < self.total]

    def num_done(self) -> int:
        """Runs that have ended."""
        return sum(trial.state.is_finished() for trial in self.trials())

    @property
    def is_late(self) -> bool:
        """Whether no new run is to begin."""
        return self.until is not None and time.monotonic() > self.until

    def claim(self) -> Job | None:
        """Take a run that was left half done, or else a new one.

        Returns:
            None if there is nothing to do at present: all are done, or others are at them.
        """
        with FileLock(self.folder / LOCK):
            trials = self.trials()
            running = [trial for trial in trials if not trial.state.is_finished()]
            for trial in running:
                claim = self._take_up(trial)
                if claim is not None:
                    return claim
            return None if len(trials) >= self.total or self.is_late else self._begin()

    def is_over(self) -> bool:
        """Whether nothing is left to be done, by anyone."""
        trials = self.trials()
        return all(trial.state.is_finished() for trial in trials) and (len(trials) >= self.total or self.is_late)

    def _take_up(self, trial: "FrozenTrial") -> Job | None:
        from optuna.trial import Trial

        place = trial.user_attrs.get("place")
        began = trial.datetime_start.timestamp() if trial.datetime_start else 0.0
        is_private = (self.folder / JOURNAL).exists()  # only processes that use the same lock can begin trials
        if place is None and (is_private or time.time() - began > LOST):
            self.storage.set_trial_user_attr(trial._trial_id, "place", self.place)
        elif place != self.place:
            return None  # on the disk of another machine
        folder = self.run_folder(trial.number)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        if not lock.acquire(wait=False):
            return None
        if self.storage.get_trial(trial._trial_id).state.is_finished():  # just now
            lock.release()
            return None
        return Job(Trial(self.study, trial._trial_id), folder, lock)

    def numbers(self) -> list[str]:
        """What each number is for, up to the last one asked for; empty where all are alike."""
        return [""] * self.total

    def _begin(self) -> Job | None:
        from optuna.trial import TrialState

        numbers = self.numbers()
        trial = self.study.ask()
        if trial.number >= len(numbers):  # another machine was faster; should the study grow, it is the next one
            self.storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
            return None
        if numbers[trial.number]:
            trial.set_user_attr(REPEAT, numbers[trial.number])
        trial.set_user_attr("place", self.place)
        folder = self.run_folder(trial.number)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / LOCK)
        lock.acquire()
        return Job(trial, folder, lock)


def open_study(
    storage: "BaseStorage", name: str, direction: Direction, sampler: "BaseSampler | None", pruner: "BasePruner | None"
) -> "Study":
    """A study in a storage, made if it is not there.

    Args:
        storage: The storage.
        name: Of the study.
        direction: ``minimize`` or ``maximize``.
        sampler: Suggests parameters.
        pruner: Stops trials early.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        storage=storage, study_name=name, direction=direction, sampler=sampler, pruner=pruner, load_if_exists=True
    )
