"""What makes a checkpoint self-contained, and how it is read again."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn

from datamodules.files.opening import nearby
from experiments import parts
from experiments.runs import CONFIG, FOLDER, FORMAT
from experiments.untrusted import MOST, unfolded_size
from modules.nets.loading import first_line

# What training writes, by name.
PARTS = {
    "state_dict": dict,
    "config": str,
    "epoch": int,
    "global_step": int,
    "loops": dict,
    "callbacks": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
    "resume": dict,
    "events": dict,
}


def read(path: Path) -> dict[str, Any]:
    """Read a checkpoint without executing anything in it.

    Raises:
        MisconfigurationException: If the file is missing, damaged, of another format, or holds anything but plain data.
    """
    if path.exists() and not path.is_file() and not path.is_dir():  # reading a pipe would wait for ever
        raise MisconfigurationException(f"{path} is no file")
    if path.is_file():
        _check_archive(path)
    try:
        whole = not parts.is_one(path)
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True) if whole else parts.read_rest(path)
    except FileNotFoundError:
        raise MisconfigurationException(f"there is no checkpoint {path}{nearby(path)}") from None
    except pickle.UnpicklingError as error:
        if "Unsupported" in str(error) or "weights_only" in str(error):
            raise MisconfigurationException(
                f"{path} holds Python objects that could run code when loaded, so it was not loaded"
            ) from None
        raise MisconfigurationException(f"{path} is damaged or not a checkpoint") from None
    except (RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise MisconfigurationException(f"{path} is damaged or not a checkpoint ({first_line(error)})") from None
    if not isinstance(content, dict) or not {"state_dict", "config"} <= content.keys():
        raise MisconfigurationException(f"{path} is not a checkpoint written by leyden fit")
    if unfolded_size(content) > MOST:
        raise MisconfigurationException(f"{path} is no checkpoint: it unfolds to more than {MOST:,} values")
    if content.get("format", 1) != FORMAT:
        raise MisconfigurationException(
            f"{path} has the format {content.get('format', 1)} of another version of leyden; this one reads {FORMAT}"
        )
    for name, kind in PARTS.items():
        if not isinstance(content.get(name), kind):
            raise MisconfigurationException(f"{path} is damaged: its part {name} is not what leyden fit writes")
    return content


def _check_archive(path: Path) -> None:
    """Refuse what is not the kind of ZIP file that ``torch.save`` writes, whose members are stored as they are."""
    try:
        with ZipFile(path) as archive:
            members = archive.infolist()
    except (BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise MisconfigurationException(f"{path} is damaged or not a checkpoint ({first_line(error)})") from None
    if any(member.compress_type != ZIP_STORED for member in members):
        raise MisconfigurationException(f"{path} is no checkpoint: its parts are compressed")
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise MisconfigurationException(f"{path} is no checkpoint: its parts are larger than the file")


def find(path: Path, to_train: bool) -> tuple[Path | None, dict[str, Any]]:
    """Find and read the checkpoint that a file or run folder stands for.

    Args:
        path: A checkpoint file, or a run folder: its ``best.ckpt``, or ``last.ckpt`` to go on training.
        to_train: Whether training goes on from it. Then the newest readable checkpoint of the run will do.

    Returns:
        The file and what it holds; of a run that never came to its first checkpoint no file, and only the ``config``
        with which training begins anew.

    Raises:
        MisconfigurationException: If there is none, or it cannot be read.
    """
    if not path.is_dir() or parts.is_one(path):
        return _read_for(path, to_train)
    candidates = list(_candidates(path / FOLDER, "last.ckpt" if to_train else "best.ckpt"))
    if not candidates and to_train and (path / CONFIG).is_file():
        rank_zero_info(f"{path} holds no checkpoint yet: training begins anew, as {path / CONFIG} says")
        return None, {"config": (path / CONFIG).read_text(encoding="utf-8")}
    problems = []
    for candidate in candidates:
        try:
            found, content = _read_for(candidate, to_train)
        except MisconfigurationException as error:
            problems.append(str(error))
            if not to_train:
                break
            continue
        for problem in problems:
            rank_zero_warn(f"{problem}; going on from {candidate}, step {content['global_step']}")
        return found, content
    raise MisconfigurationException("; ".join(problems) or f"{path} holds no checkpoint ({path / FOLDER}/*.ckpt)")


def _read_for(path: Path, to_train: bool) -> tuple[Path, dict[str, Any]]:
    # Training goes on from parts as they are; whatever else needs the weights in one file.
    if parts.is_one(path) and not to_train:
        path = parts.joined(path)
    return path, read(path)


def _candidates(folder: Path, first: str) -> Iterator[Path]:
    rest = sorted(folder.glob("*.ckpt"), key=lambda path: path.stat().st_mtime, reverse=True)
    if (folder / first).exists():
        yield folder / first
    yield from (path for path in rest if path.name != first)


def exists(run: Path) -> bool:
    """Whether a run has any checkpoint."""
    return any(_candidates(run / FOLDER, "last.ckpt"))


def run_folder(path: Path) -> Path:
    """The run that a checkpoint file lies in; for a file outside any run, the folder of the file."""
    return path.parent.parent if path.parent.name == FOLDER else path.parent


def facts(content: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """The facts that a checkpoint carries.

    Args:
        content: The checkpoint.
        config: The configuration in it.
    """
    found: dict[str, Any] = content.get(config["data"]["class_path"].rsplit(".", 1)[-1], {})
    return found
