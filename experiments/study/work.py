"""Working on a study: searching, then training and testing what is its result."""

import time
from collections.abc import Callable, Mapping
from functools import partial

import torch
from lightning.pytorch import Callback
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from optuna.trial import FrozenTrial, Trial, TrialState
from tqdm import tqdm

from experiments.messages import last_sentence
from experiments.runs import CONFIG, read_scores
from experiments.study import trials
from experiments.study.child import train_apart
from experiments.study.claims import LOCK, PLACE, FileLock, Job, Stage, open_storage, open_study
from experiments.study.devices import Devices, take_devices
from experiments.study.files import SameFiles
from experiments.study.plan import Plan
from experiments.study.pruning import PRUNED, Pruning, as_kept
from experiments.study.repeats import Repeats
from experiments.study.results.folds import TestPredictions
from experiments.study.sampling import SeededByNumber
from experiments.study.space import words

POLL = 1.0  # seconds between two looks at what other processes do
TRIED = 3  # trials that may fail before one has succeeded


class Work:
    """A study under way.

    Args:
        plan: What is to be done.

    Attributes:
        searches: The search in each fold.
        best: The best trial of each search, once it is over.
        final: The runs that are tested.
        files: What the user's files were when the study began.
        devices: Where this process computes.
    """

    devices: Devices

    def __init__(self, plan: Plan) -> None:
        self.plan, settings = plan, plan.settings
        if not (plan.folder / PLACE).exists() and next(plan.folder.glob(f"*/{CONFIG}"), None) is not None:
            # A run of the study in the same folder would go on with what was trained there.
            raise MisconfigurationException(
                f"{plan.folder} holds runs that are of no study: give it a --name of its own"
            )
        looked = None if plan.folder.exists() else plan.look()  # what is wrong is said before there is anything
        plan.folder.mkdir(parents=True, exist_ok=True)
        self.storage = open_storage(settings.storage, plan.folder)
        name = plan.folder.name
        with FileLock(plan.folder / LOCK):
            study = open_study(self.storage, name, "minimize", None, None)
            if "fixed" not in study.user_attrs:
                study.set_user_attr("greater_is_better", plan.look() if looked is None else looked)
                study.set_user_attr("fixed", plan.fixed())
            plan.check_same(study.user_attrs["fixed"])
        self.files = SameFiles(study)
        self.greater_is_better: bool = study.user_attrs["greater_is_better"]
        self.searches: dict[int | None, Stage] = {}
        for fold in plan.folds if settings.trials else []:
            found = open_study(
                self.storage,
                f"{name}/search" if fold is None else f"{name}/search of fold {fold}",
                "maximize" if self.greater_is_better else "minimize",
                SeededByNumber(settings.sampler, plan.seed),
                settings.pruner(),
            )
            prefix = "" if fold is None else f"fold_{fold}_trial_"
            self.searches[fold] = Stage(found, self.storage, plan.folder, prefix, settings.trials)
        self.final = Repeats(study, self.storage, plan.folder, "best_" if settings.trials else "", plan.num_runs)
        self.best: dict[int | None, FrozenTrial] = {}

    # ---- what is done

    def do(self) -> None:
        """Do what is left to be done, together with other processes."""
        self.devices = take_devices(self.plan.base, self.plan.settings.devices_per_trial, self.plan.folder)
        until = None if self.plan.settings.timeout is None else time.monotonic() + self.plan.settings.timeout
        for fold, search in self.searches.items():
            search.until = until
            title = "trials" if fold is None else f"trials of fold {fold}"
            self._all(search, title, partial(self._search, search, fold))
            self.best[fold] = self._best(search)
        self._ask()
        self._all(self.final, "runs", self._test)

    def _ask(self) -> None:
        self.final.ask(self.plan.repeats({fold: trial.params for fold, trial in self.best.items()}))

    def _all(self, stage: Stage, title: str, do: Callable[[Job], str]) -> None:
        with tqdm(total=stage.total, desc=title, unit="run", disable=None, smoothing=0.1) as bar:
            bar.update(stage.num_done())
            while True:
                job = stage.claim()
                if job is None and stage.is_over():
                    break
                if job is None:
                    time.sleep(POLL)
                else:
                    try:
                        self.files.check()
                        line = do(job)
                    finally:
                        job.lock.release()
                    tqdm.write(line)
                bar.update(stage.num_done() - bar.n)
                bar.set_postfix_str(self._so_far(stage))

    def _so_far(self, stage: Stage) -> str:
        if stage is self.final:
            return ""
        if not any(trial.state == TrialState.COMPLETE for trial in stage.trials()):
            return ""
        best = self._best(stage)
        return f"best {best.value:.4g} (trial {best.number})"

    def _best(self, search: Stage) -> FrozenTrial:
        ended = search.trials()
        complete = [trial for trial in ended if trial.state == TrialState.COMPLETE]
        if not complete:
            reasons = [trial.user_attrs["reason"] for trial in ended if "reason" in trial.user_attrs]
            why = f"; the first: {reasons[0]}" if reasons else ""
            raise MisconfigurationException(f"none of {len(ended)} trials has a score of {self.plan.monitor}{why}")
        return (max if self.greater_is_better else min)(complete, key=lambda trial: trial.values[0])

    # ---- one run

    def _search(self, search: Stage, fold: int | None, job: Job) -> str:
        trial, monitor, began = job.trial, self.plan.monitor, time.monotonic()
        params = {option: space.suggest(trial, option) for option, space in self.plan.settings.spaces.items()}
        score, reason = None, ""
        try:
            self._train(job, [*self.plan.trial_words(fold), *words(params)], [Pruning(trial, monitor)])
            scores = read_scores(job.folder)
            score = scores.get(monitor)
            self._note(job, scores, began)
        except (MisconfigurationException, torch.OutOfMemoryError) as error:
            if isinstance(error.__cause__, OSError):  # of the machine, not of the parameters
                raise
            reason = last_sentence(error)
            failed = sum(each.state == TrialState.FAIL for each in search.trials())
            if failed + 1 >= TRIED and failed == search.num_done():
                raise
        if score is None or score != score:
            reason = reason or f"{monitor} is no number"
            trial.set_user_attr("reason", reason)
            search.study.tell(trial, state=TrialState.FAIL)
            return f"{job.folder.name}: failed: {reason}"
        pruned = PRUNED in as_kept(trial).user_attrs
        if pruned:
            search.study.tell(trial, state=TrialState.PRUNED)
        else:
            search.study.tell(trial, score)
        return f"{job.folder.name}: {monitor} {score:.4g}{', pruned' if pruned else ''}"

    def _test(self, job: Job) -> str:
        began, repeat = time.monotonic(), self.final.repeat(job.trial)
        self._train(job, self.plan.run_words(repeat), [])
        self.files.check()  # they are read again now
        kept = [TestPredictions()] if self.plan.settings.folds else []
        trials.evaluate(job.folder, self.devices.first, kept)
        scores = read_scores(job.folder)
        self._note(job, scores, began)
        self.final.study.tell(job.trial, scores.get(self.plan.monitor.replace("val/", "test/"), 0.0))
        label = ", ".join(f"{name} {value}" for name, value in repeat.label.items())
        return f"{job.folder.name} ({label}): " + ", ".join(
            f"{name} {value:.4g}" for name, value in scores.items() if name.startswith("test/")
        )

    def _train(self, job: Job, words: list[str], callbacks: list[Callback]) -> None:
        if self.devices.number == 1:
            trials.train(words, job.folder, self.devices.words, [*callbacks, self.files])
        else:
            train_apart(job, self.devices.words[0], self.plan.given.all)

    def train_one(self, name: str, devices: list[str], is_first: bool) -> None:
        """Train a run that another process has claimed.

        Args:
            name: Of its folder.
            devices: Options of where to run.
            is_first: Whether this is the first of the processes of the run, which alone speaks to Optuna.
        """
        files = [self.files] if is_first else []
        for fold, stage in [*self.searches.items(), (None, self.final)]:
            number = name.removeprefix(stage.prefix)
            if not name.startswith(stage.prefix) or not number.isdecimal():
                continue
            if stage is self.final:
                self.best = {fold: self._best(search) for fold, search in self.searches.items()}
                self._ask()
            kept = next(trial for trial in stage.trials() if trial.number == int(number))
            if stage is self.final:
                line = self.plan.run_words(self.final.repeat(kept))
                trials.train(line, self.final.run_folder(kept.number), devices, files)
                return
            trial = Trial(stage.study, kept._trial_id) if is_first else None
            line = [*self.plan.trial_words(fold), *words(kept.params)]
            trials.train(line, stage.run_folder(int(number)), devices, [Pruning(trial, self.plan.monitor), *files])

    def _note(self, job: Job, scores: Mapping[str, float], began: float) -> None:
        seconds = job.trial.user_attrs.get("seconds", 0.0) + time.monotonic() - began
        job.trial.set_user_attr("seconds", seconds)
        job.trial.set_user_attr("scores", dict(scores))
