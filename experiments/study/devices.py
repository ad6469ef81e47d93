"""Which devices the runs of a process use."""

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info

from experiments.study.claims import FileLock


class Devices(NamedTuple):
    """Devices of the runs of this process.

    Attributes:
        indices: GPUs; None where the processor computes, or there is but one choice.
        number: How many devices a run is trained on.
        locks: Held as long as this process works.
    """

    indices: list[int] | None
    number: int
    locks: list[FileLock]

    @property
    def words(self) -> list[str]:
        """Options of training."""
        return [f"--trainer.devices={self.number if self.indices is None else self.indices}"]

    @property
    def first(self) -> list[str]:
        """Options of testing, which one device does."""
        return [f"--trainer.devices={1 if self.indices is None else self.indices[:1]}"]


def take_devices(options: Mapping[str, object], wanted: int | None, folder: Path) -> Devices:
    """Take devices that no other process of the study on this machine uses, as long as there are any.

    Args:
        options: Of the runs.
        wanted: Devices of a run, if that was said.
        folder: Of the study.

    Raises:
        MisconfigurationException: If there are not so many.
    """
    asked = str(options.get("trainer.devices"))
    count = wanted or (int(asked) if asked.isdecimal() else 1)
    there = torch.cuda.device_count()
    if options.get("trainer.accelerator") not in ("auto", "gpu", "cuda") or not there:
        return Devices(None, count, [])
    if count > there:
        raise MisconfigurationException(f"--study.devices_per_trial is {count}, but there are {there} devices")
    locks, taken = list[FileLock](), list[int]()
    for index in range(there):
        lock = FileLock(folder / f".device_{index}_of_{socket.gethostname()}")
        if len(taken) < count and lock.acquire(wait=False):
            locks.append(lock)
            taken.append(index)
    if len(taken) < count:
        taken += [index for index in range(there) if index not in taken][: count - len(taken)]
        rank_zero_info(f"all {there} devices are in use by this study: {taken} are shared with other processes")
    return Devices(taken, count, locks)
