"""Opening files: compression and encoding, told alike for every kind of data."""

import bz2
import codecs
import difflib
import gzip
import io
import lzma
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from lightning.pytorch.utilities.exceptions import MisconfigurationException

MAX_LINE = 1 << 24  # characters of a line, and of a quoted cell
UNPACKED = 1 << 30  # bytes that any packed file may unpack to; beyond, ``RATIO`` times its size
RATIO = 100
MANY, FEW = 10_000, 5  # files of a folder that are compared with a name, and that are named
PACKED = (".gz", ".bz2", ".xz", ".zip")
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def suffix_of(path: Path) -> str:
    """The suffix in lower case, that of the packed file if it is packed: ``.csv`` of ``A.CSV.gz``."""
    name = path.with_suffix("") if path.suffix.lower() in PACKED else path
    return name.suffix.lower()


def check_file(path: Path) -> None:
    """Refuse what is no file with something in it.

    Raises:
        MisconfigurationException: If there is no such file, it is a folder, a pipe, or empty.
    """
    if not path.exists():
        raise MisconfigurationException(f"there is no file {path}{nearby(path)}")
    if not path.is_file():
        raise MisconfigurationException(f"{path} is a {'folder' if path.is_dir() else 'pipe or device'}, not a file")
    if path.stat().st_size == 0:
        raise MisconfigurationException(f"{path} is empty")


def check_unpacked(path: Path, size: int) -> None:
    """Refuse a packed file of which so many bytes are unpacked that it is made to do harm."""
    if size > max(UNPACKED, RATIO * path.stat().st_size):
        raise MisconfigurationException(
            f"{path} unpacks to more than {RATIO} times its size; if that is meant, unpack it yourself"
        )


def nearby(path: Path) -> str:
    """What to say further of a path that is not there: the nearest one that is, or the few that lie beside it."""
    folder = next((folder for folder in path.parents if folder.is_dir()), None)
    if folder is None or folder == path:
        return ""
    missing, *rest = path.relative_to(folder).parts
    try:
        names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError:
        return ""
    if len(names) > MANY:
        return ""
    for name in difflib.get_close_matches(missing, [name for name in names if name != missing]):
        found = folder.joinpath(name, *rest)
        if found.exists():
            return f"; did you mean {found}?"
        if (folder / name).is_dir() and (deeper := nearby(found)):
            return deeper
    few = 0 < len(names) <= FEW and not rest and folder.name
    return f"; in {folder} there is {', '.join(names)}" if few else ""


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, unpacked on the way if it ends in ``.gz``, ``.bz2``, ``.xz``, or ``.zip`` with a single file in it.

    Raises:
        MisconfigurationException: If it cannot be read, is damaged, or unpacks to more than is believable.
    """
    check_file(path)
    suffix = path.suffix.lower()
    try:
        if suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                names = [name for name in archive.namelist() if not (name.endswith("/") or name.startswith("__MACOSX"))]
                if len(names) != 1:
                    raise MisconfigurationException(
                        f"{path} holds {len(names)} files, and a table or text is one file: give that file itself"
                    )
                with archive.open(names[0]) as file:
                    yield _bounded(file, path)
        elif suffix in (".gz", ".bz2", ".xz"):
            packed: Any = {".gz": gzip.GzipFile, ".bz2": bz2.BZ2File, ".xz": lzma.LZMAFile}[suffix]
            with packed(path) as file:
                yield _bounded(file, path)
        else:
            with path.open("rb") as file:
                yield file
    except (zipfile.BadZipFile, gzip.BadGzipFile, lzma.LZMAError, EOFError, OSError, RuntimeError) as error:
        raise MisconfigurationException(f"{path} cannot be read: {error}") from error


class _Bounded(io.RawIOBase):
    def __init__(self, file: IO[bytes], path: Path) -> None:
        self.file, self.path, self.size = file, path, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        content = self.file.read(len(buffer))
        self.size += len(content)
        check_unpacked(self.path, self.size)
        buffer[: len(content)] = content
        return len(content)


def _bounded(file: IO[bytes], path: Path) -> IO[bytes]:
    return io.BufferedReader(_Bounded(file, path), 1 << 20)


def find_encoding(path: Path, encoding: str | None = None) -> str:
    """The encoding to open a file with: what was told, else what its byte-order mark says, else UTF-8.

    Raises:
        MisconfigurationException: If there is no such encoding, or the file is no text.
    """
    if encoding is not None:
        try:
            name = codecs.lookup(encoding).name
        except LookupError as error:
            raise MisconfigurationException(f"there is no encoding `{encoding}` (--data.encoding)") from error
        return "utf-8-sig" if name == "utf-8" else name  # a byte-order mark is no text
    with open_bytes(path) as file:
        head = file.read(4096)
    for mark, name in MARKS:
        if head.startswith(mark):
            return name
    if head.startswith(b"PK\x03\x04"):
        raise MisconfigurationException(f"{path} is an archive or an Excel file, not text: name it .zip or .xlsx")
    if head.count(0) * 4 > len(head):
        little = head[1::2].count(0) > head[::2].count(0)
        raise MisconfigurationException(
            f"{path} is not UTF-8 text: it is full of NUL bytes; if it is UTF-16, "
            f"say `--data.encoding utf-16-{'le' if little else 'be'}`"
        )
    return "utf-8-sig"


@contextmanager
def open_lines(path: Path, encoding: str | None = None, newline: str | None = None) -> Iterator[Iterator[str]]:
    """Open a text file as an iterator over its lines, with their ends.

    Args:
        path: The file.
        encoding: Its encoding; see ``find_encoding``.
        newline: ``\\n`` or ``\\r`` if nothing else ends a line; empty if both do, as between rows of a table; None for
            a line feed, or a carriage return where the file has no line feed, as old Macs wrote.

    Raises:
        MisconfigurationException: If a byte does not fit the encoding, or a line has more than ``MAX_LINE`` characters.
    """
    name = find_encoding(path, encoding)
    newline = _line_end(path) if newline is None else newline
    with open_bytes(path) as file, io.TextIOWrapper(file, name, newline=newline) as text:
        yield _lines(text, path, name, newline)


def read_lines(path: Path, encoding: str | None = None) -> Iterator[str]:
    r"""Lines of a file without their ends: ``\n`` or ``\r\n``, and ``\r`` only where there is no ``\n`` at all.

    Args:
        path: The file, as it is or packed (``.gz``, ``.bz2``, ``.xz``, ``.zip`` of one file).
        encoding: Its encoding; what its byte-order mark says, else UTF-8, if None.

    Raises:
        MisconfigurationException: If there is no such file, a byte does not fit the encoding, or a line is too long.
    """
    with open_lines(path, encoding) as lines:
        for line in lines:
            yield line.removesuffix("\n").removesuffix("\r")


def _line_end(path: Path) -> str:
    with open_bytes(path) as file:
        returns = False
        while block := file.read(1 << 16):
            if b"\n" in block:
                return "\n"
            returns = returns or b"\r" in block
    return "\r" if returns else "\n"


def _lines(text: IO[str], path: Path, encoding: str, newline: str) -> Iterator[str]:
    number = 0
    try:
        while line := text.readline(MAX_LINE + 1):
            number += 1
            if len(line) > MAX_LINE:
                raise MisconfigurationException(
                    f"{path}, line {number} has more than {MAX_LINE:,} characters; is it a text file?"
                )
            yield line
    except UnicodeError as error:
        at, byte = _undecodable(path, encoding, newline) or (number + 1, "a byte")
        shown = encoding.removesuffix("-sig").upper()
        other = "cp1252" if shown == "UTF-8" else "utf-8"
        raise MisconfigurationException(
            f"{path}, line {at}: {byte} is not {shown}; say how the file is encoded, "
            f"for instance `--data.encoding {other}`"
        ) from error


def _undecodable(path: Path, encoding: str, newline: str) -> tuple[int, str] | None:
    # A file is decoded in blocks, so the error does not know its line.
    with open_bytes(path) as file, io.TextIOWrapper(file, encoding, "surrogateescape", newline=newline) as text:
        try:
            for number, line in enumerate(text, start=1):
                for char in line if not line.isascii() else "":
                    if "\udc80" <= char <= "\udcff":
                        return number, f"byte 0x{ord(char) - 0xDC00:02x}"
        except UnicodeError:  # of UTF-16, where no byte can be escaped
            pass
    return None
