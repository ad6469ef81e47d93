"""Lines of text files, whatever their encoding and compression."""

from collections.abc import Iterator
from pathlib import Path

from datamodules.files.opening import open_lines


def read_lines(path: Path, encoding: str | None = None) -> Iterator[str]:
    r"""Lines of a file without their ends; only ``\n`` or ``\r\n`` ends a line.

    Args:
        path: The file, as it is or packed (``.gz``, ``.bz2``, ``.xz``, ``.zip`` of one file).
        encoding: Its encoding; what its byte-order mark says, else UTF-8, if None.

    Raises:
        MisconfigurationException: If there is no such file, a byte does not fit the encoding, or a line is too long.
    """
    with open_lines(path, encoding) as lines:
        for line in lines:
            yield line.removesuffix("\n").removesuffix("\r")
