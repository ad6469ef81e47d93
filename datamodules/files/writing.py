"""Writing the rows of the user's table again, with more columns."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.columns import as_text
from datamodules.files.dialect import find_dialect
from datamodules.files.faults import Faults
from datamodules.files.forms import EXCEL, JSON, PARQUET
from datamodules.files.opening import suffix_of
from datamodules.files.rows import csv_cells, read_rows
from datamodules.own_columns import own_names

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
        extra: The further columns, with the numbers of the rows that can be read, from 0 and ascending, as the index;
            others are left out. A column of the file that has the name of such is called ``given_...``.
        folder: Where to write ``predictions.csv``, or ``predictions.parquet`` if the source is one.
        separator: Of the source; told from its head if None.
        encoding: Of the source; what its byte-order mark says, else UTF-8, if None.
        faults: Takes rows that cannot be read, as in reading.
    """
    import pandas as pd

    suffix = suffix_of(source)
    if suffix in PARQUET:
        frame = pd.read_parquet(source)
        kept = frame.iloc[extra.index].rename(columns=own_names(frame.columns, extra.columns))
        path = folder / "predictions.parquet"
        pd.concat([kept, extra.set_axis(kept.index)], axis=1).to_parquet(path)
        return path
    faults = Faults("stop", str(source)) if faults is None else faults
    mark = "," if suffix in (*JSON, *EXCEL) else find_dialect(source, separator, encoding).separator
    path = folder / "predictions.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=mark, lineterminator="\n")
        wanted = zip(extra.index, extra.itertuples(index=False), strict=True)
        number, more = next(wanted, (-1, ()))
        for place, (names, cells) in enumerate(_copied(source, encoding, separator, faults)):
            if place == 0:
                writer.writerow([*own_names(names, extra.columns).values(), *extra])
            if place == number:
                writer.writerow([*cells, *more])
                number, more = next(wanted, (-1, ()))
    if number >= 0:
        raise MisconfigurationException(f"{source} has fewer rows than were predicted: it was changed meanwhile")
    return path


def _copied(
    source: Path, encoding: str | None, separator: str | None, faults: Faults
) -> Iterator[tuple[list[str], Iterable[str]]]:
    if suffix_of(source) in (*JSON, *EXCEL):
        columns = list(dict.fromkeys(name for _, row in read_rows(source, encoding, None, faults) for name in row))
        for _, row in read_rows(source, encoding, None, Faults("skip", str(source))):
            yield columns, ["" if row.get(name) is None else as_text(row[name]) for name in columns]
        return
    for _, header, cells in csv_cells(source, encoding, separator, faults):
        yield header, cells
