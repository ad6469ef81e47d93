"""Files of parallel text: two with a sentence a line, or a table of tab-separated values."""

import csv
import gzip
from pathlib import Path
from typing import NamedTuple

from lightning.pytorch.utilities.exceptions import MisconfigurationException


class Pairs(NamedTuple):
    """Raw sentences; ``target`` is None where there is nothing but the sources."""

    source: list[str]
    target: list[str] | None


def read_text(path: Path) -> list[str]:
    """Lines of a UTF-8 file, plain or gzipped; only a line feed ends a line.

    Raises:
        MisconfigurationException: If a line is not UTF-8, or the archive is damaged.
    """
    content = path.read_bytes()
    if path.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError) as error:
            raise MisconfigurationException(f"{path} is damaged: {error}") from error
    lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    if not lines[-1]:
        lines.pop()
    texts = []
    for number, line in enumerate(lines, start=1):
        try:
            texts.append(line.decode("utf-8").removesuffix("\r"))
        except UnicodeDecodeError as error:
            raise MisconfigurationException(f"{path}, line {number} is not UTF-8: {error.reason}") from error
    return texts


def read_lines(stem: Path, source: str, target: str) -> Pairs:
    """Read the files ``stem.source`` and ``stem.target``, plain or gzipped.

    Raises:
        FileNotFoundError: If there is not one of them.
        MisconfigurationException: If they differ in length, or one has no text at all.
    """
    first, second = _find(stem, source), _find(stem, target)
    pairs = Pairs(read_text(first), read_text(second))
    lengths = len(pairs.source), len(pairs.target or ())
    if lengths[0] != lengths[1]:
        raise MisconfigurationException(f"{first} has {lengths[0]} lines, {second} has {lengths[1]}")
    return _check(pairs, str(first), str(second))


def read_table(path: Path, source: str, target: str) -> Pairs:
    """Read two columns of a table of tab-separated values; its first line names them, nothing is quoted.

    Raises:
        MisconfigurationException: If a column is not there or has no text, or a line has more or fewer columns.
    """
    rows = list(csv.reader(read_text(path), delimiter="\t", quoting=csv.QUOTE_NONE))
    header = rows[0] if rows else []
    for column in (source, target):
        if column not in header:
            raise MisconfigurationException(f"{path} has no column `{column}`; its first line names {header}")
    for line, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise MisconfigurationException(f"{path}, line {line}: {len(row)} columns instead of {len(header)}")
    sides = [[row[header.index(column)] for row in rows[1:]] for column in (source, target)]
    return _check(Pairs(*sides), f"{path}, column `{source}`", f"{path}, column `{target}`")


def _find(stem: Path, language: str) -> Path:
    plain = stem.with_name(f"{stem.name}.{language}")
    zipped = plain.with_name(f"{plain.name}.gz")
    if not plain.exists() and not zipped.exists():
        raise FileNotFoundError(f"there is neither {plain} nor {zipped}")
    return plain if plain.exists() else zipped


def _check(pairs: Pairs, first: str, second: str) -> Pairs:
    for name, side in zip((first, second), pairs, strict=True):
        if not any(text.strip() for text in side or ()):
            raise MisconfigurationException(f"{name}: there is no text in it")
    return pairs
