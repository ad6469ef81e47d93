"""Columns of numbers of a file with series."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn

from datamodules.files.columns import is_text, texts_to
from datamodules.files.faults import Faults, OnError
from datamodules.files.numbers import LARGEST, NumberFormat, find_formats, is_missing, parse, shown_signs, texts_of
from datamodules.types import Array

if TYPE_CHECKING:
    from pandas import DataFrame
    from pandas import Series as Column


class Numbers(NamedTuple):
    """What was read.

    Attributes:
        frame: Targets and covariates in double precision, not-a-number where a cell is empty.
        targets: Names of the targets.
        decimal: Decimal sign; empty if the numbers have none.
        units: Currency, percent sign or word in the cells of those columns that have one.
    """

    frame: "DataFrame"
    targets: list[str]
    decimal: str
    units: dict[str, str]


def read_numbers(
    frame: "DataFrame",
    targets: Sequence[str],
    covariates: Sequence[str],
    decimal: str | None,
    units: dict[str, str] | None,
    separator: str | None,
    path: Path,
    on_error: OnError,
) -> Numbers:
    """Read the columns of numbers.

    Args:
        frame: The columns but for times and names of series; its index holds the numbers of the rows.
        targets: Columns to forecast; all columns of numbers but the covariates if there are none.
        covariates: Further columns.
        decimal: Decimal sign, if it is known.
        units: Units of the columns that have one, if they are known: a later file is held to them.
        separator: Between the cells of a CSV.
        path: The file, for messages.
        on_error: What to do about cells that are no numbers.

    Raises:
        MisconfigurationException: If a cell is no number, or none of the columns holds any.
    """
    import pandas as pd

    names = [*targets, *covariates] if targets else [str(name) for name in frame.columns]
    texts = {name: frame[name] for name in names if is_text(frame[name])}
    formats = find_formats(texts, decimal, separator, str(path))
    plain = NumberFormat(decimal or ".")
    if units is not None:
        formats = {name: formats.get(name, plain)._replace(unit=units.get(name, "")) for name in names}
    if not targets:
        names = [name for name in names if name not in covariates]
        targets = [name for name in names if name not in texts or name in formats or _mostly_numbers(texts[name])]
        empty = [name for name in targets if frame[name].isna().all()]
        if empty:
            rank_zero_warn(f"{path}: columns without any value are left out: {', '.join(empty)}")
        targets = [name for name in targets if name not in empty]
        left = [name for name in names if name not in targets]
        if not targets:
            raise MisconfigurationException(f"{path} has no column of numbers to forecast")
        if left:
            rank_zero_info(f"{path}: columns without numbers are not forecast: {', '.join(left)}")
    used = [*targets, *covariates]
    faults = Faults(on_error, str(path))
    columns = {name: _to_numbers(frame[name], formats.get(name, plain), path, faults) for name in used}
    faults.report(len(frame) * len(used), "numbers")
    units = {name: formats[name].unit for name in used if name in formats and formats[name].unit}
    signs = shown_signs(texts, {name: how for name, how in formats.items() if name in used})
    sign = decimal or _one_sign(signs, path)
    return Numbers(pd.DataFrame(columns, index=frame.index), list(targets), sign, units)


def _one_sign(signs: dict[str, str], path: Path) -> str:
    """The decimal sign of all columns, by which later files are read; nothing if all numbers are whole."""
    names = {sign: name for name, sign in signs.items()}
    if len(names) > 1:
        raise MisconfigurationException(
            f"{path}: the decimal sign of column `{names['.']}` is `.`, but that of column `{names[',']}` is `,`: "
            "write all columns with the same sign"
        )
    return next(iter(names), "")


def _to_numbers(column: "Column", how: NumberFormat, path: Path, faults: Faults) -> Array:
    """Numbers in double precision, not-a-number where a cell is empty; a cell that is no number is a fault."""
    if not is_text(column):
        numbers = column.to_numpy(dtype=float, na_value=np.nan)
        absent = np.isnan(numbers)
        numbers = np.full_like(numbers, np.nan) if how.needs_unit else numbers
    elif {text.lower() for text in texts_of(column).unique().to_pylist()[:9]} <= {"true", "false"}:
        return np.asarray(column.astype("str").str.lower().map({"true": 1.0, "false": 0.0}), dtype=float)
    else:
        numbers = texts_to(column, partial(parse, how=how))
        absent = texts_to(column, is_missing).astype(bool)
    wrong = (np.abs(numbers) > LARGEST) | (np.isnan(numbers) & ~absent)
    for k in np.flatnonzero(wrong).tolist():
        where = f"{path}, row {column.index[k]}, column `{column.name}`"
        unit = f" in {how.unit} (write the unit in each cell)" if how.needs_unit else ""
        faults.add(MisconfigurationException(f"{where}: `{column.iloc[k]}` is not a finite number{unit}"))
    return np.where(wrong, np.nan, numbers)


def _mostly_numbers(column: "Column") -> bool:
    """Whether most cells are plain numbers and none is a code such as ``007``: the others are meant to be numbers."""
    numbers = texts_to(column, partial(parse, how=NumberFormat()))
    codes = column.astype("str").str.match(r"[+-]?0\d").any()
    return bool(2 * np.isfinite(numbers).sum() > column.notna().sum()) and not codes
