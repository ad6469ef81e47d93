"""Rows of tables that are no CSV: JSON, Parquet and Excel."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from datamodules.files.archives import check_archive
from datamodules.files.faults import Faults
from datamodules.files.index import stored_columns
from datamodules.files.opening import check_file, open_bytes, open_lines, suffix_of
from datamodules.types import Row

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

PARQUET = (".parquet", ".pq")
JSON = (".json", ".jsonl", ".ndjson")
EXCEL = (".xlsx", ".xlsm")
OLD = {".xls": "an old Excel file", ".xlsb": "a binary Excel file", ".ods": "an OpenDocument table"}
TABLES = (".csv", ".tsv", *JSON, *PARQUET, *EXCEL, *OLD)  # by their suffixes; whoever opens an old one says what it is

Placed = Iterator[tuple[str, Row]]  # the place of a row in its file, and its cells by column


def header_of(row: list[str], path: Path) -> list[str]:
    """Names of the columns by the header of a CSV; ``Unnamed: 0`` and so on for those without.

    Raises:
        MisconfigurationException: If two have the same name.
    """
    names = [name.strip() or f"Unnamed: {k}" for k, name in enumerate(row)]
    twice = [name for k, name in enumerate(names) if name in names[:k]] if len({*names}) < len(names) else []
    if twice:
        raise MisconfigurationException(f"{path} has two columns named `{twice[0]}`")
    return names


def json_rows(path: Path, encoding: str | None, separator: str | None, faults: Faults) -> Placed:
    """Rows of a file with a JSON object a line, or a JSON array of objects."""
    if suffix_of(path) == ".json":
        with open_lines(path, encoding) as lines:
            first = next((line for line in lines if line.strip()), "")
        if first.lstrip().startswith("["):
            yield from _json_array(path, encoding, faults)
            return
    with open_lines(path, encoding) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                with faults:
                    yield f"line {number}", _object(_parse(line, f"{path}, line {number}"), f"{path}, line {number}")


def _json_array(path: Path, encoding: str | None, faults: Faults) -> Placed:
    with open_lines(path, encoding) as lines:
        rows = _parse("".join(lines), str(path))
    assert isinstance(rows, list)  # it begins with a bracket
    for number, row in enumerate(rows, start=1):
        with faults:
            yield f"row {number}", _object(row, f"{path}, row {number}")


def _parse(text: str, place: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise MisconfigurationException(f"{place} is not JSON: {error.msg}") from error
    except RecursionError:
        raise MisconfigurationException(f"{place} is nested too deep") from None
    except ValueError as error:  # a number of thousands of digits
        raise MisconfigurationException(f"{place} is not JSON: {error}") from error


def _object(row: object, place: str) -> Row:
    if not isinstance(row, dict):
        raise MisconfigurationException(f"{place} is not a JSON object with a key for each column")
    return row


def open_parquet(path: Path) -> "ParquetFile":
    """Open a Parquet file, whose columns are read when they are asked for."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_file(path)
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise MisconfigurationException(f"{path} is not a whole Parquet file: {str(error).splitlines()[0]}") from error


def parquet_rows(path: Path, encoding: str | None, separator: str | None, faults: Faults) -> Placed:
    """Rows of a Parquet file."""
    import pyarrow as pa

    file = open_parquet(path)
    ranges, fields = stored_columns(file.schema_arrow)
    number = 0
    try:
        for batch in file.iter_batches(batch_size=10_000):
            for row in batch.to_pylist():
                counted = {name: numbers[number] for name, numbers in ranges.items()}
                number += 1
                yield f"row {number}", counted | {name: row[field] for field, name in fields.items()}
    except (pa.ArrowException, OSError) as error:
        raise MisconfigurationException(f"{path} is not a whole Parquet file: {str(error).splitlines()[0]}") from error


def excel_rows(path: Path, encoding: str | None, separator: str | None, faults: Faults) -> Placed:
    """Rows of the first sheet of an Excel file; formulas by their values, errors as nothing.

    Empty rows are left out, but in a sheet of one column, where one among others is an empty text.
    """
    import openpyxl

    check_archive(path)
    with open_bytes(path) as file:
        try:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            sheet = book.worksheets[0]
            if len(book.worksheets) > 1:
                rank_zero_warn(f"{path} has {len(book.worksheets)} sheets; the first, `{sheet.title}`, is read")
            header: list[str] = []
            last = 0  # row that was told
            for number, line in enumerate(sheet.iter_rows(), start=1):
                row = [None if cell.data_type == "e" else cell.value for cell in line]
                if all(cell is None for cell in row):
                    continue
                if len(header) == 1:
                    yield from ((f"row {empty}", {header[0]: None}) for empty in range(last + 1, number))
                last = number
                if not header:
                    while row[-1] is None:  # formatted, but empty
                        row.pop()
                    header = header_of(["" if cell is None else str(cell) for cell in row], path)
                    continue
                row += [None] * (len(header) - len(row))
                if any(cell is not None for cell in row[len(header) :]):
                    faults.add(
                        MisconfigurationException(
                            f"{path}, row {number}: {len(row)} cells, but the header has {len(header)}"
                        )
                    )
                    continue
                yield f"row {number}", dict(zip(header, row, strict=False))
        except (KeyError, ValueError, TypeError, SyntaxError) as error:  # of a damaged workbook
            raise MisconfigurationException(f"{path} is not a whole Excel file: {error}") from error
