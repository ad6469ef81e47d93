"""Writing that nothing else depends on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning.pytorch.utilities.rank_zero import rank_zero_warn

_TOLD: set[Path] = set()  # folders of which it was said: training would say it at every validation


@contextmanager
def optional(name: str, folder: Path, advice: str = "") -> Iterator[None]:
    """Where a failure to write is told, once a folder, and nothing else ends with it.

    Args:
        name: What is written.
        folder: Where.
        advice: What the user can do about it, beside mending the reason.
    """
    try:
        yield
    except OSError as error:
        if folder.absolute() in _TOLD:
            return
        _TOLD.add(folder.absolute())
        reason = error.strerror or " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, FileExistsError | NotADirectoryError):
            reason = f"{error.filename or folder} is no folder"
        elif error.filename is not None and Path(error.filename) != folder / name:
            reason = f"{error.filename}: {reason}"
        rank_zero_warn(f"{name} cannot be written into {folder} ({reason}); all else goes on{advice and f'. {advice}'}")
