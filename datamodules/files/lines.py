"""Lines of text files, whatever their encoding."""

from collections.abc import Iterator
from pathlib import Path

from lightning.pytorch.utilities.exceptions import MisconfigurationException


def read_lines(path: Path, encoding: str = "utf-8") -> Iterator[str]:
    """Lines of a file with their ends; only a line feed ends a line.

    Raises:
        MisconfigurationException: If the file is not in that encoding, or there is no such encoding.
    """
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"  # a byte-order mark is no text
    number = 0
    try:
        with path.open(encoding=encoding, newline="\n") as file:
            for line in file:
                number += 1
                yield line
    except LookupError as error:
        raise MisconfigurationException(f"there is no encoding `{encoding}`") from error
    except UnicodeError as error:
        name = encoding.removesuffix("-sig").upper()
        reason = getattr(error, "reason", error)
        number, byte = _undecodable(path, encoding) or (number + 1, "a byte")
        raise MisconfigurationException(
            f"{path}, line {number}: {byte} is not {name} ({reason}); say how the file is encoded, "
            "for instance `--data.encoding latin-1`"
        ) from error


def _undecodable(path: Path, encoding: str) -> tuple[int, str] | None:
    with path.open("rb") as file:  # a file is decoded in blocks, so the error does not know its line
        for number, line in enumerate(file, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                return number, f"byte 0x{line[error.start]:02x}"
    return None
