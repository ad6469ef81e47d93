"""Columns of tables as pandas series, from files of every form."""

import json
from collections.abc import Callable
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.dialect import find_dialect, has_marks
from datamodules.files.faults import Faults
from datamodules.files.forms import header_of
from datamodules.files.index import with_index
from datamodules.files.numbers import arrow_texts
from datamodules.files.opening import MAX_LINE, find_encoding, open_bytes
from datamodules.files.rows import column_names, csv_cells, read_rows
from datamodules.types import Array

if TYPE_CHECKING:
    import pyarrow as pa
    from pandas import Series

CHUNK = 100_000  # rows that are read at a time
FEW = 0.2  # a long column with so few different texts keeps each of them once


def is_text(values: "Series") -> bool:
    """Whether a column holds texts, not numbers, dates or truth values."""
    import pandas as pd

    return isinstance(values.dtype, pd.StringDtype) or (
        isinstance(values.dtype, pd.CategoricalDtype) and not pd.api.types.is_bool_dtype(values.cat.categories.dtype)
    )


def texts_to(values: "Series", convert: Callable[["pa.Array"], Array]) -> Array:
    """Convert the texts of a column, each of a column of categories once; ``convert`` takes and returns arrays.

    Missing cells are handed on as null.
    """
    import pandas as pd
    import pyarrow as pa

    if isinstance(values.dtype, pd.CategoricalDtype):
        each = convert(pa.array([*values.cat.categories.astype(str), None], pa.large_string()))
        return each[values.cat.codes.to_numpy()]  # code -1, missing, is the last one
    return convert(arrow_texts(values))


def csv_columns(path: Path, separator: str | None, encoding: str | None, faults: Faults) -> "dict[str, Series]":
    """Columns of a CSV, all of them texts."""
    import pyarrow as pa

    columns = _plain_columns(path, separator, encoding)
    if columns is None:
        cells = csv_cells(path, encoding, separator, faults)
        parts: list[list[object]] = []
        header: list[str] = []
        while chunk := list(islice(cells, CHUNK)):
            header = chunk[0][1]
            parts.append([pa.array(texts, pa.large_string()) for texts in zip(*(c[2] for c in chunk), strict=True)])
        columns = {name: pa.chunked_array([part[k] for part in parts]) for k, name in enumerate(header)}
    return {name: text_column(columns.pop(name)) for name in list(columns)}


def _plain_columns(path: Path, separator: str | None, encoding: str | None) -> dict[str, object] | None:
    """The columns of a UTF-8 file without quotation marks or any fault, several times as fast; None for others."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv as arrow

    if find_encoding(path, encoding) not in ("utf-8-sig", "ascii"):
        return None
    dialect = find_dialect(path, separator, encoding)
    names = column_names(path, encoding, separator)
    if dialect.quoted and has_marks(path):
        return None
    with open_bytes(path) as file:
        try:
            table = arrow.open_csv(
                file,
                arrow.ReadOptions(use_threads=False, block_size=MAX_LINE, skip_rows=dialect.skipped),
                arrow.ParseOptions(delimiter=dialect.separator, quote_char=False),
                arrow.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
            ).read_all()
        except (pa.ArrowException, OSError):  # whatever it is: reading row by row finds out and says it
            return None
    if table.column_names != names:  # blanks around them
        return None
    if dialect.quoted and any(pc.any(pc.starts_with(column, " ")).as_py() for column in table.columns):
        return None
    return dict(zip(names, table.columns, strict=True))


def row_columns(path: Path, encoding: str | None, faults: Faults) -> "dict[str, Series]":
    """Columns of a table of JSON or Excel."""
    columns: dict[str, list[object]] = {}
    size = 0
    for _, row in read_rows(path, encoding, None, faults):
        for name, value in row.items():
            column = columns.setdefault(str(name), [])
            column += [None] * (size - len(column))  # where JSON leaves a key out
            column.append(value)
        size += 1
    return {name: column_of(values + [None] * (size - len(values))) for name, values in columns.items()}


def parquet_columns(path: Path) -> "dict[str, Series]":
    """Columns of a Parquet file."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    column_names(path)  # says what is wrong with the file
    try:
        frame = with_index(pq.read_table(path).to_pandas())
    except (pa.ArrowException, OSError) as error:
        raise MisconfigurationException(f"{path} is not a whole Parquet file: {str(error).splitlines()[0]}") from error
    header_of([str(name) for name in frame.columns], path)
    columns = {}
    for name, values in frame.items():
        if pd.api.types.is_timedelta64_dtype(values.dtype):
            values = values.dt.total_seconds()
        kept = pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_datetime64_any_dtype(values.dtype)
        columns[str(name)] = values if kept else column_of([None if is_absent(v) else v for v in values.tolist()])
    return columns


def is_absent(value: object) -> bool:
    """Whether a cell holds nothing."""
    import pandas as pd

    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)


def column_of(values: list[object]) -> "Series":
    """A column of what JSON, Excel or Parquet hold: numbers, dates, or texts if it is neither throughout."""
    import pandas as pd
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if kinds and kinds <= {int, float} and all(abs(value) < 2**63 for value in values if type(value) is int):
        whole = kinds == {int} and None not in values
        return pd.Series(values, dtype="int64" if whole else "float64")
    clocks = {value.tzinfo for value in values if isinstance(value, datetime)}  # those of several stay as written
    if kinds and kinds <= {datetime, pd.Timestamp} and len(clocks) == 1:
        return pd.to_datetime(pd.Series(values, dtype="object"))
    texts = pa.array([None if value is None else as_text(value) for value in values], pa.large_string())
    return text_column(pa.chunked_array([texts]))


def as_text(value: object) -> str:
    """A cell as a CSV would have it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, datetime | date):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, np.ndarray):  # a list of Parquet
        value = value.tolist()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def text_column(column: "pa.ChunkedArray") -> "Series":
    """A column of texts: categories if they repeat, an empty cell is missing."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    empty = pc.equal(column, "")
    if pc.any(pc.starts_with(column, " ")).as_py():
        empty = pc.match_substring_regex(column, r"^\s*$")
    if pc.any(empty).as_py():
        column = pc.if_else(empty, None, column)
    if pc.count_distinct(column.slice(0, CHUNK)).as_py() <= max(1000, FEW * min(len(column), CHUNK)):
        encoded = column.dictionary_encode().unify_dictionaries().combine_chunks()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        words = np.array(encoded.dictionary.to_pylist(), dtype=object)
        order = np.argsort(words)
        place = np.append(np.argsort(order), -1)  # code -1, missing, stays so
        return pd.Series(pd.Categorical.from_codes(place[codes], pd.Index(words[order], dtype="str")))
    return pd.Series(pd.array(column.cast(pa.large_string()), dtype="string[pyarrow]"))


def without(values: "Series", missing: list[str]) -> "Series":
    """A column where some words are nothing."""
    import pandas as pd

    if not missing:
        return values
    if not is_text(values):
        return values.where(~values.astype("str").isin(missing))
    if isinstance(values.dtype, pd.CategoricalDtype):
        gone = [word for word in values.cat.categories if word.strip() in missing]
        return values.cat.remove_categories(gone)
    return values.mask(values.str.strip().isin(missing))
