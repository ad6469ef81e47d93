"""The event files of a run, rewound to a checkpoint: a run that goes on writes after it what it would have written."""

import os
from pathlib import Path

SUFFIX = ".fit"  # of files that training writes; those of tests are left alone


def sizes(folder: Path) -> dict[str, int]:
    """Names of a run's event files of training, with their sizes as they are on the disk."""
    return {path.name: path.stat().st_size for path in sorted(folder.glob(f"events.*{SUFFIX}"))}


def rewind(folder: Path, kept: dict[str, int]) -> None:
    """Make the event files what they were when a checkpoint was written.

    Args:
        folder: Folder of a run.
        kept: What ``sizes`` returned then. Files that there were not are removed, longer ones are cut.
    """
    for name, size in sizes(folder).items():
        if name not in kept:
            (folder / name).unlink()
        elif size > kept[name]:
            os.truncate(folder / name, kept[name])
