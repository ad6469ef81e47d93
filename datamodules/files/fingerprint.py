"""Whether files are still those that a model was trained on."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

WHOLE = 1 << 26  # bytes of a file that is read whole
BLOCK, BLOCKS = 1 << 14, 512  # of a longer one
FILES = 100  # of a folder that are looked into


def fingerprint(paths: Sequence[Path]) -> str:
    """A short text that changes where files change, also where only their lines are in another order.

    Long files are sampled. Of a folder the names and sizes of all files count, and what is in some of them. Where the
    files lie, what a single file is called and when it was written does not count.

    Args:
        paths: Files and folders.
    """
    if not paths:
        return ""
    digest = hashlib.sha256()
    for path in paths:
        if path.is_dir():
            names = sorted(_walk(path))
            looked_into = {*names[:: max(1, len(names) // FILES)]}
            for name in names:
                digest.update(f"{name}\0{(path / name).stat().st_size}\0".encode(errors="surrogateescape"))
                if name in looked_into:
                    _update(digest, path / name, 1)
        elif path.is_file():
            _update(digest, path, BLOCKS)
    return digest.hexdigest()[:16]


def _walk(folder: Path) -> Iterator[str]:
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = [os.path.join(at, name) for name in names if not name.startswith(".")]
        # Neither links to nothing nor pipes.
        yield from (os.path.relpath(path, folder) for path in paths if os.path.isfile(path))


def _update(digest: "hashlib._Hash", path: Path, blocks: int) -> None:
    size = path.stat().st_size
    digest.update(f"{size}\0".encode())
    with path.open("rb") as file:
        if blocks > 1 and size <= WHOLE:
            while content := file.read(1 << 20):
                digest.update(content)
            return
        for k in range(blocks):
            file.seek(k * max(0, size - BLOCK) // max(1, blocks - 1))
            digest.update(file.read(BLOCK))
