"""What messages call the rows of a table, so that they are found in its file."""

from collections.abc import Sequence
from pathlib import Path

from datamodules.files.faults import Faults
from datamodules.files.forms import EXCEL, JSON, PARQUET
from datamodules.files.opening import open_bytes, suffix_of
from datamodules.files.rows import read_rows


def row_names(
    path: Path, size: int, separator: str | None = None, encoding: str | None = None
) -> Sequence[int] | Sequence[str]:
    """The rows as they are counted below the header, from 1: ``41``.

    Below blank lines, cells of several lines or rows that were left out, with the line: ``41 (line 53)``. Of Excel, the
    rows of the sheet.

    Args:
        path: The table; if there is no such file, rows are just counted.
        size: How many rows there are.
        separator: Between the cells of a CSV, if it was told.
        encoding: Of the file, if it was told.
    """
    suffix = suffix_of(path)
    plain = range(1, size + 1)
    above = 0 if suffix in JSON else 1  # the header
    if suffix in PARQUET or not path.is_file() or (suffix not in EXCEL and _lines(path) == size + above):
        return plain
    names = []
    for number, (place, _) in enumerate(read_rows(path, encoding, separator, Faults("skip", str(path))), start=1):
        usual = (f"row {number}", f"line {number + above}")
        told = place.removeprefix("row ") if suffix in EXCEL else f"{number} ({place})"
        names.append(str(number) if suffix not in EXCEL and place in usual else told)
    return names if len(names) == size else plain


def _lines(path: Path) -> int:
    """Line feeds of a file, and what stands behind the last."""
    lines, last = 0, b""
    with open_bytes(path) as file:
        while block := file.read(1 << 20):
            lines += block.count(b"\n")
            last = block
    return lines + (not last.endswith(b"\n"))
