"""The program ``leyden``."""

import difflib
import json
import logging
import os
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import torch
import yaml
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import LearningRateMonitor, ProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from datamodules.data import Data
from experiments import checkpoint, overrides
from experiments.callbacks.checkpointing import Interrupted, RunCheckpoint
from experiments.callbacks.finite import StopOnNonFinite
from experiments.callbacks.overruling import Overrule, changes
from experiments.callbacks.predictions import PredictionWriter
from experiments.lean import forget_missing_gpus, make_lean
from modules.task import Task

overrides.install()

DEFAULTS = Path(__file__).resolve().parent.parent / "configs" / "default.yaml"


class LeydenParser(LightningArgumentParser):
    """Says what is wrong in one sentence, with the nearest valid key."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the sentence and exit with code 2."""
        sentence = " ".join(line.strip() for line in str(ex or message).splitlines() if line.strip())
        sys.stderr.write(f"leyden: {sentence}{self._nearest(sentence)}\n")
        sys.exit(2)

    def _nearest(self, sentence: str) -> str:
        unknown = re.search(r"(?:Key|Option|arguments?:?) '?(?:--)?([\w.+]+)'? ?(?:is not expected|not)?", sentence)
        if unknown is None:
            return ""
        keys = [key for action in self._actions for key in [action.dest] if isinstance(key, str)]
        near = difflib.get_close_matches(unknown[1].split("=")[0], keys, n=1)
        return f" - did you mean {near[0]}?" if near else ""


class SaveConfig(SaveConfigCallback):
    """Puts the whole configuration into the run folder, into every checkpoint and, with the scores, on the board."""

    def setup(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        """Write ``config.yaml``, once in the life of a run."""
        kept = self.config.clone()
        kept.pop("ckpt_path", None)
        self.text = self.parser.dump(kept, skip_none=False)
        path = Path(trainer.default_root_dir) / "config.yaml"
        if stage == "fit" and trainer.is_global_zero and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.text)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """A checkpoint carries its configuration."""
        checkpoint["config"] = self.text

    def on_fit_end(self, trainer: Trainer, pl_module: Any) -> None:
        """The HPARAMS tab shows the options beside the validation scores."""
        self._compare(trainer)

    def on_test_end(self, trainer: Trainer, pl_module: Any) -> None:
        """The HPARAMS tab shows the options beside the test scores."""
        self._compare(trainer)

    def _compare(self, trainer: Trainer) -> None:
        if not isinstance(trainer.logger, TensorBoardLogger) or not trainer.is_global_zero:
            return
        from torch.utils.tensorboard.summary import hparams

        path = Path(trainer.default_root_dir) / "config.yaml"  # what it was trained with
        tree = yaml.safe_load(path.read_text() if path.exists() else self.text)
        options = {key: str(value) for key, value in _leaves(tree) if value is not None and _told(key)}
        # The tab finds the values by the names of the curves: nothing is logged a second time.
        scores = {name: 0.0 for name in trainer.callback_metrics if name.startswith(("val/", "test/"))}
        writer = trainer.logger.experiment._get_file_writer()
        for summary in hparams(options, scores):
            writer.add_summary(summary)
        trainer.logger.experiment.flush()


class LeydenCLI(LightningCLI):
    """``leyden fit | validate | test | predict``: one task, one datamodule, one run folder."""

    def __init__(self, args: list[str] | None = None) -> None:
        self.content: dict[str, Any] | None = None
        super().__init__(
            Task,
            Data,
            save_config_callback=SaveConfig,
            seed_everything_default=0,
            parser_class=LeydenParser,
            parser_kwargs={
                "epilog": "leyden chat --ckpt_path RUN talks to a model trained on dialogues.",
                **{name: {"default_config_files": [str(DEFAULTS)]} for name in self.subcommands()},
            },
            subclass_mode_model=True,
            subclass_mode_data=True,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            args=args,
        )

    # ---- what to parse

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add ``--name`` and ``--checkpoint``."""
        parser.add_argument("--name", type=str | None, help="Name of the run; the stem of the config file if not given")
        parser.add_lightning_class_args(RunCheckpoint, "checkpoint")

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, after the configuration that the checkpoint carries, what the user gave: the user's word wins."""
        words = list(sys.argv[1:] if args is None else args)
        self.given_name = next((Path(path).stem for path in _values(words, "--config", "-c")), None)
        command = next((word for word in words if word in self.subcommands()), None)
        paths = _values(words, "--ckpt_path")
        if command is not None and paths:
            path, self.content = checkpoint.find(Path(paths[-1]), to_train=command == "fit")
            carried = yaml.safe_load(self.content["config"])
            if command != "fit":  # a laptop evaluates what eight GPUs trained
                carried = {key: carried[key] for key in ("seed_everything", "name", "model", "data")}
            self._check_same_task(words, carried, path)
            place = words.index(command) + 1
            words[place:place] = ["--config", yaml.safe_dump(carried, sort_keys=False)]
            words = [*words, "--ckpt_path", str(path)]
        elif (
            command not in (None, "fit") and not {"--help", "-h"} & set(words) and not any("print" in w for w in words)
        ):
            parser.error(f"{command} needs a trained model: --ckpt_path FILE_OR_RUN")
        self.config = parser.parse_args(words)

    def _check_same_task(self, words: list[str], carried: dict[str, Any], path: Path) -> None:
        for config in _values(words, "--config", "-c"):
            if not Path(config).is_file():
                continue
            given = (yaml.safe_load(Path(config).read_text()) or {}).get("model") or {}
            other = given.get("class_path") if isinstance(given, dict) else None
            if other and other != carried["model"]["class_path"]:
                raise MisconfigurationException(
                    f"{path} holds a {carried['model']['class_path']}, {config} is a {other}"
                )

    def _parse_ckpt_path(self) -> None:
        """Leave the carried configuration to ``parse_arguments``; Lightning would let it win over the user's."""

    # ---- what to run

    def before_instantiate_classes(self) -> None:
        """Settle the run folder."""
        path = self._get(self.config, "ckpt_path")
        if path is not None:
            self.run_folder = checkpoint.run_folder(Path(path))
            os.environ["LEYDEN_RUN"] = str(self.run_folder)  # for what is said after an interruption
            return
        root = Path(self._get(self.config, "trainer").default_root_dir or "runs")
        name = self._get(self.config, "name") or self.given_name or "run"
        self.config[self.subcommand].name = name
        # A process that another one launched must not take the next number.
        self.run_folder = Path(os.environ.setdefault("LEYDEN_RUN", str(_next_run(root / name))))

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        """The trainer, with the run folder, its logger and the callbacks that every run has."""
        self.trainer_defaults["callbacks"] = [PredictionWriter(), StopOnNonFinite(), self._overrule()]
        kwargs["default_root_dir"] = str(self.run_folder)
        if self._get(self.config_init, "trainer").logger in (None, True):
            kwargs["logger"] = TensorBoardLogger(
                self.run_folder.parent.parent,
                name=self.run_folder.parent.name,
                version=self.run_folder.name,
                default_hp_metric=False,
                purge_step=self._step_to_go_on_from(),
            )
        # Options that turn a thing off also turn off the default callback that needs it.
        settings = self._get(self.config_init, "trainer")
        off: tuple[type, ...] = (ProgressBar,) if settings.enable_progress_bar is False else ()
        off += (LearningRateMonitor,) if settings.logger is False else ()
        settings.callbacks = [callback for callback in settings.callbacks or [] if not isinstance(callback, off)]
        trainer = super().instantiate_trainer(**kwargs)
        make_lean(trainer, self.model, self.datamodule)
        return trainer

    def _overrule(self) -> Overrule:
        if self.content is None or self.subcommand != "fit":  # only training has an optimizer to restore
            return Overrule({}, {})
        before = yaml.safe_load(self.content["config"])["model"].get("init_args") or {}
        parser = self._parser(self.subcommand)
        after = yaml.safe_load(parser.dump(self.config[self.subcommand]))["model"].get("init_args") or {}
        return Overrule(*(changes(before.get(part), after.get(part)) for part in ("optimizer", "scheduler")))

    def _step_to_go_on_from(self) -> int | None:
        if self.content is None or self.subcommand != "fit" or "resume" not in self.content:
            return None
        return int(self.content["resume"]["batches_that_stepped"])

    def after_instantiate_classes(self) -> None:
        """Give the data the facts of the checkpoint, before it reads anything."""
        if self.content is not None:
            self.datamodule.load_state_dict(checkpoint.facts(self.content))
            self.content = None  # do not keep the weights mapped

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        kwargs = super()._prepare_subcommand_kwargs(subcommand)
        kwargs["weights_only"] = True
        if subcommand == "predict":
            kwargs["return_predictions"] = False
        return kwargs

    # ---- what to say

    @rank_zero_only
    def after_fit(self) -> None:
        """Tell the best score, where it lies and what to type next."""
        best = next(c for c in self.trainer.checkpoint_callbacks if isinstance(c, RunCheckpoint))
        if self.trainer.fast_dev_run:  # type: ignore[attr-defined]
            print("fast_dev_run: nothing was written")
            return
        score = (
            "" if best.best_score is None else f", best {best.monitor} {best.best_score:.4f} at step {best.best_step}"
        )
        print(f"run {self.run_folder}{score}\nnext: leyden test --ckpt_path {self.run_folder}")

    def after_validate(self) -> None:
        """Write ``metrics.json``."""
        self._write_metrics("next: leyden test --ckpt_path")

    def after_test(self) -> None:
        """Write ``metrics.json``."""
        self._write_metrics("next: leyden predict --data.predict_path FILE_OR_FOLDER --ckpt_path")

    @rank_zero_only
    def _write_metrics(self, following: str) -> None:
        path = self.run_folder / "metrics.json"
        metrics = json.loads(path.read_text()) if path.exists() else {}
        metrics |= {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        path.write_text(json.dumps(metrics, indent=2, sort_keys=True) + "\n")
        print(f"scores in {path}\n{following} {self.run_folder}")


def instantiate(config: str) -> tuple[Task, Data[Any]]:
    """Make the task and the datamodule that a configuration describes.

    Args:
        config: The YAML text of a run.
    """
    parser = LeydenParser()
    parser.add_lightning_class_args(Task, "model", subclass_mode=True)
    parser.add_lightning_class_args(Data, "data", subclass_mode=True)
    parts = {key: value for key, value in yaml.safe_load(config).items() if key in ("model", "data")}
    made = parser.instantiate_classes(parser.parse_object(parts))
    return made.model, made.data


def _values(words: list[str], *options: str) -> list[str]:
    """The values of an option among the words of a command line."""
    found = [words[i + 1] for i, word in enumerate(words[:-1]) if word in options]
    return found + [word.split("=", 1)[1] for word in words if word.split("=", 1)[0] in options and "=" in word]


def _leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested options, named as on the command line."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key in ("init_args", "class_path"):
                yield from _leaves(value, path)
            else:
                yield from _leaves(value, f"{path}.{key}" if path else key)
    else:
        yield path, tree


def _told(option: str) -> bool:
    """Whether an option is worth a column beside the scores: not those of the machine."""
    trainer = ("max_epochs", "max_steps", "precision", "accumulate_grad_batches", "gradient_clip_val")
    return not option.startswith("trainer.") or option.removeprefix("trainer.") in trainer


def _next_run(folder: Path) -> Path:
    numbers = [int(path.name) for path in folder.glob("*") if path.name.isdigit()]
    return folder / str(max(numbers, default=-1) + 1)


def _quiet() -> None:
    for pattern in (
        ".*does not have many workers.*",
        ".*custom batch sampler.*",
        ".*number of training batches.*smaller than the logging interval.*",
        ".*exists and is not empty.*",
        ".*dataloader is not resumable.*",  # ours is
        ".*was called before the ``update`` method.*",  # a process without examples
        ".*Total length of.*across ranks is zero.*",
        ".*LeafSpec.*",
    ):
        warnings.filterwarnings("ignore", pattern)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(lambda record: "litlogger" not in record.msg)


def main(args: list[str] | None = None) -> int:
    """Run ``leyden``.

    Returns:
        Exit code: 0; 1 after an error the user can mend (told in one sentence); 128 + signal after an interruption.
    """
    _quiet()
    torch.set_float32_matmul_precision("high")
    forget_missing_gpus()
    words = sys.argv[1:] if args is None else args
    try:
        if words[:1] == ["chat"]:
            from experiments import chat  # with its tasks and data, which the other commands need not wait for

            return chat.main(words[1:])
        cli = LeydenCLI(args)
    except Interrupted as stop:
        folder = os.environ.get("LEYDEN_RUN", "RUN")
        print(f"\n{stop}; go on with: leyden fit --ckpt_path {folder}")
        return 128 + stop.signum
    except Exception as error:
        told = _for_the_user(error)
        if told is None:
            raise
        sys.stderr.write(f"leyden: {_last_sentence(told)}\n")
        return 1
    finally:
        os.environ.pop("LEYDEN_RUN", None)
    return 0 if cli.trainer.state.status != "interrupted" else 130


def _for_the_user(error: BaseException | None) -> Exception | None:
    # The parser wraps what a task or datamodule says when it is made.
    while error is not None:
        if isinstance(error, MisconfigurationException | FileNotFoundError | PermissionError):
            return error
        error = error.__cause__
    return None


def _last_sentence(error: Exception) -> str:
    # Out of a worker process comes the whole traceback; its last line says what happened.
    text = str(error).strip()
    return text.splitlines()[-1].split(": ", 1)[-1] if "Original Traceback" in text else text
