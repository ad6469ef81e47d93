"""What people call the folders and files of the splits."""

from collections.abc import Mapping
from pathlib import Path

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validate": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
SYSTEM = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "Thumbs.db", "desktop.ini")


def split_name(name: str) -> str | None:
    """The split that the name of a folder or a file, or a cell, means, in any case; None if it means none."""
    return NAMES.get(name.strip().lower())


def is_hidden(path: Path) -> bool:
    """Whether a file or folder is hidden, or put there by a system."""
    return path.name.startswith(".") or path.name in SYSTEM


def subfolders(folder: Path) -> list[Path]:
    """The folders in a folder that are not hidden, in the order of their names."""
    return sorted(entry for entry in folder.iterdir() if entry.is_dir() and not is_hidden(entry))


def split_folders(folder: Path) -> dict[str, Path]:
    """The folders of given splits, each with class folders; none if the class folders are not divided.

    Raises:
        MisconfigurationException: If two are for one split.
    """
    found: dict[str, Path] = {}
    for entry in subfolders(folder):
        split = split_name(entry.name)
        if split is not None and split in found:
            raise twice(folder, split, found[split].name, entry.name)
        if split is not None:
            found[split] = entry
    return found if "train" in found and subfolders(found["train"]) else {}


def report_others(folder: Path, given: Mapping[str, Path]) -> None:
    """Say which folders are left out beside those of the splits, or have the name of a split and are taken for classes.

    Args:
        folder: The user's folder.
        given: What ``split_folders`` found in it.
    """
    rest = [entry.name for entry in subfolders(folder) if entry not in given.values()]
    if given and rest:
        rank_zero_warn(f"{folder}: left out the folders {', '.join(rest)}, which are not train, val or test")
    elif alike := [name for name in rest if split_name(name) is not None]:
        rank_zero_warn(
            f"{folder}: {', '.join(alike)} taken for a class: there is no folder train with class folders in it"
        )


def twice(folder: Path, split: str, first: str, second: str) -> MisconfigurationException:
    """The fault of a folder that has two folders or files for one split."""
    return MisconfigurationException(f"{folder}: {first} and {second} are both for the {split} split; keep one")
