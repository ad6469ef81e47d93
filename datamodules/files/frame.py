"""Whole tables as pandas frames, and writing them again with more columns."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.dialect import MAX_LINE, find_dialect, find_encoding, open_bytes, suffix_of
from datamodules.files.faults import Faults
from datamodules.files.numbers import NumberFormat, find_formats, is_missing, parse
from datamodules.files.rows import EXCEL, JSON, OLD, PARQUET, column_names, csv_cells, header_of, read_rows

if TYPE_CHECKING:
    from pandas import DataFrame, Series

CHUNK = 100_000  # rows that are read at a time
FEW = 0.2  # a long column with so few different texts keeps each of them once


def read_texts(
    path: Path,
    separator: str | None = None,
    missing: Sequence[str] = (),
    encoding: str | None = None,
    faults: Faults | None = None,
) -> "DataFrame":
    """Read a table, its texts as they are written.

    Args:
        path: In any form that ``read_rows`` takes.
        separator: Between the cells of a CSV; told from the head of the file if None.
        missing: Texts that stand for a missing value, beside an empty cell.
        encoding: Encoding of a text file; what its byte-order mark says, else UTF-8, if None.
        faults: Takes rows that cannot be read.

    Returns:
        Texts as categories (where they repeat) or ``string[pyarrow]``; numbers, dates and truth values only where the
        file itself says that they are (Parquet, Excel, JSON).

    Raises:
        MisconfigurationException: If the file cannot be read, is empty, or two columns have the same name.
    """
    import pandas as pd

    faults = Faults("stop", str(path)) if faults is None else faults
    suffix = suffix_of(path)
    if suffix in PARQUET:
        columns = _parquet_columns(path)
    elif suffix in (*JSON, *EXCEL, *OLD):
        columns = _columns_of_rows(path, encoding, faults)
    else:
        columns = _csv_columns(path, separator, encoding, faults)
    size = max((len(values) for values in columns.values()), default=0)
    faults.report(size + faults.count)
    if not size:
        raise MisconfigurationException(f"{path} has no rows below its header")
    words = list(missing)
    return pd.DataFrame({name: _without(values, words) for name, values in columns.items()}, copy=False)


def read_frame(
    path: Path,
    separator: str | None = None,
    decimal: str | None = None,
    missing: Sequence[str] = (),
    encoding: str | None = None,
    faults: Faults | None = None,
) -> "DataFrame":
    """Read a table, with numbers where a whole column holds numbers.

    Args:
        path: As for ``read_texts``.
        separator: As for ``read_texts``.
        decimal: Decimal sign; told from the whole columns if None.
        missing: As for ``read_texts``.
        encoding: As for ``read_texts``.
        faults: As for ``read_texts``.

    Raises:
        MisconfigurationException: As ``read_texts``, or if a number could mean two things.
    """
    frame = read_texts(path, separator, missing, encoding, faults)
    texts = {str(name): values for name, values in frame.items() if is_text(values)}
    return with_numbers(frame, find_formats(texts, decimal, separator_of(path, separator, encoding), str(path)))


def with_numbers(frame: "DataFrame", formats: Mapping[str, NumberFormat]) -> "DataFrame":
    """Make numbers of the columns of numbers, in place; one with any other text among them stays as it is.

    Args:
        frame: As ``read_texts`` makes it.
        formats: How the numbers of a column are written.
    """
    for name, how in formats.items():
        texts = frame[name]
        if not is_text(texts):
            continue
        numbers = texts_to(texts, partial(parse, how=how))
        nothing = np.isnan(numbers)
        if nothing.any() and not texts_to(texts, is_missing)[nothing].all():
            continue
        whole = not nothing.any() and bool((np.abs(numbers) < 2**53).all() and (numbers % 1 == 0).all())
        frame[name] = numbers.astype("int64") if whole else numbers
    return frame


def separator_of(path: Path, separator: str | None = None, encoding: str | None = None) -> str | None:
    """Separator of a CSV, told from its head unless it is given; None for other tables."""
    plain = suffix_of(path) not in (*PARQUET, *JSON, *EXCEL, *OLD)
    return separator or (find_dialect(path, None, encoding).separator if plain else None)


def tidy(frame: "DataFrame") -> "DataFrame":
    """A frame from elsewhere with such columns as ``read_texts`` makes."""
    import pandas as pd

    columns = {
        str(name): _column([None if _absent(v) else v for v in values.tolist()]) if values.dtype == object else values
        for name, values in frame.reset_index(drop=True).items()
    }
    return pd.DataFrame(columns, copy=False)


def is_text(values: "Series[Any]") -> bool:
    """Whether a column holds texts, not numbers, dates or truth values."""
    import pandas as pd

    return isinstance(values.dtype, pd.StringDtype) or (
        isinstance(values.dtype, pd.CategoricalDtype) and not pd.api.types.is_bool_dtype(values.cat.categories.dtype)
    )


def texts_to(values: "Series[Any]", convert: Any) -> Any:
    """Convert the texts of a column, each of a column of categories once; ``convert`` takes and returns arrays.

    Missing cells are handed on as null.
    """
    import pandas as pd
    import pyarrow as pa  # type: ignore[import-untyped]

    if isinstance(values.dtype, pd.CategoricalDtype):
        each = convert(pa.array([*values.cat.categories.astype(str), None], pa.large_string()))
        return np.asarray(each)[values.cat.codes.to_numpy()]  # code -1, missing, is the last one
    array = pa.array(values, pa.large_string(), from_pandas=True)
    return np.asarray(convert(array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array))


def _csv_columns(path: Path, separator: str | None, encoding: str | None, faults: Faults) -> "dict[str, Series[Any]]":
    import pyarrow as pa

    columns = _plain_columns(path, separator, encoding)
    if columns is None:
        cells = csv_cells(path, encoding, separator, faults)
        parts: list[list[Any]] = []
        header: list[str] = []
        while chunk := list(islice(cells, CHUNK)):
            header = chunk[0][1]
            parts.append([pa.array(texts, pa.large_string()) for texts in zip(*(c[2] for c in chunk), strict=True)])
        columns = {name: pa.chunked_array([part[k] for part in parts]) for k, name in enumerate(header)}
    return {name: _text_column(columns.pop(name)) for name in list(columns)}


def _plain_columns(path: Path, separator: str | None, encoding: str | None) -> dict[str, Any] | None:
    """The columns of a UTF-8 file without quotation marks or any fault, several times as fast; None for others."""
    import pyarrow as pa
    import pyarrow.compute as pc  # type: ignore[import-untyped]
    from pyarrow import csv as arrow  # type: ignore[import-untyped]

    if find_encoding(path, encoding) not in ("utf-8-sig", "ascii"):
        return None
    dialect = find_dialect(path, separator, encoding)
    names = column_names(path, encoding, separator)
    with open_bytes(path) as file:
        while dialect.quoted and (block := file.read(1 << 20)):
            if b'"' in block:
                return None
    with open_bytes(path) as file:
        try:
            table = arrow.open_csv(
                file,
                arrow.ReadOptions(use_threads=False, block_size=MAX_LINE),
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


def _columns_of_rows(path: Path, encoding: str | None, faults: Faults) -> "dict[str, Series[Any]]":
    columns: dict[str, list[Any]] = {}
    size = 0
    for _, row in read_rows(path, encoding, None, faults):
        for name, value in row.items():
            column = columns.setdefault(str(name), [])
            column += [None] * (size - len(column))  # where JSON leaves a key out
            column.append(value)
        size += 1
    return {name: _column(values + [None] * (size - len(values))) for name, values in columns.items()}


def _parquet_columns(path: Path) -> "dict[str, Series[Any]]":
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq  # type: ignore[import-untyped]

    column_names(path)  # says what is wrong with the file
    try:
        frame = pq.read_table(path).to_pandas().reset_index(drop=True)
    except (pa.ArrowException, OSError) as error:
        raise MisconfigurationException(f"{path} is not a whole Parquet file: {str(error).splitlines()[0]}") from error
    header_of([str(name) for name in frame.columns], path)
    columns = {}
    for name, values in frame.items():
        kept = pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_datetime64_any_dtype(values.dtype)
        columns[str(name)] = values if kept else _column([None if _absent(v) else v for v in values.tolist()])
    return columns


def _absent(value: Any) -> bool:
    import pandas as pd

    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and value != value)


def _column(values: list[Any]) -> "Series[Any]":
    """A column of what JSON, Excel or Parquet hold: numbers, dates, or texts if it is neither throughout."""
    import pandas as pd
    import pyarrow as pa

    kinds = {type(value) for value in values if value is not None}
    if kinds and kinds <= {int, float} and all(abs(value) < 2**63 for value in values if type(value) is int):
        whole = kinds == {int} and None not in values
        return pd.Series(values, dtype="int64" if whole else "float64")
    if kinds and kinds <= {datetime, pd.Timestamp}:
        return pd.to_datetime(pd.Series(values, dtype="object"))
    texts = pa.array([None if value is None else as_text(value) for value in values], pa.large_string())
    return _text_column(pa.chunked_array([texts]))


def as_text(value: Any) -> str:
    """A cell as a CSV would have it."""
    if isinstance(value, str):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def _text_column(column: Any) -> "Series[Any]":
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    empty = pc.equal(column, "")
    if pc.any(pc.starts_with(column, " ")).as_py():
        empty = pc.match_substring_regex(column, r"^\s*$")
    if pc.any(empty).as_py():
        column = pc.if_else(empty, None, column)  # an empty cell is missing
    if pc.count_distinct(column.slice(0, CHUNK)).as_py() <= max(1000, FEW * min(len(column), CHUNK)):
        encoded = column.dictionary_encode().unify_dictionaries().combine_chunks()
        codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        words = np.array(encoded.dictionary.to_pylist(), dtype=object)
        order = np.argsort(words)
        place = np.append(np.argsort(order), -1)  # code -1, missing, stays so
        return pd.Series(pd.Categorical.from_codes(place[codes], pd.Index(words[order], dtype="str")))
    return pd.Series(pd.array(column.cast(pa.large_string()), dtype="string[pyarrow]"))


def _without(values: "Series[Any]", missing: list[str]) -> "Series[Any]":
    import pandas as pd

    if not missing:
        return values
    if not is_text(values):
        return values.where(~values.astype("str").isin(missing))
    if isinstance(values.dtype, pd.CategoricalDtype):
        gone = [word for word in values.cat.categories if word.strip() in missing]
        return values.cat.remove_categories(gone)
    return values.mask(values.str.strip().isin(missing))


def write_with(
    source: Path,
    extra: "DataFrame",
    folder: Path,
    separator: str | None = None,
    encoding: str | None = None,
    faults: Faults | None = None,
) -> Path:
    """Write the rows of a table with further columns.

    Args:
        source: The table, in any form that ``read_rows`` takes. The cells of a CSV are copied as they are written.
        extra: The further columns, a row for each that can be read; those of the same name in the file are replaced.
        folder: Where to write ``predictions.csv``, or ``predictions.parquet`` if the source is one.
        separator: Of the source; told from its head if None.
        encoding: Of the source; what its byte-order mark says, else UTF-8, if None.
        faults: Takes rows that cannot be read, as in reading.
    """
    import pandas as pd

    suffix = suffix_of(source)
    if suffix in PARQUET:
        frame = pd.read_parquet(source)
        kept = frame.drop(columns=[name for name in extra if name in frame])
        path = folder / "predictions.parquet"
        pd.concat([kept, extra.set_axis(kept.index)], axis=1).to_parquet(path)
        return path
    faults = Faults("stop", str(source)) if faults is None else faults
    mark = "," if suffix in (*JSON, *EXCEL) else find_dialect(source, separator, encoding).separator
    path = folder / "predictions.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=mark, lineterminator="\n")
        header: list[str] | None = None
        for (names, cells), more in zip(
            _copied(source, encoding, separator, faults), extra.itertuples(index=False), strict=True
        ):
            if header is None:
                header = names
                writer.writerow([*(name for name in header if name not in extra), *extra])
            row = dict(zip(names, cells, strict=True))
            writer.writerow([*(row.get(name, "") for name in header if name not in extra), *more])
    return path


def _copied(
    source: Path, encoding: str | None, separator: str | None, faults: Faults
) -> Iterator[tuple[list[str], Iterable[Any]]]:
    if suffix_of(source) in (*JSON, *EXCEL):
        columns = list(dict.fromkeys(name for _, row in read_rows(source, encoding, None, faults) for name in row))
        for _, row in read_rows(source, encoding, None, Faults("skip", str(source))):
            yield columns, ["" if row.get(name) is None else as_text(row[name]) for name in columns]
        return
    for _, header, cells in csv_cells(source, encoding, separator, faults):
        yield header, cells
