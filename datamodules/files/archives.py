"""Reading the files of an archive without unpacking it."""

import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.opening import check_file, check_unpacked

MEMBERS = 1_000_000


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file of a ``.zip``, ``.tar`` or ``.tar.gz``, in the order of the names.

    Raises:
        MisconfigurationException: If it is damaged, or holds what no honest archive does: paths that lead out of it,
            links, more files or bytes than are believable.
    """
    check_archive(path)
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                for name in sorted(archive.namelist()):
                    if not name.endswith("/"):
                        yield name, archive.read(name)
        else:
            with tarfile.open(path) as packed:
                for member in sorted(packed.getmembers(), key=lambda member: member.name):
                    file = packed.extractfile(member) if member.isfile() else None
                    if file is not None:
                        yield member.name, file.read()
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, zlib.error, RuntimeError) as error:
        raise MisconfigurationException(f"{path} is damaged: {error}") from error


def check_archive(path: Path) -> None:
    """Refuse an archive that is damaged or made to do harm, by its table of contents.

    Raises:
        MisconfigurationException: As ``members``.
    """
    check_file(path)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                contents = [
                    (info.filename, info.file_size, (info.external_attr >> 28) == 0xA) for info in archive.infolist()
                ]
        else:
            contents = _tar_contents(path)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise MisconfigurationException(f"{path} is no archive, or damaged ({str(error).splitlines()[0]})") from error
    if len(contents) > MEMBERS:
        raise MisconfigurationException(f"{path} holds more than {MEMBERS:,} files")
    for name, _, link in contents:
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or name[1:2] == ":":
            raise MisconfigurationException(f"{path} holds a file whose path leads out of the archive: {name}")
        if link:
            raise MisconfigurationException(f"{path} holds a link, which is not followed: {name}")
    check_unpacked(path, sum(size for _, size, _ in contents))


def _tar_contents(path: Path) -> list[tuple[str, int, bool]]:
    contents: list[tuple[str, int, bool]] = []
    size = 0
    with tarfile.open(path) as packed:
        for member in packed:  # one by one: the table of contents of a packed tar is only known to its end
            contents.append((member.name, member.size, member.issym() or member.islnk()))
            size += member.size
            check_unpacked(path, size)
            if len(contents) > MEMBERS:
                break
    return contents
