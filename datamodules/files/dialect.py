"""How a table of text is written: what separates its cells, told from its head, and whether they are quoted."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.opening import MAX_LINE, open_lines, suffix_of

HEAD = 1 << 16  # characters from which the separator is told
SEPARATORS = {"\t": "tabulators", ";": "semicolons", ",": "commas", "|": "bars"}


class Dialect(NamedTuple):
    """How the cells of a table are told apart.

    Attributes:
        separator: Between the cells.
        quoted: Whether a cell may stand in quotation marks, which are then no part of it.
    """

    separator: str
    quoted: bool = True


def find_dialect(path: Path, separator: str | None = None, encoding: str | None = None) -> Dialect:
    """The separator that most rows of the head of a file agree on with its header, and whether cells are quoted.

    Args:
        path: The file.
        separator: If it is known.
        encoding: Of the file; see ``find_encoding``.
    """
    if separator is not None and len(separator) != 1:
        raise MisconfigurationException(f"a separator is one character, not {separator!r} (--data.separator)")
    lines: list[str] = []
    size = 0
    with open_lines(path, encoding, newline="") as file:
        for line in file:
            size += len(line)
            if size > HEAD and lines:
                break
            lines.append(line)
        else:
            size = 0  # that was all of it
    if separator is None and suffix_of(path) == ".tsv" and "\t" in "".join(lines[:3]):
        separator = "\t"
    candidates = [Dialect(mark) for mark in ([separator] if separator else SEPARATORS)]
    best = max(candidates, key=lambda dialect: _agreement(lines, dialect, size > 0))
    if not _agreement(lines, best, size > 0)[0] and separator is None:
        best = Dialect(",")  # a single column
    plain = best._replace(quoted=False)
    # In tab-separated texts quotation marks are often just text: they must be closed where the cell ends, or are none.
    if best.separator == "\t" and not _well_quoted(lines) and _agreement(lines, plain, size > 0)[0]:
        return plain
    return best


def cells(lines: Iterator[str], dialect: Dialect) -> "csv.Reader":  # type: ignore[name-defined]
    """A reader of rows of cells; blanks after a separator are no part of a cell."""
    csv.field_size_limit(MAX_LINE)
    # Strict, or a quotation mark that is not closed would swallow rows up to the next one.
    return csv.reader(
        lines,
        delimiter=dialect.separator,
        quoting=csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE,
        skipinitialspace=dialect.quoted,
        strict=dialect.quoted,
    )


def _agreement(lines: list[str], dialect: Dialect, cut: bool) -> tuple[float, int]:
    """Share of the rows that have as many cells as the header, and how many; nothing if the header has but one."""
    rows = []
    reader = cells(iter(lines), dialect)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error:
            row = ["?"]
        if row:
            rows.append(len(row))
    if not rows or rows[0] < 2:
        return 0.0, 0
    rows = rows[:-1] if cut and len(rows) > 2 else rows  # a row that goes on beyond the head
    return sum(size == rows[0] for size in rows) / len(rows), rows[0]


def _well_quoted(lines: list[str]) -> bool:
    try:
        for _ in cells(iter(lines), Dialect("\t")):
            pass
    except csv.Error:
        return False
    return True
