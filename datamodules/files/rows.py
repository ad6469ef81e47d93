"""Rows of tables, streamed: CSV in any dialect, JSON, Parquet and Excel."""

import csv
import difflib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.dialect import SEPARATORS, cells, find_dialect, whole_dialect
from datamodules.files.faults import Faults
from datamodules.files.forms import (
    EXCEL,
    JSON,
    OLD,
    PARQUET,
    Placed,
    excel_rows,
    header_of,
    json_rows,
    open_parquet,
    parquet_rows,
)
from datamodules.files.index import stored_columns
from datamodules.files.opening import open_lines, suffix_of


def read_rows(
    path: Path, encoding: str | None = None, separator: str | None = None, faults: Faults | None = None
) -> Placed:
    """Rows of a table, one after the other, with the place of each.

    Args:
        path: ``.csv``, ``.tsv`` and the like (``,`` ``;`` tab or ``|``), ``.json``, ``.jsonl``, ``.parquet`` or
            ``.xlsx``; text may be packed.
        encoding: Encoding of a text file; what its byte-order mark says, else UTF-8, if None.
        separator: Between the cells; told from the head of the file if None.
        faults: Takes rows that cannot be read; the first of them is raised if None.

    Yields:
        ``line 3`` or ``row 3``, and the cells by column: texts from a CSV (empty where nothing is written), else what
        the file holds, None where nothing is.

    Raises:
        MisconfigurationException: If the file cannot be read, has no row, or has a column twice; the place is named.
    """
    faults = Faults("stop", str(path)) if faults is None else faults
    empty = True
    for place in _reader(path)(path, encoding, separator, faults):
        empty = False
        yield place
    if empty and not faults.count:
        raise MisconfigurationException(f"{path} has no rows below its header")


def column_names(path: Path, encoding: str | None = None, separator: str | None = None) -> list[str]:
    """The columns of a table: its header, or the keys of its first row."""
    suffix = suffix_of(path)
    if suffix in PARQUET:
        return stored_columns(open_parquet(path).schema_arrow).names
    if suffix in (*JSON, *EXCEL, *OLD):
        return list(next(read_rows(path, encoding, separator))[1])
    dialect = find_dialect(path, separator, encoding)
    with open_lines(path, encoding, newline="") as lines:
        return header_of(next((row for row in cells(lines, dialect) if is_row(row)), []), path)


def require(path: Path | str, names: Iterable[str | None], known: Iterable[str], separator: str | None = None) -> None:
    """Refuse a table without one of the columns that are needed.

    Args:
        path: The table, for the message.
        names: The columns that are needed; None among them is passed over.
        known: The columns that there are.
        separator: Between the cells, if it was told.

    Raises:
        MisconfigurationException: If one is missing; the message has the nearest name that there is.
    """
    there = [str(name) for name in known]
    for name in names:
        if name is None or name in there:
            continue
        near = difflib.get_close_matches(name, there, n=1)
        hint = f"did you mean `{near[0]}`?" if near else "there are: " + ", ".join(there[:20])
        marks = [text for mark, text in SEPARATORS.items() if len(there) == 1 and mark in there[0]]
        if marks and separator is not None:
            hint = f"its header has {marks[0]}, but --data.separator says {separator!r}"
        raise MisconfigurationException(f"{path} has no column `{name}`; {hint}")


def is_row(row: list[str]) -> bool:
    """Whether a line of a CSV is a row, and not blank."""
    return len(row) > 1 or bool(row and row[0].strip())


def _reader(path: Path) -> Callable[[Path, str | None, str | None, Faults], Placed]:
    suffix = suffix_of(path)
    if suffix in OLD:
        raise MisconfigurationException(f"{path} is {OLD[suffix]}: save it as .xlsx or as CSV")
    if suffix in PARQUET:
        return parquet_rows
    if suffix in EXCEL:
        return excel_rows
    return json_rows if suffix in JSON else _csv_rows


def _csv_rows(path: Path, encoding: str | None, separator: str | None, faults: Faults) -> Placed:
    for place, header, row in csv_cells(path, encoding, separator, faults):
        yield place, dict(zip(header, row, strict=True))


def csv_cells(
    path: Path, encoding: str | None, separator: str | None, faults: Faults
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Place, header and cells of each row of a CSV; a quoted cell may take several lines.

    Raises:
        MisconfigurationException: If a row has more or fewer cells than the header, unless ``faults`` takes it.
    """
    dialect = whole_dialect(path, separator, encoding)
    header: list[str] = []
    with open_lines(path, encoding, newline="") as lines:
        reader = cells(lines, dialect)
        line = dialect.skipped
        while True:
            first = line + 1
            try:
                row = next(reader, None)
            except csv.Error as error:
                line = dialect.skipped + reader.line_num
                faults.add(MisconfigurationException(f"{path}, line {first}: {_quotes(error)}"))
                continue
            if row is None:
                break
            line = dialect.skipped + reader.line_num
            if not is_row(row) and not (row and len(header) == 1):  # of one column: an empty text, in quotes
                continue
            if not header:
                header = header_of(row, path)
            elif len(row) != len(header):
                mark = SEPARATORS.get(dialect.separator, repr(dialect.separator))
                faults.add(
                    MisconfigurationException(
                        f"{path}, line {first}: {len(row)} cells, but the header has {len(header)} "
                        f"(separated by {mark})"
                    )
                )
            else:
                yield f"line {first}", header, row


def _quotes(error: csv.Error) -> str:
    if "field larger" in str(error):
        return "a cell is too long; is a quotation mark not closed?"
    return "a quotation mark is not closed, or not by a separator or the end of the line (two of them stand for one)"
