"""Reading tables from files, and writing them again with more columns."""

import csv
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch.utilities.exceptions import MisconfigurationException

if TYPE_CHECKING:
    from pandas import DataFrame, Series

PARQUET = (".parquet", ".pq")
CHUNK = 250_000  # rows that are read at a time


def read_table(
    path: Path, separator: str | None = None, decimal: str = ".", missing: Sequence[str] = ()
) -> "DataFrame":
    """Read a CSV, TSV or Parquet file.

    Args:
        path: The file.
        separator: Between the cells; told from the header if None.
        decimal: Decimal sign.
        missing: Texts that stand for a missing value, beside the usual ones (nothing, NA, NaN, null, None).

    Raises:
        MisconfigurationException: If the file cannot be read, is empty, or two columns have the same name.
    """
    import pandas as pd

    if not path.is_file():
        raise MisconfigurationException(f"there is no file {path}")
    if path.stat().st_size == 0:
        raise MisconfigurationException(f"{path} is empty")
    if path.suffix in (".gz", ".zip", ".bz2", ".xz", ".xlsx"):
        raise MisconfigurationException(f"{path}: unpack it first, to a CSV, TSV or Parquet file")
    if path.suffix in PARQUET:
        try:
            frame = pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise MisconfigurationException(f"{path} is not a Parquet file: {_first_line(error)}") from error
        frame = _join([_compact(frame.reset_index(drop=True))])
    else:
        frame = _read_csv(path, separator or find_separator(path), decimal, missing)
    names = [str(name) for name in frame.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise MisconfigurationException(f"{path} has two columns named `{twice[0]}`")
    if frame.empty:
        raise MisconfigurationException(f"{path} has no rows below its header")
    frame.columns = pd.Index(names)
    return frame


def _read_csv(path: Path, separator: str, decimal: str, missing: Sequence[str]) -> "DataFrame":
    import pandas as pd

    header = _header(path, separator)
    twice = [name for k, name in enumerate(header) if name in header[:k] and name]
    if twice:  # pandas would rename the second one
        raise MisconfigurationException(f"{path} has two columns named `{twice[0]}`")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.DtypeWarning)
        # Rows longer than the header lose their last cells with a mere warning.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            chunks = pd.read_csv(
                path,
                sep=separator,
                decimal=decimal,
                na_values=list(missing),
                index_col=False,
                encoding="utf-8",
                skipinitialspace=True,
                chunksize=CHUNK,
            )
            return _join([_compact(chunk) for chunk in chunks])
        except UnicodeDecodeError as error:
            raise _not_utf8(path) from error
        except pd.errors.ParserWarning as error:
            raise MisconfigurationException(f"{path}: rows have more cells than the header") from error
        except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
            raise MisconfigurationException(f"{path}: {_first_line(error)}") from error


def _compact(chunk: "DataFrame") -> "dict[Any, Series[Any]]":
    """The columns, each on its own, as small as they get: texts as categories, whole numbers of few bytes."""
    import pandas as pd

    columns = {}
    for name, values in chunk.items():
        if isinstance(values.dtype, pd.StringDtype):
            columns[name] = values.astype("category")
        elif values.dtype == "int64":
            columns[name] = pd.to_numeric(values, downcast="integer").copy()
        else:
            columns[name] = values.copy()
    return columns


def _join(chunks: "list[dict[Any, Series[Any]]]") -> "DataFrame":
    import pandas as pd

    columns = {}
    for name in list(chunks[0]):
        parts = [chunk.pop(name) for chunk in chunks]  # column by column, so that only one is there twice
        if all(isinstance(part.dtype, pd.CategoricalDtype) for part in parts):
            columns[name] = pd.Series(pd.api.types.union_categoricals(parts))
        else:
            columns[name] = pd.concat(parts, ignore_index=True)
        del parts
    return pd.DataFrame(columns, copy=False)


def find_separator(path: Path) -> str:
    """The separator that the header of a file has most of: comma, semicolon, tabulator or bar."""
    if path.suffix == ".tsv":
        return "\t"
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        line = file.readline()
    return max(",;\t|", key=line.count)


def _header(path: Path, separator: str) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return next((row for row in csv.reader(file, delimiter=separator, skipinitialspace=True) if row), [])


def _not_utf8(path: Path) -> MisconfigurationException:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = line[error.start]
                return MisconfigurationException(
                    f"{path}, line {number}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8"
                )
    return MisconfigurationException(f"{path} is not UTF-8")


def write_with(source: Path, separator: str | None, extra: "DataFrame", folder: Path) -> Path:
    """Write the rows of a file with further columns.

    Args:
        source: The file. The cells of a CSV are copied as they are written there.
        separator: Of the file; told from the header if None.
        extra: The further columns; those of the same name in the file are replaced.
        folder: Where to write ``predictions.csv`` (or ``.parquet``, like the source).
    """
    import pandas as pd

    if source.suffix in PARQUET:
        frame = pd.read_parquet(source)
        kept = frame.drop(columns=[name for name in extra if name in frame])
        path = folder / "predictions.parquet"
        pd.concat([kept, extra.set_axis(kept.index)], axis=1).to_parquet(path)
        return path
    separator = separator or find_separator(source)
    path = folder / "predictions.csv"
    with (
        source.open(encoding="utf-8-sig", newline="") as old,
        path.open("w", encoding="utf-8", newline="") as new,
    ):
        rows = (row for row in csv.reader(old, delimiter=separator, skipinitialspace=True) if _is_row(row))
        writer = csv.writer(new, delimiter=separator, lineterminator="\n")
        header = next(rows)
        keep = [k for k, name in enumerate(header) if name not in extra]
        writer.writerow([*(header[k] for k in keep), *extra])
        for row, more in zip(rows, extra.itertuples(index=False), strict=True):
            row += [""] * (len(header) - len(row))
            writer.writerow([*(row[k] for k in keep), *more])
    return path


def _is_row(row: list[str]) -> bool:
    return len(row) > 1 or bool(row and row[0].strip())  # pandas passes over blank lines


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].removeprefix("Error tokenizing data. C error: ")
