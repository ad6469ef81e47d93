"""What the user is told, and what not."""

import logging
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from datamodules.files.opening import nearby
from experiments.callbacks.signals import Interrupted

REPORT = "this is a fault of the program, not of yours: please report it with the command and all that follows"


def be_quiet() -> None:
    """Leave out what does not concern the user."""
    for pattern in (
        ".*does not have many workers.*",
        ".*custom batch sampler.*",
        ".*number of training batches.*smaller than the logging interval.*",
        ".*exists and is not empty.*",
        ".*dataloader is not resumable.*",  # ours is
        ".*was called before the ``update`` method.*",  # a process without examples
        ".*Total length of.*across ranks is zero.*",
        ".*LeafSpec.*",
        ".*callbacks used to create the checkpoint need to be provided.*",  # their part is in the weights
        ".*WeightAveraging doesn't support sharding.*",
        ".*ReduceLROnPlateau conditioned on metric.*",  # before the first validation
    ):
        warnings.filterwarnings("ignore", pattern)
    told = ("litlogger", "TPU available: False", "configured with model summary callbacks")
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(
        lambda record: not any(text in record.getMessage() for text in told)
    )


@contextmanager
def needing(what: str, extra: str) -> Iterator[None]:
    """Say which extra has a package that is imported here, if it is not installed.

    Args:
        what: What needs the package.
        extra: Of this package.
    """
    try:
        yield
    except ImportError as error:
        raise MisconfigurationException(f"{what} ({error}): pip install 'leyden[{extra}]'") from error


@contextmanager
def less_logged(*names: str, level: int = logging.WARNING) -> Iterator[None]:
    """Let loggers say nothing below a level, for a while."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(level)
    try:
        yield
    finally:
        for logger, before in zip(loggers, levels, strict=True):
            logger.setLevel(before)


def tell(error: Exception) -> int | None:
    """Tell the user what ended a command.

    Returns:
        The exit code; None if it is no fault of the user's, so that the traceback has to be seen.
    """
    if isinstance(error, Interrupted):
        rank_zero_only(print)(f"\n{error}")
        return 128 + error.signum
    mendable = for_the_user(error)
    if mendable is None:
        sys.stderr.write(f"leyden: {REPORT}\n")
    if mendable is None or sys.flags.dev_mode:
        return None
    sys.stderr.write(f"leyden: {last_sentence(mendable)}\n")
    return 1


def for_the_user(error: BaseException | None) -> Exception | None:
    """The error that the user can mend, if it is one."""
    # The parser wraps what a task or datamodule says when it is made.
    while error is not None:
        if isinstance(error, MisconfigurationException | OSError | torch.OutOfMemoryError):
            return error
        if isinstance(error, Exception) and _raised_by_lightning(error):
            return error
        error = error.__cause__
    return None


def _raised_by_lightning(error: Exception) -> bool:
    """Whether Lightning itself refuses something: what it checks is what the user asked of the trainer."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    kinds = ValueError | TypeError | RuntimeError | ImportError | NotImplementedError
    return (
        isinstance(error, kinds) and trace is not None and trace.tb_frame.f_globals["__name__"].startswith("lightning.")
    )


def last_sentence(error: Exception) -> str:
    """What an error says, in one line."""
    # Out of a worker process comes the whole traceback; its last line says what happened.
    text = str(error).strip()
    if "Original Traceback" in text:
        return text.splitlines()[-1].split(": ", 1)[-1]
    if isinstance(error, OSError) and error.strerror is not None and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return " ".join(text.split()) or type(error).__name__


# How the parser says that there is no such option: of which group, and which.
UNKNOWN = r"(?:(?:Group|Subcommand) '(\w+)' does not accept option|Option|Key|unrecognized arguments:) '?([^\s'=]+)"
LONGEST = 200  # characters of a value that are repeated

_NAMES = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "a text", "NoneType": "null"}
_NAMES |= {"list": "a list", "Sequence": "a list", "Iterable": "a list", "tuple": "a list", "dict": "a mapping"}


def readable(texts: Sequence[str], words: Sequence[str] = ()) -> str:
    """What the parser of the command line found wrong, in one sentence.

    Args:
        texts: What it said, from the whole command line down to the value at fault.
        words: The command line.
    """
    keys, wanted, said = list[str](), "", ""
    for text in texts:
        if said.startswith(text):  # which adds the nearest option
            continue
        said = text
        if key := re.match(r'Parser key "([^"]+)"', said):
            if key[1] not in keys[-1:]:
                keys.append(key[1])
            wanted = ""
        if kinds := re.search(r"Subtypes: (\[.*?\]) Errors:", said):
            wanted = kinds[1]
    option = re.sub(_COMMAND, "", ".".join(keys))
    if unknown := re.match(UNKNOWN, said):
        return _unknown(unknown[2], option or re.sub(_COMMAND, "", f"{unknown[1] or ''}.").rstrip("."), said)
    if missing := re.match(r"the following arguments are required: (.*)", said):
        return f"{option or 'the command'} needs {re.sub(_COMMAND, '', missing[1])}"
    if empty := re.match(r"argument (?:-\w/)?--([^\s/]+)\S*: expected (?:one|at least one) argument", said):
        return f"{_without_value(empty[1], words)} needs a value"
    if name := re.match(r"Expected a(?: dot import path string:|n import path or .*, but got) (.*)", said):
        said = f"there is no class {name[1][:LONGEST]}"
    if other := re.match(r"(?:Not a valid subclass of|Does not implement) (\w+)\. Got value: (.*?) Subclass", said):
        said = f"{other[2][:LONGEST]} is no {other[1]}"
    if absent := re.match(r"File does not exist: '(.*)'$", said):
        path = Path(absent[1])
        path = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
        return f"there is no file {path}{nearby(path)}"
    if expected := re.match(r"Expected an? (.*?)(?:\. Got value: (.*))?$", said):
        given = next((word.partition("=")[2] for word in words if word.startswith(f"--{option}=")), expected[2])
        said = f"{given[:LONGEST]} is not" if given else "it must be"
        said += f" {_kinds(wanted or expected[1])}"
    return f"{option}: {said}" if option else said


_COMMAND = r"\b(?:fit|validate|test|predict)\."


def _unknown(name: str, group: str, said: str) -> str:
    if not name.startswith("-") and said.startswith("unrecognized"):
        return f"{name} is no option: these begin with --"
    nearest = re.search(r" - did you mean .*", said)
    has = f"{group} has" if group else "there is"
    return f"{has} no option {name.removeprefix('--')}{nearest[0] if nearest else ''}"


def _without_value(option: str, words: Sequence[str]) -> str:
    """The word that is followed by no value; the parser knows only what it begins with."""
    for word, following in zip(words, (*words[1:], "--"), strict=True):
        if following.startswith("--") and word.startswith(f"--{option}") and "=" not in word:
            return word
    return f"--{option}"


def _kinds(types: str) -> str:
    """The names of types, from how Python writes these."""
    found = list[str]()
    for kind in re.findall(r"<class '([\w.]+)'>|(?:typing\.)?Literal\[(.*?)\]|([\w.]+)(?=\[)", types):
        name = (kind[0] or kind[2]).rpartition(".")[2]
        found += re.findall(r"[^', ]+", kind[1]) or [_NAMES.get(name, f"a {name}")]
    *first, last = dict.fromkeys(found) or [types]
    return f"{', '.join(first)} or {last}" if first else last
