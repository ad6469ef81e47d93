"""Writing the rows of the user's table again, with more columns."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datamodules.files.columns import as_text
from datamodules.files.dialect import find_dialect
from datamodules.files.faults import Faults
from datamodules.files.forms import EXCEL, JSON, PARQUET
from datamodules.files.opening import suffix_of
from datamodules.files.rows import csv_cells, read_rows

if TYPE_CHECKING:
    from pandas import DataFrame


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
