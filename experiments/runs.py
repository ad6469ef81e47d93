"""Folders of runs: ``runs/<name>/<number>/``."""

import json
import os
import shlex
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from experiments.program import typed

T = TypeVar("T")

FOLDER = "checkpoints"  # of a run
CONFIG = "config.yaml"  # in the folder of a run
SCORES = "metrics.json"  # likewise
CONDITIONS = "metrics_of.json"  # likewise: under which conditions scores are not those of the run
FORMAT = 2  # of checkpoints; what is written in another one cannot be read
LONGEST = 100  # characters of a name


class Claim(NamedTuple):
    """A run folder that this process has made, for itself alone.

    Attributes:
        folder: The folder.
        made: Folders above it that were made for it, the innermost first.
    """

    folder: Path
    made: list[Path]


def check_name(name: str) -> None:
    """Refuse what is not the plain name of a folder.

    Raises:
        MisconfigurationException: If it is none.
    """
    wrong = {"/", "\\", "\0"} & set(name) or not name.isprintable() or name.strip() in ("", ".", "..")
    if wrong or len(name) > LONGEST or len(name.encode()) > 255:
        raise MisconfigurationException(
            f"{name[:LONGEST]!r} is no name for a run: take a plain one of at most {LONGEST} characters, without "
            "slashes and not only dots, with --name"
        )


def claim(root: Path, name: str) -> Claim:
    """Make the folder of a new run; of several processes that ask at one instant each gets one of its own.

    Args:
        root: Folder of all runs.
        name: Name of the run.

    Raises:
        MisconfigurationException: If the name is none, or there can be no such folder.
    """
    check_name(name)
    parent = root / name
    made = [folder for folder in (parent, *parent.parents) if not folder.exists()]
    while True:
        try:
            parent.mkdir(parents=True, exist_ok=True)
            numbers = [int(path.name) for path in parent.iterdir() if path.name.isdecimal()]
            folder = parent / str(max(numbers, default=-1) + 1)
            folder.mkdir()  # fails if another process was faster
            return Claim(folder, made)
        except FileExistsError:
            if not parent.is_dir():
                raise MisconfigurationException(_no_room(parent, "there is a file of this name")) from None
        except FileNotFoundError:  # another process has just given back the only number
            continue
        except OSError as error:
            raise MisconfigurationException(_no_room(parent, error.strerror or str(error))) from error


def _no_room(folder: Path, reason: str) -> str:
    return f"the run cannot have a folder in {folder} ({reason}); another place for runs: --trainer.default_root_dir"


def give_back(claimed: Claim) -> None:
    """Remove the folder of a run that never trained, and what was made for it."""
    shutil.rmtree(claimed.folder, ignore_errors=True)
    for folder in claimed.made:
        try:
            folder.rmdir()
        except OSError:  # another run lies there by now
            return


def write(path: Path, text: str) -> None:
    """Write a file of a run: the whole of it, or none if that fails."""
    beside = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def read_scores(folder: Path) -> dict[str, float]:
    """The scores in the ``metrics.json`` of a run; none if there is no such file.

    Raises:
        MisconfigurationException: If it is damaged.
    """
    return _read(folder / SCORES, float, "test the run anew")


def write_scores(folder: Path, scores: Mapping[str, float]) -> Path:
    """Write scores into the ``metrics.json`` of a run, beside those that are there under other names."""
    path = folder / SCORES
    write(path, json.dumps({**_readable(path, read_scores), **scores}, indent=2, sort_keys=True) + "\n")
    return path


def replace_scores(folder: Path, scores: Mapping[str, float]) -> None:
    """Write the scores of the best checkpoint; what is there goes, unless it is of the same."""
    if not scores.items() <= _readable(folder / SCORES, read_scores).items():
        (folder / SCORES).unlink(missing_ok=True)
        (folder / CONDITIONS).unlink(missing_ok=True)
    write_scores(folder, scores)


def read_conditions(folder: Path) -> dict[str, list[str]]:
    """Of ``val`` and ``test``: what makes the scores of a run others than those of its best checkpoint on all examples.

    Raises:
        MisconfigurationException: If the file is damaged.
    """
    return _read(folder / CONDITIONS, lambda conditions: list(map(str, conditions)), "delete it, and test the run anew")


def _read(path: Path, convert: Callable[[Any], T], advice: str) -> dict[str, T]:
    try:
        return {str(name): convert(value) for name, value in json.loads(path.read_text(encoding="utf-8")).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, TypeError) as error:
        raise MisconfigurationException(f"{path} is damaged: {advice}") from error


def _readable(path: Path, read: Callable[[Path], dict[str, T]]) -> dict[str, T]:
    """What a file of a run holds that is about to be written; nothing if it is damaged, which is told."""
    try:
        return read(path.parent)
    except MisconfigurationException:
        rank_zero_warn(f"{path} is damaged, and written anew")
        return {}


def write_conditions(folder: Path, split: str, conditions: list[str]) -> None:
    """Write what makes the scores of a split others than those of the run; nothing if nothing does."""
    path = folder / CONDITIONS
    known = {name: told for name, told in (_readable(path, read_conditions) | {split: conditions}).items() if told}
    if known:
        write(path, json.dumps(known, indent=2, sort_keys=True) + "\n")
    else:
        path.unlink(missing_ok=True)


def command(words: str, folder: Path) -> str:
    """A command line to type next, as a shell takes it.

    Args:
        words: All but the last word.
        folder: The last word.
    """
    return f"{typed()} {words} {shlex.quote(str(folder))}"
