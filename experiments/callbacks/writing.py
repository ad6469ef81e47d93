"""Writing checkpoints so that a failure leaves what was there."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from experiments.runs import command


class DirectCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint into its file, not by way of all of it in memory and another file elsewhere.

    Attributes:
        is_kept: Whether an error is kept as ``error``, for the other processes, which are waiting by then.
        error: The error that is kept.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_kept = False
        self.error: OSError | None = None

    def save_checkpoint(self, checkpoint: dict[str, object], path: str | Path, storage_options: object = None) -> None:
        """Write.

        Raises:
            OSError: If the file cannot be written.
        """
        try:
            _save(checkpoint, Path(path))
        except OSError as error:
            if not self.is_kept:
                raise
            self.error = error


def _save(checkpoint: dict[str, object], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        try:
            torch.save(checkpoint, file)
        except RuntimeError as error:  # says where in the file, not why
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def write_checkpoints(trainer: Trainer, folder: Path, names: Iterable[str]) -> None:
    """Write the same checkpoint under several names. All processes come here together.

    Args:
        trainer: Has the state to write.
        folder: Where to write.
        names: Without suffix.

    Raises:
        MisconfigurationException: If that fails. What was there before under these names still is.
    """
    same: Path | None = None
    for name in names:
        path = folder / f"{name}.ckpt"
        error, is_file = _write(trainer, path, same)
        if error is not None:
            reason = error.strerror or str(error)
            before = "the one before it is untouched" if path.exists() else "it would have been the first"
            raise MisconfigurationException(
                f"the checkpoint {path} could not be written ({reason}); {before}. When that is mended, go on with: "
                + command("fit --ckpt_path", folder.parent)
            ) from error
        same = path if is_file else None


def _write(trainer: Trainer, path: Path, same: Path | None) -> tuple[OSError | None, bool]:
    """Write one, or copy the ``same``; what went wrong and whether it is a file, as the first process has found."""
    beside = path.with_suffix(".tmp")  # an interrupted or failed write leaves the former file as it was
    error, is_file = None, True
    try:
        if same is None:
            error = _save_together(trainer, beside)
        elif trainer.is_global_zero:  # a copy, no link: should one file be damaged, the other is not
            shutil.copyfile(same, beside)
        if trainer.is_global_zero and error is None:
            is_file = not beside.is_dir()  # sharded strategies may write a folder
            _replace(beside, path)
    except OSError as failure:
        error = failure
    if error is not None:
        _remove(beside)
    return trainer.strategy.broadcast((error, is_file))


def _save_together(trainer: Trainer, path: Path) -> OSError | None:
    writer = trainer.strategy.checkpoint_io
    if not isinstance(writer, DirectCheckpointIO):
        trainer.save_checkpoint(path, weights_only=False)
        return None
    writer.is_kept, writer.error = True, None
    try:
        trainer.save_checkpoint(path, weights_only=False)
    finally:
        writer.is_kept = False
    return writer.error


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
