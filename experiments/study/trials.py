"""Doing one run of a study, in this process and in silence."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from lightning.pytorch import Callback
from lightning.pytorch.cli import LightningArgumentParser
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.data import Data
from datamodules.splits import Fold, Labels
from datamodules.types import Array
from experiments import checkpoint, runs
from experiments.cli import LeydenCLI
from experiments.saved_config import leaves
from experiments.study.isolation import isolated

QUIET = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false"]


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

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, object]:
        silent = {"verbose": False} if subcommand == "test" else {}
        return super()._prepare_subcommand_kwargs(subcommand) | silent

    def after_fit(self) -> None:
        """Write the scores of the best checkpoint."""
        if self.trainer.is_global_zero:
            runs.write_scores(self.run_folder, self.best.best_scores)

    def after_test(self) -> None:
        """Write the scores."""
        if self.trainer.is_global_zero:
            self.write_metrics()


class Training(StudyRun):
    """A run of a study that is trained: one of many, in which drawing would take its time."""

    draws = False

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

    def parse_arguments(self, parser: LightningArgumentParser, args: object) -> None:
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
        """Divide the examples into all folds, validate, and stop."""
        if self.datamodule.fold is not None:
            self.datamodule.assign_splits = all_folds(self.datamodule, self.datamodule.fold)  # type: ignore[method-assign]
        self.trainer.validate(self.model, self.datamodule, verbose=False)
        known: dict[str, bool | None] = dict.fromkeys(self.trainer.callback_metrics)
        self.directions = {name: self.model.directions.get(name) for name in known}
        raise _Stopped


def all_folds(data: Data, fold: Fold) -> Callable[..., Array]:
    """What divides the examples, but before that tries each of the folds: none is to fail when others are trained.

    Args:
        data: The data.
        fold: That of the run.
    """
    assign = data.assign_splits

    def tried(
        size: int,
        val: float = 0.0,
        test: float = 0.0,
        stratify: Labels | None = None,
        groups: Labels | None = None,
        times: Array | None = None,
    ) -> Array:
        for index in range(fold.count if test else 0):
            data.fold = replace(fold, index=index)
            try:
                assign(size, val, test, stratify, groups, times)
            except MisconfigurationException as error:
                of = f"{size} examples" + ("" if groups is None else f" in {len(np.unique(np.asarray(groups)))} groups")
                raise MisconfigurationException(
                    f"--study.folds is {fold.count}: fold {index} cannot be made of {of} ({error}); take fewer folds"
                ) from error
        data.fold = fold
        return assign(size, val, test, stratify, groups, times)

    return tried


def train(words: Sequence[str], folder: Path, devices: Sequence[str], callbacks: Sequence[Callback] = ()) -> None:
    """Train, or go on with training.

    Args:
        words: The command line of a new run, without the command.
        folder: Of the run.
        devices: Options of where to run.
        callbacks: Further callbacks.
    """
    with isolated():
        if checkpoint.exists(folder) or (folder / runs.CONFIG).is_file():
            Training(["fit", "--ckpt_path", str(folder), *QUIET, *devices], callbacks=callbacks)
        else:
            Training(["fit", *words, *QUIET, *devices], folder, callbacks)


def evaluate(folder: Path, devices: Sequence[str], callbacks: Sequence[Callback] = ()) -> None:
    """Test the best checkpoint of a run."""
    with isolated():
        Testing(["test", "--ckpt_path", str(folder), *QUIET, *devices], callbacks=callbacks)
