"""The program ``leyden``: its words alone say which command is asked for, and only that one is imported."""

import difflib
import importlib
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import NamedTuple

from experiments import __version__
from experiments.commands.configs import with_shipped


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
    "configs": Command("the experiments that come with leyden, and their scores", "experiments.commands.configs", True),
    "init": Command("a folder for a task of your own: NAME", "experiments.commands.init", True),
    "doctor": Command("versions, devices, and where things lie", "experiments.commands.doctor", True),
    "chat": Command("talk to a model trained on dialogues: --ckpt_path RUN", "experiments.chat"),
    "export": Command(
        "write a model for programs without leyden: --ckpt_path RUN --format onnx",
        "experiments.deployment.export.command",
    ),
    "serve": Command(
        "answer requests with a model: --ckpt_path RUN --port 8000", "experiments.deployment.serving.command"
    ),
    "study": Command("means over seeds or folds, or a search for options: --config FILE", "experiments.study.command"),
    "compare": Command(
        "how much runs or studies differ, and whether it counts: RUN RUN ...", "experiments.study.results.compare"
    ),
}
BEFORE = ("-c", "--config", "--print_config")  # options that Lightning's parser takes before the command
HELP = """\
usage: leyden COMMAND [options]

Everyday deep learning: one config an experiment, one folder a run.

{commands}

leyden COMMAND --help says the options of a command; leyden --version the version.
First steps:
  {leyden} fit --config digits
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a name of a run may have letters that a terminal does not know
            stream.reconfigure(errors="backslashreplace")
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

            with _waiting():
                prepare()
            words = with_shipped(words)
        module = importlib.import_module("experiments.cli" if command is None else command.module)
        code: int = module.main(words if command is None else words[1:])
        return code
    except BrokenPipeError:  # whoever read the output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        from experiments.messages import tell

        told = tell(error)
        if told is None:
            raise
        return told


@contextmanager
def _waiting() -> Iterator[None]:
    """Tell whoever sits before a screen at once that there is something to wait for."""
    screen = sys.stderr.isatty()
    if screen:
        sys.stderr.write("leyden: importing PyTorch and Lightning ...\r")
        sys.stderr.flush()
    yield
    if screen:
        sys.stderr.write("\x1b[K")


def typed() -> str:
    """What the user types for ``leyden`` where the program runs, as a shell takes it."""
    if "UV_RUN_RECURSION_DEPTH" in os.environ:  # `uv run` puts the script on the path of its own process only
        return "uv run leyden"
    beside = Path(sys.executable).with_name("leyden")
    found = shutil.which("leyden")
    if found is not None and (not beside.exists() or Path(found).samefile(beside)):
        return "leyden"
    return shlex.quote(str(beside)) if beside.exists() else f"{shlex.quote(sys.executable)} -m experiments"


def overview() -> str:
    """The text of ``leyden --help``."""
    lines = {**LIGHTNING, **{name: command.help for name, command in COMMANDS.items()}}
    return HELP.format(commands="\n".join(f"  {name:<9} {line}" for name, line in lines.items()), leyden=typed())
