"""Parsing command lines and configurations."""

import difflib
import re
import sys
from typing import Any, NoReturn

import yaml
from lightning.pytorch.cli import LightningArgumentParser

from datamodules.data import Data
from experiments import lightning_patches  # noqa: F401 - what jsonargparse does otherwise
from modules.task import Task


class LeydenParser(LightningArgumentParser):
    """Says what is wrong in one sentence, with the nearest valid key."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the sentence and exit with code 2."""
        sentence = " ".join(line.strip() for line in str(ex or message).splitlines() if line.strip())
        sys.stderr.write(f"leyden: {sentence}{self._nearest(sentence)}\n")
        sys.exit(2)

    def _nearest(self, sentence: str) -> str:
        if unknown := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", sentence):
            keys = re.findall(r"\w+", unknown[2])
        elif unknown := re.search(r"(?:Key|Option|arguments?:?) '?(?:--)?([\w.+]+)", sentence):
            keys = [action.dest for action in self._actions if not action.dest.endswith(".help")]
        else:
            return ""
        near = difflib.get_close_matches(unknown[1].split("=")[0], keys, n=1)
        return f" - did you mean {near[0]}?" if near else ""


def instantiate(config: str) -> tuple[Task, Data[Any, Any]]:
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


def values_of(words: list[str], *options: str) -> list[str]:
    """The values of an option among the words of a command line."""
    found = [words[i + 1] for i, word in enumerate(words[:-1]) if word in options]
    return found + [word.split("=", 1)[1] for word in words if word.split("=", 1)[0] in options and "=" in word]
