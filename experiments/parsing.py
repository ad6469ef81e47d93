"""Parsing command lines and configurations."""

import copy
import difflib
import re
import sys
from argparse import ArgumentError
from collections.abc import Container, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.data import Data
from experiments import untrusted
from experiments.callbacks.checkpointing import RunCheckpoint
from experiments.messages import UNKNOWN, readable
from modules.task import Task


class LeydenParser(LightningArgumentParser):
    """Says what is wrong in one sentence, with the nearest valid key.

    Attributes:
        source: The file that holds what is parsed; None for what the user typed.
        words: What the user typed.
    """

    source: Path | None = None
    words: Sequence[str] = ()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, allow_abbrev=False, **options)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what is wrong: exit with code 2, or raise an error if a file is at fault.

        Raises:
            MisconfigurationException: If it is.
            ArgumentError: From the parser of a class, for that of the command line to tell.
        """
        said = " ".join(str(ex or message).split())
        parser: LightningArgumentParser = getattr(ex, "subcommand_parser", None) or self
        said += "" if " - did you mean " in said else self._nearest(said, parser)
        if not self.exit_on_error:
            raise ArgumentError(None, said) from ex
        texts, cause = [said], ex and ex.__cause__
        while cause is not None:
            texts.append(" ".join(str(cause).split()))
            cause = cause.__cause__
        sentence = readable(texts, self.words)
        if self.source is not None:
            raise MisconfigurationException(f"{self.source} holds a configuration that cannot be used: {sentence}")
        sys.stderr.write(f"leyden: {sentence}\n")
        sys.exit(2)

    def _nearest(self, said: str, parser: LightningArgumentParser) -> str:
        if unknown := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", said):
            wrong, keys = unknown[1], re.findall(r"\w+", unknown[2])
        elif unknown := re.match(UNKNOWN, said):
            wrong = f"{unknown[1]}.{unknown[2]}" if said.startswith("Group") else unknown[2]
            keys = [action.dest for action in parser._actions if not action.dest.endswith(".help")]
        else:
            return ""
        near = difflib.get_close_matches(wrong, keys, n=1)
        return f" - did you mean {near[0]}?" if near else ""


def check(config: dict[str, object], source: Path, trust: Sequence[str] = ()) -> None:
    """See to it that a configuration from a file names nothing but known classes where options ask for them.

    Args:
        config: The configuration, as data.
        source: The file.
        trust: Packages that may be named as well.

    Raises:
        MisconfigurationException: If it names anything else, or is wrong otherwise. Nothing of it was imported then.
    """
    with untrusted.restricted(untrusted.Restriction(trust), source, config):
        _parser(config, source).parse_object(copy.deepcopy(config))


def instantiate(config: dict[str, object], source: Path, trust: Sequence[str] = ()) -> tuple[Task, Data]:
    """Make the task and the datamodule that a configuration from a file describes, if ``check`` allows it."""
    parts = {name: config[name] for name in ("model", "data")}
    with untrusted.restricted(untrusted.Restriction(trust), source, config):
        parser = _parser(parts, source)
        made = parser.instantiate_classes(parser.parse_object(parts))
    return made.model, made.data


def _parser(sections: Container[str], source: Path) -> LeydenParser:
    parser = LeydenParser()
    parser.source = source
    parser.add_argument("--seed_everything", type=bool | int, default=0)
    parser.add_argument("--name", type=str | None)
    parser.add_argument("--figures", type=bool, default=True)
    parser.add_lightning_class_args(Task, "model", subclass_mode=True)
    parser.add_lightning_class_args(Data, "data", subclass_mode=True)
    if "trainer" in sections:
        parser.add_lightning_class_args(Trainer, "trainer")
    if "checkpoint" in sections:
        parser.add_lightning_class_args(RunCheckpoint, "checkpoint")
    return parser


def values_of(words: list[str], *options: str) -> list[str]:
    """The values of an option among the words of a command line."""
    found = [words[i + 1] for i, word in enumerate(words[:-1]) if word in options]
    return found + [word.split("=", 1)[1] for word in words if word.split("=", 1)[0] in options and "=" in word]


def configs_first(words: list[str], command: str | None) -> list[str]:
    """The words of a command line with the configurations before the options, so that what is typed wins."""
    start = words.index(command) + 1 if command in words else 0
    configs, others, rest = list[str](), list[str](), iter(words[start:])
    for word in rest:
        if word in ("--config", "-c"):
            configs += [word, *islice(rest, 1)]
        else:
            (configs if word.startswith(("--config=", "-c=")) else others).append(word)
    return [*words[:start], *configs, *others]


# Options of the trainer that Lightning takes as they are, to divide by nothing or to do nothing.
_POSITIVE: tuple[str, ...] = ("max_epochs", "max_steps", "val_check_interval", "check_val_every_n_epoch")
_POSITIVE += ("log_every_n_steps", "accumulate_grad_batches", "limit_train_batches")
_NOT_NEGATIVE = ("gradient_clip_val", "min_epochs", "min_steps")
_ENDLESS = ("max_epochs", "max_steps")  # -1 says without end


def check_trainer(options: Mapping[str, object]) -> None:
    """Refuse numbers that are out of range.

    Args:
        options: All options of the trainer, by name.

    Raises:
        MisconfigurationException: If there is one.
    """
    for name in (*_POSITIVE, *_NOT_NEGATIVE):
        value = options.get(name)
        if not isinstance(value, int | float) or (name in _ENDLESS and value == -1):
            continue
        if not (value > 0 if name in _POSITIVE else value >= 0):
            least = "above 0" if name in _POSITIVE else "at least 0"
            raise MisconfigurationException(f"trainer.{name} is {value}; it must be {least}")
