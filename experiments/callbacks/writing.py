"""Writing checkpoints so that a failure leaves what was there."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from lightning.pytorch import Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from experiments.runs import command


def write_checkpoints(trainer: Trainer, folder: Path, names: Iterable[str]) -> None:
    """Write the same checkpoint under several names. All processes come here together.

    Args:
        trainer: Has the state to write.
        folder: Where to write.
        names: Without suffix.

    Raises:
        MisconfigurationException: If that fails. What was there before under these names still is.
    """
    written: Path | None = None
    for name in names:
        path = folder / f"{name}.ckpt"
        try:
            _write(trainer, path, written)
        except (OSError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "write" not in str(error):
                raise
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error).splitlines()[0]
            before = "the one before it is untouched" if path.exists() else "it would have been the first"
            raise MisconfigurationException(
                f"the checkpoint {path} could not be written ({reason}); {before}. When that is mended, go on with: "
                + command("fit --ckpt_path", folder.parent)
            ) from error
        written = path


def _write(trainer: Trainer, path: Path, same: Path | None) -> None:
    beside = path.with_suffix(".tmp")  # an interrupted or failed write leaves the former file as it was
    try:
        if same is None or same.is_dir():  # sharded strategies write a folder
            trainer.save_checkpoint(beside, weights_only=False)
        elif trainer.is_global_zero:  # a copy, no link: should one file be damaged, the other is not
            shutil.copyfile(same, beside)
        if trainer.is_global_zero:
            _replace(beside, path)
    except (OSError, RuntimeError):
        _remove(beside)
        raise


def _replace(source: Path, path: Path) -> None:
    if source.is_dir():  # a folder cannot take the place of another one
        former = path.with_suffix(".old")
        _remove(former)
        if path.exists():
            path.rename(former)
        source.rename(path)
        _remove(former)
        return
    with source.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(source, path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
