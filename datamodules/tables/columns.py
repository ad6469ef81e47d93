"""Columns of a table: what is learned about them from the training rows, and how they become numbers."""

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor

from datamodules.tables.cells import CellReader, Rows, categories
from datamodules.tables.kinds import Column, Kinds, numbers_of
from datamodules.targets import composed
from datamodules.targets.truth import spelling
from datamodules.types import Array

if TYPE_CHECKING:
    from pandas import Series

NOTHING = "has no value in the training rows"
QUANTILES = 64  # parts at most, of equally many training rows; networks make bins of them
LARGEST_INPUT = float(np.finfo(np.float32).max)  # in deviations
ROWS = 10  # in a shorter table ascending numbers are no sign of anything
IDENTIFIER = re.compile(r"(?i:(^|.*[\W_])(id|idx|index|uuid|guid|row|nr|no|key)|unnamed: \d+)|.*[a-z]I[dD]")


def learn_columns(train: Rows, columns: dict[str, Column], kinds: Kinds, reader: CellReader) -> list[Column]:
    """Learn medians, scales and categories from the training rows; what says nothing is left out, and told.

    Args:
        train: The training rows.
        columns: The columns that may be inputs, as ``Kinds.tell`` returns them.
        kinds: What the user says about them.
        reader: Reads the training rows.
    """
    learned: list[Column] = []
    numbered: list[Column] = []
    for column in columns.values():
        values = train.column(column["name"])
        column["missing"] = bool(values.isna().any())
        if values.isna().all():
            reason: str | None = NOTHING
        elif column["kind"] == "category":
            reason = _learn_categories(values, column, kinds, train.source)
        else:
            reason = _learn_numbers(column, kinds, reader)
        usable = "median" in column or bool(column.get("categories"))
        if column["name"] in kinds.keep and usable:
            learned.append(column)
        elif reason is not None:
            _leave_out(train, column["name"], reason, usable)
        elif column["kind"] == "number" and _is_row_number(train, column):
            numbered.append(column)
        else:
            learned.append(column)
    for column in numbered:
        if learned:
            _leave_out(train, column["name"], "holds whole numbers that all differ, like row numbers,", True)
        else:
            rank_zero_warn(
                f"{train.source}: column `{column['name']}` looks like a row number; it is predicted from because "
                "there is no other column"
            )
    return learned or numbered


def _leave_out(train: Rows, name: str, reason: str, usable: bool) -> None:
    back = f" (`--data.keep [{name}]` brings it back)" if usable else ""
    rank_zero_warn(f"{train.source}: column `{name}` {reason} and is left out{back}")


def _learn_categories(values: "Series", column: Column, kinds: Kinds, source: str) -> str | None:
    """Why they say nothing, if they do."""
    texts, codes = categories(values, column["whole"])
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    # A category of one row cannot be told from chance; like a new one it is encoded by zeros.
    often = [k for k in np.argsort(-counts, kind="stable")[: kinds.max_categories] if counts[k] > 1]
    chosen = sorted(often, key=lambda k: texts[k])
    column["categories"] = [texts[k] for k in chosen]
    column["shares"] = [float(counts[k]) / len(codes) for k in chosen]  # of the training rows, as the inputs are
    column["shares"] += [float((codes < 0).mean())] if column["missing"] else []
    if (counts > 1).sum() > len(often):
        rank_zero_warn(
            f"{source}: column `{column['name']}` has {len(texts)} categories, of which the {len(often)} most "
            "frequent are kept (--data.max_categories)"
        )
    if not often:
        return "has values that all differ, so nothing can be learned from them"
    return "is the same in all training rows" if len(texts) == 1 and not column["missing"] else None


def _learn_numbers(column: Column, kinds: Kinds, reader: CellReader) -> str | None:
    numbers = numbers_of(reader, column)
    known = numbers[~np.isnan(numbers)]
    if not len(known):
        return NOTHING
    column["missing"] = len(known) < len(numbers)
    column["median"] = float(np.nanmedian(numbers))
    column["quantiles"] = _quantiles(known)
    column["mean"] = float(np.nanmean(numbers)) if kinds.scale else 0.0
    column["scale"] = (float(np.nanstd(numbers)) if kinds.scale else 1.0) or 1.0
    if column["kind"] == "date":
        column["hours"] = bool((known % 1 != 0).any())
    return "is the same in all training rows" if known.min() == known.max() and not column["missing"] else None


def _quantiles(numbers: Array) -> list[float]:
    """Different numbers between which equally many others lie, the least and the greatest among them."""
    values, counts = np.unique(numbers, return_counts=True)
    if len(values) <= QUANTILES + 1:
        return list(map(float, values))
    # A number that many rows share (no income, 40 hours a week) must not use up the parts of the others.
    rank = np.cumsum(np.minimum(counts, len(numbers) / QUANTILES))
    rank -= rank[0]
    places = np.searchsorted(rank, np.linspace(0, rank[-1], QUANTILES + 1))
    return list(map(float, np.unique(values[places])))


def _is_row_number(train: Rows, column: Column) -> bool:
    """Whether whole numbers all differ in the whole table and ascend, descend, leave none out, or are called ``id``."""
    table = train.whole
    if len(table.where) < ROWS:
        return False
    numbers = numbers_of(CellReader(table, "skip"), column)
    if (numbers[:ROWS] % 1 != 0).any() or (numbers % 1 != 0).any() or len(np.unique(numbers)) < len(numbers):
        return False
    steps = np.diff(numbers)
    dense = numbers.max() - numbers.min() == len(numbers) - 1
    return bool((steps > 0).all() or (steps < 0).all() or dense or IDENTIFIER.fullmatch(column["name"]))


def widths(column: Column) -> tuple[int, int]:
    """How many numbers a column becomes, and how many one-hot inputs."""
    missing = int(column["missing"])
    if column["kind"] == "category":
        return 0, len(column["categories"]) + missing
    return (1 + missing if column["kind"] == "number" else 5 + 2 * column["hours"] + missing), 0


def origins(columns: list[Column]) -> list[int]:
    """For each input of the network, the column it comes from: first the numbers, then the one-hot inputs."""
    numbers = [k for k, column in enumerate(columns) for _ in range(widths(column)[0])]
    return numbers + [k for k, column in enumerate(columns) for _ in range(widths(column)[1])]


def encode(reader: CellReader, columns: list[Column]) -> tuple[Tensor, Tensor, list[str]]:
    """Turn rows into numbers with what was learned.

    Args:
        reader: Reads the rows.
        columns: From ``learn_columns``.

    Returns:
        ``(rows, numbers)``: scaled numbers and missing indicators. ``(rows, categorical columns)``: which of the
        one-hot inputs of the whole row is 1; the number of one-hot inputs where none is, because the category is new.
        And for each column with new categories a text that names them.

    Raises:
        MisconfigurationException: If a column is not there, or holds text where numbers were learned.
    """
    rows = reader.rows
    num_hot = sum(widths(column)[1] for column in columns)
    numbers = torch.empty(len(rows.where), sum(widths(column)[0] for column in columns))
    codes = torch.empty(len(rows.where), sum(column["kind"] == "category" for column in columns), dtype=torch.int32)
    at, code, offset = 0, 0, 0
    new = []
    for column in columns:
        name = column["name"]
        if column["kind"] == "category":
            hot, unknown = _hot(rows.column(name), column, offset, num_hot)
            codes[:, code] = torch.from_numpy(hot)
            code, offset = code + 1, offset + widths(column)[1]
            new += [f"`{name}` {unknown}"] if unknown else []
            continue
        array = numbers_of(reader, column)
        if column["kind"] == "number" and not rows.labelled:
            odd = array[array % 1 > 0]
            if len(odd) and all(number % 1 == 0 for number in column["quantiles"]):
                rank_zero_warn(
                    f"{rows.source}: column `{name}` had whole numbers in training, and now {odd[0]:.10g}: is it in "
                    "the same unit, and its point no sign between thousands?"
                )
        far = np.abs((array - column["mean"]) / column["scale"]) > LARGEST_INPUT
        if far.any():
            reader.refuse(far, f"column `{name}`: {array[far.argmax()]:g} is too large for a network")
            array[far] = np.nan
        if len(array) > 1 and np.isnan(array).all():
            rank_zero_warn(f"{rows.source}: column `{name}` is empty, so its median in training is taken for all rows")
        for values in _numbers(array, column):
            numbers[:, at] = torch.from_numpy(values)
            at += 1
    return numbers, codes, new


def _numbers(array: Array, column: Column) -> Iterator[Array]:
    unknown = np.isnan(array)
    array[unknown] = column["median"]
    yield (array - column["mean"]) / column["scale"]
    if column["kind"] == "date":
        for start, period in ((3, 7.0), (0, 365.25), (0, 1.0))[: 2 + column["hours"]]:  # 1970-01-01 was a Thursday
            for wave in (np.sin, np.cos):
                cycle = wave(2 * math.pi / period * (array + start))
                cycle[unknown] = 0
                yield cycle
    if column["missing"]:
        yield unknown


def _hot(values: "Series", column: Column, offset: int, none: int) -> tuple[Array, str]:
    texts, codes = categories(values, column["whole"])
    texts = list(map(spelling(column["categories"]), texts))
    # Runs of earlier versions may hold another form of Unicode.
    place = {composed(text): offset + k for k, text in enumerate(column["categories"])}
    last = offset + len(place) if column["missing"] else none
    new = [k for k, text in enumerate(texts) if text not in place]
    count = int(np.isin(codes, new).sum()) if new else 0
    some = ", ".join(f"`{texts[k]}`" for k in new[:3])
    unknown = f"in {count} rows ({some}{' and others' if len(new) > 3 else ''})" if new else ""
    return np.array([place.get(text, none) for text in texts] + [last])[codes], unknown
