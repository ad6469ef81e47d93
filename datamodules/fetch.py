"""Fetching files of public datasets."""

import hashlib
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

from lightning.pytorch.utilities.exceptions import MisconfigurationException


def fetch(url: str, path: Path, checksum: str | None) -> None:
    """Fetch a file, unless it lies there already.

    It is written to ``<path>.part`` and renamed when it is whole and its checksum right; what an interrupted fetch left
    is gone on with.

    Args:
        url: Where it comes from.
        path: Where it goes; its folder is made.
        checksum: SHA-256, in hexadecimal, or its first 16 digits; not checked if None.

    Raises:
        MisconfigurationException: If it cannot be fetched, or is not what was expected.
    """
    if path.exists():
        return
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, part)
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise MisconfigurationException(
            f"could not fetch {url} ({reason}); fetch it yourself and put it at {path}"
        ) from error
    if checksum is not None and not sha256(part).startswith(checksum):
        part.unlink()
        raise MisconfigurationException(
            f"{url} is not the expected file (its checksum differs); {path} was not written"
        )
    os.replace(part, path)


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch(url: str, part: Path) -> None:
    from tqdm import tqdm

    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(
        url, headers={"User-Agent": "leyden"} | ({"Range": f"bytes={have}-"} if have else {})
    )
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is missing
            return
        raise
    with response:
        if have and response.status != 206:  # the server sends all of it again
            have = 0
        size = response.headers.get("Content-Length")
        total = None if size is None else have + int(size)
        bar = tqdm(
            total=total, initial=have, unit="B", unit_scale=True, desc=part.stem, disable=not sys.stderr.isatty()
        )
        with part.open("ab" if have else "wb") as file, bar:
            while chunk := response.read(1 << 20):
                file.write(chunk)
                bar.update(len(chunk))
    if total is not None and part.stat().st_size < total:
        raise OSError(f"the connection broke after {part.stat().st_size} of {total} bytes; try again to go on")
