"""Whole tables as pandas frames."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.columns import (
    column_of,
    csv_columns,
    is_absent,
    is_text,
    parquet_columns,
    row_columns,
    texts_to,
    without,
)
from datamodules.files.dialect import find_dialect
from datamodules.files.faults import Faults
from datamodules.files.forms import EXCEL, JSON, OLD, PARQUET
from datamodules.files.index import with_index
from datamodules.files.numbers import NumberFormat, find_formats, is_missing, parse
from datamodules.files.opening import suffix_of

if TYPE_CHECKING:
    from pandas import DataFrame


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
        columns = parquet_columns(path)
    elif suffix in (*JSON, *EXCEL, *OLD):
        columns = row_columns(path, encoding, faults)
    else:
        columns = csv_columns(path, separator, encoding, faults)
    size = max((len(values) for values in columns.values()), default=0)
    faults.report(size + faults.count)
    if not size:
        raise MisconfigurationException(f"{path} has no rows below its header")
    words = list(missing)
    return pd.DataFrame({name: without(values, words) for name, values in columns.items()}, copy=False)


def read_frame(path: Path, missing: Sequence[str] = ()) -> "DataFrame":
    """Read a table, with numbers where a whole column holds numbers.

    Args:
        path: As for ``read_texts``.
        missing: As for ``read_texts``.

    Raises:
        MisconfigurationException: As ``read_texts``, or if a number could mean two things.
    """
    frame = read_texts(path, missing=missing)
    texts = {str(name): values for name, values in frame.items() if is_text(values)}
    return with_numbers(frame, find_formats(texts, None, separator_of(path), str(path)))


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
    """A frame from elsewhere with such columns as ``read_texts`` makes; an index with a name is one of them."""
    import pandas as pd

    columns = {str(name): values for name, values in with_index(frame).items()}
    for name, values in columns.items():
        if values.dtype == object:
            columns[name] = column_of([None if is_absent(value) else value for value in values.tolist()])
    return pd.DataFrame(columns, copy=False)
