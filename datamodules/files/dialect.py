"""How a table of text is written: what separates its cells, told from its head, and whether they are quoted."""

import csv
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.opening import MAX_LINE, open_bytes, open_lines, suffix_of

if TYPE_CHECKING:
    from _csv import Reader

HEAD = 1 << 16  # characters from which the separator is told
SEPARATORS = {"\t": "tabulators", ";": "semicolons", ",": "commas", "|": "bars"}


class Dialect(NamedTuple):
    """How the cells of a table are told apart.

    Attributes:
        separator: Between the cells.
        quoted: Whether a cell may stand in quotation marks, which are then no part of it.
        skipped: Lines above the header: one where Excel says there what separates the cells (``sep=;``).
    """

    separator: str
    quoted: bool = True
    skipped: int = 0


def find_dialect(path: Path, separator: str | None = None, encoding: str | None = None) -> Dialect:
    """The separator that most rows of the head of a file agree on with its header, and whether cells are quoted there.

    What the rest of the file says about quotation marks is another question: see ``whole_dialect``.

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
    said = re.fullmatch(r'"?sep=(.)"?\s*', lines[0], re.IGNORECASE) if lines else None
    if said:
        separator, lines = separator or said[1], lines[1:]
    if separator is None and suffix_of(path) == ".tsv" and "\t" in "".join(lines[:3]):
        separator = "\t"
    candidates = [Dialect(mark) for mark in ([separator] if separator else SEPARATORS)]
    best = max(candidates, key=lambda dialect: _agreement(lines, dialect, size > 0))
    if not _agreement(lines, best, size > 0)[0] and separator is None:
        best = Dialect(",")  # a single column
    best = best._replace(skipped=int(said is not None))
    plain = best._replace(quoted=False)
    # In tab-separated texts quotation marks are often just text: they must be closed where the cell ends, or are none.
    if best.separator == "\t" and not _well_quoted(lines) and _agreement(lines, plain, size > 0)[0]:
        return plain
    return best


def whole_dialect(path: Path, separator: str | None = None, encoding: str | None = None) -> Dialect:
    """``find_dialect``, but whether cells are quoted is told from the whole file.

    Two quotation marks that are just text (a table of words has one in a row of its own) look like a quoted cell that
    swallows the rows between. Lines within a cell hardly ever have as many separators as rows have: where all lines of
    the file do, they are rows.

    Raises:
        MisconfigurationException: If they do in a table without tabulators, where it may be either.
    """
    dialect = find_dialect(path, separator, encoding)
    if not dialect.quoted or not has_marks(path):
        return dialect
    mark = dialect.separator
    seen: list[str] = []  # the header as it is written
    sizes: set[int] = set()  # cells of the lines, as if none were quoted
    with open_lines(path, encoding, newline="") as lines:
        counted = _counted(islice(lines, dialect.skipped, None), mark, seen, sizes)
        rows = cells(counted, dialect._replace(skipped=0))
        wide, first = (0, 0), 1  # lines of the first row that takes several
        row: list[str] | None = []
        while row is not None and not wide[0] and len(sizes) < 2:
            try:
                row = next(rows, None)
                several = rows.line_num > first
                if several and row and mark != "\t":  # a comma of a sentence has a blank behind it
                    several = f"{mark} " in seen[0] or not any(f"{mark} " in cell for cell in row)
            except csv.Error:
                several = mark == "\t"  # of other tables it is said when the row is read
            if several:
                wide = first, rows.line_num
            first = rows.line_num + 1
        for _ in counted:
            if len(sizes) > 1:
                break
    if not wide[0] or len(sizes) > 1 or sizes == {1} or '"' in seen[0]:
        return dialect
    if mark == "\t":
        return dialect._replace(quoted=False)
    first, last = (line + dialect.skipped for line in wide)
    raise MisconfigurationException(
        f"{path}, line {first}: a quotation mark opens a cell that goes on to line {last}, but each line by "
        'itself has as many cells as the header; write a mark that is text as `""""`, or separate the cells by '
        "tabulators"
    )


def has_marks(path: Path) -> bool:
    """Whether there is a quotation mark anywhere in a file."""
    with open_bytes(path) as file:
        while block := file.read(1 << 20):
            if b'"' in block:
                return True
    return False


def _counted(lines: Iterator[str], mark: str, seen: list[str], sizes: set[int]) -> Iterator[str]:
    for line in lines:
        if line.strip():
            seen += [] if seen else [line]
            sizes.add(line.count(mark) + 1)
        yield line


def cells(lines: Iterator[str], dialect: Dialect) -> "Reader":
    """A reader of rows of cells; blanks after a separator are no part of a cell."""
    csv.field_size_limit(MAX_LINE)
    # Strict, or a quotation mark that is not closed would swallow rows up to the next one.
    return csv.reader(
        islice(lines, dialect.skipped, None),
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
