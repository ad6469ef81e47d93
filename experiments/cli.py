"""The program ``leyden``."""

import errno
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from os.path import isfile  # False too for a text that can be no path
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import LearningRateFinder, LearningRateMonitor, ProgressBar, StochasticWeightAveraging
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from datamodules.data import Data
from experiments import checkpoint, events, runs, yaml_limits
from experiments.callbacks.board.curves import Curves
from experiments.callbacks.board.logger import board_of
from experiments.callbacks.board.loggers import with_board
from experiments.callbacks.checkpointing import RunCheckpoint
from experiments.callbacks.compiling import Compile
from experiments.callbacks.figures import figures_of
from experiments.callbacks.optimizer_overrides import OptimizerOverrides
from experiments.callbacks.predictions import PredictionWriter
from experiments.callbacks.screen import Summary
from experiments.commands.configs import DEFAULTS
from experiments.lightning_patches import (
    allow_clipping,
    avoid_emulation,
    guarded,
    make_lean,
    show_at,
    take_up_without_state,
)
from experiments.parsing import LeydenParser, check, check_trainer, configs_first, values_of
from experiments.runs import FOLDER
from experiments.saved_config import SaveConfig
from experiments.signatures import trusted
from experiments.study.claims import FileLock
from experiments.untrusted import Restriction, import_paths, read_carried
from modules.faults import told
from modules.task import Task

# Options of the data and the task on which no score depends.
INDIFFERENT = frozenset(
    {"root", "batch_size", "num_workers", "global_batch_size", "max_tokens", "predict_path", "text", "cache_size"}
    | {"optimizer", "scheduler", "interval", "decay_all"}
)
# Ranks that Lightning's ``rank_zero_only`` does not look at before there is a trainer: of machines, and of MPI.
RANKS = ("NODE_RANK", "GROUP_RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")
TRAINING = ".training"  # in the folder of a run, locked by whoever trains it


class LeydenCLI(LightningCLI):
    """``leyden fit | validate | test | predict``: one task, one datamodule, one run folder.

    Args:
        args: The command line, by default that of the process.
        callbacks: Callbacks beside those of the configuration.

    Attributes:
        draws: Whether the figures of its task are shown without being named.
    """

    draws = True

    def __init__(self, args: list[str] | None = None, callbacks: Sequence[Callback] = ()) -> None:
        self.callbacks = callbacks
        self.content: dict[str, Any] | None = None  # of the checkpoint
        self.carried: dict[str, Any] = {}  # the configuration of the checkpoint
        self.restriction: Restriction | None = None  # of what is parsed, if a file says some of it
        self.unfinished: Path | None = None  # a run without any checkpoint, which begins anew
        self.claimed: runs.Claim | None = None
        self.lock: FileLock | None = None  # while the run is trained
        try:
            self._run(args)
        except OSError as error:
            folder: Path | None = vars(self).get("run_folder")
            if folder is not None and self.subcommand == "fit" and not folder.is_dir():
                raise MisconfigurationException(
                    f"the folder {folder} of the run is gone: it was renamed or deleted during training. If it was "
                    f"renamed, go on with: {runs.command('fit --ckpt_path', Path('NEW_NAME'))}"
                ) from error
            if folder is not None and error.filename is None and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise MisconfigurationException(f"{folder} cannot be written to: {error.strerror}") from error
            raise
        finally:
            if self.lock is not None:
                self.lock.release()
            if self.claimed is not None and not self._was_used(self.claimed.folder):
                runs.give_back(self.claimed)

    def _run(self, args: list[str] | None) -> None:
        super().__init__(
            Task,
            Data,
            save_config_callback=SaveConfig,
            seed_everything_default=0,
            parser_class=LeydenParser,
            parser_kwargs={name: {"default_config_files": [str(DEFAULTS)]} for name in self.subcommands()},
            subclass_mode_model=True,
            subclass_mode_data=True,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            args=args,
        )

    # ---- what to parse

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add ``--name``, ``--trust``, ``--compile``, ``--explain``, ``--figures`` and ``--checkpoint``."""
        parser.add_argument("--name", type=str | None, help="Name of the run; the stem of the config file if not given")
        parser.add_argument("--trust", type=str | None, help="Package of your own that a checkpoint may name")
        switch: dict[str, Any] = {"type": bool, "nargs": "?", "const": True, "default": False}
        parser.add_argument("--compile", help="Compile the network by torch.compile", **switch)
        parser.add_argument("--explain", help="With predict: say which words, pixels or columns decide", **switch)
        figures = switch | {"default": True}
        parser.add_argument("--figures", help="Show pictures and texts of the task on the board", **figures)
        parser.add_lightning_class_args(RunCheckpoint, "checkpoint")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, after the configuration that the checkpoint carries, what the user gave: the user's word wins."""
        given = list(sys.argv[1:] if args is None else args)
        command = next((word for word in given if word in self.subcommands()), None)
        words = configs_first(given, command)
        for one in (parser, *self._subcommand_parsers.values()):
            one.words = given
        configs = {path: yaml_limits.read(Path(path)) for path in values_of(words, "--config", "-c") if isfile(path)}
        self.given_name = next((Path(path).stem for path in values_of(words, "--config", "-c")), None)
        paths, typed = values_of(words, "--ckpt_path"), import_paths(words)
        self.save_config_kwargs["packages"] = Restriction(values_of(words, "--trust"), typed).trusted
        if command is not None and paths:
            path, content = checkpoint.find(Path(paths[-1]), to_train=command == "fit")
            if path is None:
                self.unfinished = Path(paths[-1])
            else:
                self.content = content
            source, trust = path or Path(paths[-1]), [*values_of(words, "--trust"), *trusted(content["config"])]
            self.carried = read_carried(content, source, to_train=command == "fit")
            self._check_same_task(configs, self.carried, source)
            check(self.carried, source, trust)
            self.restriction = Restriction(trust, typed, follow_paths=True)
            self.save_config_kwargs["packages"] = self.restriction.trusted
            place = words.index(command) + 1
            words[place:place] = ["--config", yaml.safe_dump(self.carried, sort_keys=False)]
            words = [*words, "--ckpt_path", "null" if path is None else str(path)]
        elif (
            command not in (None, "fit") and not {"--help", "-h"} & set(words) and not any("print" in w for w in words)
        ):
            parser.error(f"{command} needs a trained model: --ckpt_path FILE_OR_RUN")
        with self._restricted():
            self.config = parser.parse_args(words)

    def instantiate_classes(self) -> None:
        """Make what was parsed."""
        with self._restricted(), told("these options cannot be used"):
            super().instantiate_classes()

    def _restricted(self) -> AbstractContextManager[None]:
        return nullcontext() if self.restriction is None else guarded(self.restriction)

    def _check_same_task(self, configs: dict[str, dict[str, Any]], carried: dict[str, Any], path: Path) -> None:
        for config, given in configs.items():
            model = given.get("model")
            other = model.get("class_path") if isinstance(model, dict) else None
            if other and other != carried["model"]["class_path"]:
                raise MisconfigurationException(
                    f"{path} holds a {carried['model']['class_path']}, {config} is a {other}"
                )

    def _parse_ckpt_path(self) -> None:
        """Leave the carried configuration to ``parse_arguments``; Lightning would let it win over the user's."""

    # ---- what to run

    def before_instantiate_classes(self) -> None:
        """Settle the run folder, and see to it that it can be written to, and that nobody else trains in it."""
        self._settle_folder()
        if self.subcommand == "fit":
            self._lock()
        elif self.run_folder.is_dir() and not os.access(self.run_folder, os.W_OK):
            raise MisconfigurationException(self._not_writable("no permission, or a read-only disk"))

    def _not_writable(self, reason: str) -> str:
        return f"{self.run_folder} cannot be written to ({reason}): copy the run to a place where it can"

    @rank_zero_only
    def _lock(self) -> None:
        if any(os.environ.get(name, "0") not in ("", "0") for name in RANKS):
            return  # the first process of all of them holds the lock
        self.lock = FileLock(self.run_folder / TRAINING)
        try:
            if not self.lock.acquire(wait=False):
                raise MisconfigurationException(
                    f"another process trains in {self.run_folder}: wait until it has ended, or stop it"
                )
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):  # a disk without locks
                raise MisconfigurationException(self._not_writable(error.strerror or str(error))) from error

    def _settle_folder(self) -> None:
        path = self._get(self.config, "ckpt_path")
        if self.unfinished is not None:
            self.run_folder = self.unfinished
            self.save_config_kwargs["overwrite"] = True
            return
        if path is not None:
            self.run_folder = checkpoint.run_folder(Path(path))
            self.save_config_kwargs["trained_with"] = self.content and self.content["config"]
            return
        root = Path(self._get(self.config, "trainer").default_root_dir or "runs")
        name = self._get(self.config, "name") or self.given_name or "run"
        self.config[self.subcommand].name = name
        # Of several processes the first claims a folder, and tells the others (``RunCheckpoint.setup``).
        self.claimed = rank_zero_only(runs.claim)(root, name)
        self.run_folder = self.claimed.folder if self.claimed else root / name

    def _was_used(self, folder: Path) -> bool:
        if "trainer" not in vars(self) or self.trainer.fast_dev_run or Path(self.trainer.default_root_dir) != folder:  # type: ignore[attr-defined]
            return False  # for nothing, or by another process, which this one took itself for
        return self.trainer.state.finished or self.trainer.global_step > 0 or checkpoint.exists(folder)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """The trainer, with the run folder, its logger and the callbacks that every run has."""
        settings = self._get(self.config_init, "trainer")
        summary = [] if settings.enable_model_summary is False else [Summary()]
        compiled = [Compile()] if self._get(self.config, "compile") else []
        draws = self.draws and bool(self._get(self.config, "figures"))
        explaining = self._explaining(draws)
        own = [PredictionWriter(draws), self._optimizer_overrides(), *summary, *compiled, *explaining, *self.callbacks]
        self.trainer_defaults["callbacks"] = own
        kwargs["default_root_dir"] = str(self.run_folder)
        check_trainer(settings)
        if self.subcommand == "fit":
            rank_zero_only(events.rewind)(self.run_folder, self.content["events"] if self.content else {})
        if explaining:
            kwargs["inference_mode"] = False  # it allows no gradients
        if settings.logger in (None, True) and self.subcommand == "predict" and not (explaining and draws):
            kwargs["logger"] = False  # there is nothing to log
        elif settings.logger is not False:
            suffix = events.SUFFIX if self.subcommand == "fit" else f".{self.subcommand}"
            given = [] if settings.logger in (None, True) else settings.logger
            kwargs["logger"] = with_board(given, board_of(self.run_folder, suffix))
        # Options that turn a thing off also turn off the default callback that needs it.
        off: tuple[type, ...] = (ProgressBar,) if settings.enable_progress_bar is False else ()
        off += (LearningRateMonitor, Curves) if settings.logger is False else ()
        settings.callbacks = [callback for callback in settings.callbacks or [] if not isinstance(callback, off)]
        if draws and self.subcommand != "predict":
            offered = figures_of(self.model, self.datamodule)
            settings.callbacks += [f for f in offered if not any(isinstance(c, type(f)) for c in settings.callbacks)]
        if any(isinstance(callback, StochasticWeightAveraging) for callback in settings.callbacks):
            raise MisconfigurationException(
                "StochasticWeightAveraging cannot average a network that is built from the data: "
                "take experiments.callbacks.averaging.EMA"
            )
        if any(isinstance(callback, LearningRateFinder) for callback in settings.callbacks):
            raise MisconfigurationException(
                "LearningRateFinder sets an option `lr` of the task, and the rate is one of its optimizer: let leyden "
                "study search for model.optimizer.lr"
            )
        trainer = super().instantiate_trainer(**kwargs)
        # Lightning would let checkpoints come last.
        trainer.callbacks.sort(key=lambda callback: not isinstance(callback, RunCheckpoint))  # type: ignore[attr-defined]
        make_lean(trainer, self.model, self.datamodule)
        avoid_emulation(trainer)
        allow_clipping(trainer)
        take_up_without_state(trainer)
        if self.content is not None and self.subcommand != "fit":
            show_at(trainer, int(self.content["global_step"]))
        return trainer

    def _explaining(self, draws: bool) -> list[Callback]:
        if not self._get(self.config, "explain"):
            return []
        from experiments.explanation.callback import explaining

        compiled = bool(self._get(self.config, "compile"))
        return explaining(str(self.subcommand), compiled, draws, self.model, self.datamodule)

    def _optimizer_overrides(self) -> OptimizerOverrides:
        if self.content is None or self.subcommand != "fit":  # only training has an optimizer to restore
            return OptimizerOverrides({}, {})
        return OptimizerOverrides(*self._before_and_now("model"))

    @cached_property
    def _now(self) -> dict[str, Any]:
        """The options of this command as plain data."""
        now: dict[str, Any] = yaml.safe_load(self._parser(self.subcommand).dump(self.config[self.subcommand]))
        return now

    def _before_and_now(self, section: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The options of the model or the data in the checkpoint, and those of this command; none of another class."""
        before, now = self.carried[section], self._now[section]
        if now["class_path"] != before["class_path"]:
            return {}, {}
        return before.get("init_args") or {}, now.get("init_args") or {}

    def _given_before_and_now(self, section: str) -> Iterator[dict[str, object]]:
        for options in self._before_and_now(section):
            yield {name: _given(value) for name, value in options.items()}

    def after_instantiate_classes(self) -> None:
        """Refuse a task and data that do not go together; give the data the seed, and the facts of a checkpoint."""
        self.model.check_pair(self.datamodule.makes, type(self.datamodule).__name__)
        seed = self.datamodule.seed = int(self._get(self.config, "seed_everything") or 0)
        if self.content is not None:
            with told(f"{self._get(self.config, 'ckpt_path')} cannot be used", AttributeError, LookupError):
                self.datamodule.load_state_dict(checkpoint.facts(self.content, self.carried))
            if self.subcommand == "fit" and seed != self.datamodule.seed:
                raise MisconfigurationException(
                    f"seed_everything is {seed}, in training it was {self.datamodule.seed}: the splits and all that is "
                    "random go on from where they were; leave the option out, or train anew"
                )
            self.datamodule.check_unchanged(*self._given_before_and_now("data"))
            self.content = None  # do not keep the weights mapped

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        kwargs = super()._prepare_subcommand_kwargs(subcommand)
        kwargs["weights_only"] = True
        if subcommand == "predict":
            kwargs["return_predictions"] = False
        return kwargs

    def before_fit(self) -> None:
        """Write ``config.yaml``."""
        for callback in self.trainer.callbacks:  # type: ignore[attr-defined]
            if isinstance(callback, SaveConfig):
                callback.write(self.run_folder)

    # ---- what to say

    @property
    def best(self) -> RunCheckpoint:
        """What chose the best checkpoint."""
        return next(each for each in self.trainer.checkpoint_callbacks if isinstance(each, RunCheckpoint))

    @rank_zero_only
    def after_fit(self) -> None:
        """Write the scores of the best checkpoint, and tell where it lies and what to type next."""
        best = self.best
        if self.trainer.fast_dev_run:  # type: ignore[attr-defined]
            print("fast_dev_run: nothing was written")
            return
        score = (
            "" if best.best_score is None else f", best {best.monitor} {best.best_score:.4f} at step {best.best_step}"
        )
        runs.replace_scores(self.run_folder, best.best_scores)
        print(f"run {self.run_folder}{score}\nnext: {runs.command('test --ckpt_path', self.run_folder)}")

    def after_validate(self) -> None:
        """Write ``metrics.json``."""
        self._tell_metrics("test --ckpt_path")

    def after_test(self) -> None:
        """Write ``metrics.json``."""
        self._tell_metrics("predict --data.predict_path FILE_OR_FOLDER --ckpt_path")

    def write_metrics(self) -> Path:
        """Write the scores of an evaluation into ``metrics.json``."""
        scores = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        return runs.write_scores(self.run_folder, scores)

    @rank_zero_only
    def _tell_metrics(self, following: str) -> None:
        stage = str(self.subcommand).removesuffix("idate")
        conditions = self._conditions(stage)
        runs.write_conditions(self.run_folder, stage, conditions)
        told = f"; they are not those of the run, but of {', '.join(conditions)}" if conditions else ""
        print(f"scores in {self.write_metrics()}{told}\nnext: {runs.command(following, self.run_folder)}")

    def _conditions(self, stage: str) -> list[str]:
        """What makes scores others than those of the best checkpoint on the whole of a split."""
        trainer = self.trainer
        found = ["fast_dev_run"] if trainer.fast_dev_run else []  # type: ignore[attr-defined]
        limit = vars(trainer)[f"limit_{stage}_batches"]
        found += [f"limit_{stage}_batches {limit}"] if (isinstance(limit, int) or limit < 1) and not found else []
        path, best = Path(str(self._get(self.config, "ckpt_path"))), self.run_folder / FOLDER / "best.ckpt"
        if best.exists() and path.with_suffix(best.suffix).resolve() != best.resolve():  # of parts: best.joined
            found.append(path.name)
        for section in ("model", "data"):
            before, now = self._given_before_and_now(section)
            found += [
                f"{section}.{name} {now[name]}"
                for name in sorted(before.keys() & now.keys() - INDIFFERENT)
                if before[name] != now[name] and (name != "path" or self.datamodule.changed)
            ]
        return found


def _given(options: object) -> object:
    """Options without those that are None: a checkpoint holds them, a command line need not."""
    if isinstance(options, dict):
        return {name: _given(value) for name, value in options.items() if value is not None}
    return list(map(_given, options)) if isinstance(options, list) else options


def main(words: list[str]) -> int:
    """Run ``leyden fit | validate | test | predict``.

    Returns:
        Exit code.
    """
    cli = LeydenCLI(words)
    return 0 if cli.trainer.state.status != "interrupted" else 130
