"""Doing one run of a study, in this process and in silence."""

import json
import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser

from experiments import checkpoint, runs
from experiments.callbacks.checkpointing import RunCheckpoint
from experiments.cli import LeydenCLI
from experiments.saved_config import leaves

if TYPE_CHECKING:
    from optuna.trial import Trial

QUIET = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]
PRUNED = "pruned_at"  # step at which it was decided, as an attribute of the trial


class StudyRun(LeydenCLI):
    """A run of a study.

    Args:
        words: The command line.
        folder: Of a new run; a run that goes on knows its own.
        callbacks: Further callbacks.
    """

    def __init__(self, words: Sequence[str], folder: Path | None = None, callbacks: Sequence[Callback] = ()) -> None:
        self.folder = folder
        super().__init__(list(words), callbacks)

    def before_instantiate_classes(self) -> None:
        """Settle the run folder."""
        if self.folder is None:
            super().before_instantiate_classes()
            return
        self.config[self.subcommand].name = self.folder.parent.name
        self.run_folder = self.folder

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        silent = {"verbose": False} if subcommand == "test" else {}
        return super()._prepare_subcommand_kwargs(subcommand) | silent

    @property
    def best(self) -> RunCheckpoint:
        """What chose the best checkpoint."""
        return next(each for each in self.trainer.checkpoint_callbacks if isinstance(each, RunCheckpoint))

    def after_fit(self) -> None:
        """Write the scores of the best checkpoint."""
        if self.trainer.is_global_zero:
            runs.write_scores(self.run_folder, self.best.best_scores)

    def after_test(self) -> None:
        """Write the scores."""
        if self.trainer.is_global_zero:
            scores = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
            runs.write_scores(self.run_folder, scores)


class Training(StudyRun):
    """A run of a study that is trained."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Just this one: a parser of each takes its time."""
        return {"fit": LeydenCLI.subcommands()["fit"]}


class Testing(StudyRun):
    """A run of a study that is tested."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Just this one."""
        return {"test": LeydenCLI.subcommands()["test"]}


class _Stopped(Exception):
    """What was to be found out has been."""


class Parsed(Training):
    """A command line that is only parsed.

    Attributes:
        options: All options as plain data.
        seed: What ``seed_everything`` says; True leaves it to chance.
    """

    options: dict[str, Any]
    seed: bool | int

    def __init__(self, words: Sequence[str]) -> None:
        with isolated(), suppress(_Stopped):
            super().__init__(list(words))

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, and keep the seed as it was given."""
        super().parse_arguments(parser, args)
        self.seed = self.config["fit"].seed_everything

    def before_instantiate_classes(self) -> None:
        """Keep the options, and stop."""
        self.options = yaml.safe_load(self._parser(self.subcommand).dump(self.config[self.subcommand], skip_none=False))
        raise _Stopped

    def by_path(self) -> dict[str, Any]:
        """All options, named as on the command line."""
        return dict(leaves(self.options))


class Probe(Training):
    """A run that is only validated, on a single batch and before any training, to see which scores it will have.

    Attributes:
        directions: Whether more is better of each score that is logged; None where neither is.
    """

    directions: dict[str, bool | None]

    def __init__(self, words: Sequence[str], folder: Path) -> None:
        with isolated(), suppress(_Stopped):
            super().__init__([*words, *QUIET, "--trainer.limit_val_batches=1", "--trainer.logger=false"], folder)

    def before_fit(self) -> None:
        """Validate, and stop."""
        self.trainer.validate(self.model, self.datamodule, verbose=False)
        known: dict[str, bool | None] = dict.fromkeys(self.trainer.callback_metrics)
        self.directions = {name: self.model.directions.get(name) for name in known}
        raise _Stopped


class Pruning(Callback):
    """Reports the monitored score of each validation to Optuna, and stops training if it says so.

    What was decided once is not decided anew when the trial goes on after an interruption.

    Args:
        trial: The trial.
        monitor: The score.
    """

    def __init__(self, trial: "Trial", monitor: str) -> None:
        self.trial, self.monitor = trial, monitor
        kept = next(each for each in trial.study.get_trials(deepcopy=False) if each.number == trial.number)
        self.reported = set(kept.intermediate_values)
        self.stop_at: int | None = trial.user_attrs.get(PRUNED)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do not train beyond the step at which it was to stop."""
        if self.stop_at is not None and trainer.global_step >= self.stop_at:
            trainer.should_stop = True

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report, and stop or not."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        number = self._number(trainer)
        if number not in self.reported:
            self.reported.add(number)
            value = float(trainer.callback_metrics[self.monitor])
            if value == value:
                self.trial.report(value, number)
            if self.stop_at is None and self.trial.should_prune():
                self.stop_at = trainer.global_step
                self.trial.set_user_attr(PRUNED, self.stop_at)
        if self.stop_at is not None and trainer.global_step >= self.stop_at:
            trainer.should_stop = True

    def _number(self, trainer: Trainer) -> int:
        """How many validations there have been, as it follows from the place in training."""
        loop, batches = trainer.fit_loop.epoch_loop, float(trainer.num_training_batches)
        epochs = trainer.current_epoch + loop.batch_progress.current.ready / batches
        return round(epochs * max(1.0, batches / float(trainer.val_check_batch or batches)))


def train(words: Sequence[str], folder: Path, trial: "Trial | None" = None, monitor: str = "") -> RunCheckpoint:
    """Train, or go on with training, and return what chose the best checkpoint.

    Args:
        words: The command line of a new run, without the command.
        folder: Of the run.
        trial: If it is one of a search.
        monitor: The score that a search looks at.
    """
    callbacks = [] if trial is None else [Pruning(trial, monitor)]
    with isolated():
        if checkpoint.exists(folder) or (folder / runs.CONFIG).is_file():
            return Training(["fit", "--ckpt_path", str(folder), *QUIET], callbacks=callbacks).best
        return Training(["fit", *words, *QUIET], folder, callbacks).best


def evaluate(folder: Path, callbacks: Sequence[Callback] = ()) -> None:
    """Test the best checkpoint of a run."""
    with isolated():
        Testing(["test", "--ckpt_path", str(folder), *QUIET], callbacks=callbacks)


@contextmanager
def warning_once() -> Iterator[None]:
    """Show each warning once, not in every run."""
    show, seen = warnings.showwarning, set[str]()

    def show_new(message: Warning | str, *args: Any, **kwargs: Any) -> None:
        if str(message) not in seen:
            seen.add(str(message))
            show(message, *args, **kwargs)

    warnings.showwarning = show_new
    try:
        yield
    finally:
        warnings.showwarning = show


@contextmanager
def isolated() -> Iterator[None]:
    """What a run sets for the whole process does not reach the next one, and Lightning says nothing of usual things."""
    backends = torch.backends.cudnn
    precision = torch.get_float32_matmul_precision()
    deterministic, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    flags, environment = (backends.benchmark, backends.deterministic), dict(os.environ)
    loggers = [logging.getLogger(f"lightning.{name}") for name in ("pytorch", "fabric.utilities.seed")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        torch.set_float32_matmul_precision(precision)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        backends.benchmark, backends.deterministic = flags
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)


def scores(folder: Path) -> dict[str, float]:
    """The scores of a run, on validation and on test."""
    content: dict[str, float] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    return content
