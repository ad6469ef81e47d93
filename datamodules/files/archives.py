"""Reading the files of an archive without unpacking it."""

import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from lightning.pytorch.utilities.exceptions import MisconfigurationException


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of a ``.zip``, ``.tar`` or ``.tar.gz``, in the order of the names.

    Raises:
        MisconfigurationException: If it is damaged.
    """
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for name in sorted(archive.namelist()):
                    if not name.endswith("/"):
                        yield name, archive.read(name)
        else:
            with tarfile.open(path) as packed:
                for member in sorted(packed.getmembers(), key=lambda member: member.name):
                    if member.isfile():
                        file = packed.extractfile(member)
                        assert file is not None
                        yield member.name, file.read()
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise MisconfigurationException(f"{path} is damaged: {error}") from error
