"""The program ``leyden``: its words alone say which command is asked for, and only that one is imported."""

import difflib
import importlib
import sys
from typing import NamedTuple

from experiments import __version__


class Command(NamedTuple):
    """A command of the program.

    Attributes:
        help: What it does, in one line.
        module: Where its ``main(words) -> int`` is, which gets the words after the command.
        light: Whether it does without PyTorch.
    """

    help: str
    module: str
    light: bool = False


# Lightning's own commands share one parser, which gets the command too.
LIGHTNING = {
    "fit": "train a model, or go on: --config FILE, or --ckpt_path RUN",
    "validate": "score a run on its validation split: --ckpt_path RUN",
    "test": "score a run on its test split: --ckpt_path RUN",
    "predict": "answers for files of your own: --ckpt_path RUN --data.predict_path FILE_OR_FOLDER",
}
COMMANDS = {
    "chat": Command("talk to a model trained on dialogues: --ckpt_path RUN", "experiments.chat"),
    "study": Command("means over seeds or folds, or a search for options: --config FILE", "experiments.study.command"),
}
BEFORE = ("-c", "--config", "--print_config")  # options that Lightning's parser takes before the command
HELP = """\
usage: leyden COMMAND [options]

Everyday deep learning: one config an experiment, one folder a run.

{commands}

leyden COMMAND --help says the options of a command; leyden --version the version.
First steps:
  {leyden} fit --config configs/image_classification/digits.yaml
  {leyden} test --ckpt_path runs/digits/0
"""


def main(words: list[str] | None = None) -> int:
    """Run ``leyden``.

    Args:
        words: The command line, by default that of the process.

    Returns:
        Exit code: 0; 1 after an error the user can mend (told in one sentence); 2 after a wrong command line;
        128 + signal after an interruption.
    """
    words = sys.argv[1:] if words is None else words
    first = words[0] if words else ""
    if first in ("", "-h", "--help"):
        print(overview(), end="")
        return 0 if first else 2
    if first == "--version":
        print(f"leyden {__version__}")
        return 0
    known = [*LIGHTNING, *COMMANDS]
    if first not in known and not first.startswith(BEFORE):
        what = f"option {first.lstrip('-')}" if first.startswith("-") else f"command {first}"
        near = difflib.get_close_matches(first.lower(), known, n=1)
        hint = f" - did you mean {near[0]}?" if near else f"; the commands are {', '.join(known)}"
        sys.stderr.write(f"leyden: there is no {what}{hint}\n")
        return 2
    command = COMMANDS.get(first)
    try:
        if command is None or not command.light:
            from experiments.startup import prepare

            prepare()
        module = importlib.import_module("experiments.cli" if command is None else command.module)
        code: int = module.main(words if command is None else words[1:])
        return code
    except Exception as error:
        from experiments.messages import tell

        told = tell(error)
        if told is None:
            raise
        return told


def overview() -> str:
    """The text of ``leyden --help``."""
    lines = {**LIGHTNING, **{name: command.help for name, command in COMMANDS.items()}}
    return HELP.format(commands="\n".join(f"  {name:<9} {line}" for name, line in lines.items()), leyden="leyden")
