"""Columns of a table: what is learned about them from the training rows, and how they become numbers."""

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor

from datamodules.tables.cells import Array, Rows, categories, to_days, to_numbers

if TYPE_CHECKING:
    from pandas import Series

Column = dict[str, Any]  # plain, so that a checkpoint can hold it

MOSTLY = 0.9  # a text column of which so many values are numbers is meant to be numeric


@dataclass
class Kinds:
    """What the user says about the columns; the rest is told by type.

    Attributes:
        numeric: Columns to read as numbers.
        categorical: Columns to read as categories, although they may look like numbers.
        dates: Columns to read as dates.
        max_categories: Categories to keep of a column, the most frequent ones.
        scale: Whether numbers are standardized.
    """

    numeric: Collection[str] = ()
    categorical: Collection[str] = ()
    dates: Collection[str] = ()
    max_categories: int = 100
    scale: bool = True

    def of(self, values: "Series[Any]") -> str:
        """``number``, ``category`` or ``date``."""
        import pandas as pd

        for kind, names in (("number", self.numeric), ("category", self.categorical), ("date", self.dates)):
            if values.name in names:
                return kind
        if pd.api.types.is_bool_dtype(values.dtype):
            return "category"
        if pd.api.types.is_datetime64_any_dtype(values.dtype):
            return "date"
        if pd.api.types.is_numeric_dtype(values.dtype):
            return "number"
        if values.dtype == object and all(isinstance(value, bool) for value in values.dropna()):
            return "category"
        known = values.astype("category").cat.remove_unused_categories()
        texts = known.cat.categories
        is_number = pd.to_numeric(pd.Series(texts), errors="coerce").notna().to_numpy()
        if is_number[known.cat.codes[known.notna()]].mean() >= MOSTLY:
            return "number"
        if pd.to_datetime(texts[:1000], errors="coerce", format="ISO8601", utc=True).notna().all():
            return "date"
        return "category"


def learn_columns(train: Rows, names: list[str], kinds: Kinds) -> list[Column]:
    """Learn medians, scales and categories from the training rows.

    Args:
        train: The training rows.
        names: The columns that are inputs.
        kinds: What the user says about them.
    """
    for name in (*kinds.numeric, *kinds.categorical, *kinds.dates):
        train.column(name)
    columns = []
    for name in names:
        values = train.column(name)
        if values.isna().all():
            rank_zero_warn(f"{train.source}: column `{name}` has no value in the training rows and is left out")
            continue
        kind = kinds.of(values)
        column: Column = {"name": name, "kind": kind, "missing": bool(values.isna().any())}
        if kind == "category":
            texts, codes = categories(values)
            counts = np.bincount(codes[codes >= 0], minlength=len(texts))
            # A category of one row cannot be told from chance; like a new one it is encoded by zeros.
            often = [k for k in np.argsort(-counts, kind="stable")[: kinds.max_categories] if counts[k] > 1]
            column["categories"] = sorted(texts[k] for k in often)
            if not often:
                rank_zero_warn(
                    f"{train.source}: the values of column `{name}` all differ, so nothing can be learned "
                    "from them, and it is left out"
                )
                continue
        else:
            numbers = (to_numbers if kind == "number" else to_days)(values, train.source)
            column["median"] = float(np.nanmedian(numbers))
            column["mean"] = float(np.nanmean(numbers)) if kinds.scale else 0.0
            column["scale"] = (float(np.nanstd(numbers)) if kinds.scale else 1.0) or 1.0
            if kind == "date":
                column["hours"] = bool((numbers[~np.isnan(numbers)] % 1 != 0).any())
        columns.append(column)
    return columns


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


def encode(rows: Rows, columns: list[Column]) -> tuple[Tensor, Tensor]:
    """Turn rows into numbers with what was learned.

    Args:
        rows: The rows.
        columns: From ``learn_columns``.

    Returns:
        ``(rows, numbers)``: scaled numbers and missing indicators. ``(rows, categorical columns)``: which of the
        one-hot inputs of the whole row is 1; the number of one-hot inputs where none is, because the category is new.

    Raises:
        MisconfigurationException: If a column is not there, or holds text where numbers were learned.
    """
    num_hot = sum(widths(column)[1] for column in columns)
    numbers = torch.empty(len(rows.where), sum(widths(column)[0] for column in columns))
    codes = torch.empty(len(rows.where), sum(column["kind"] == "category" for column in columns), dtype=torch.int32)
    at, code, offset = 0, 0, 0
    for column in columns:
        values = rows.column(column["name"])
        if column["kind"] == "category":
            codes[:, code] = torch.from_numpy(_hot(values, column, offset, num_hot))
            code, offset = code + 1, offset + widths(column)[1]
            continue
        to_array = to_numbers if column["kind"] == "number" else to_days
        for array in _numbers(to_array(values, rows.source), column):
            numbers[:, at] = torch.from_numpy(array)
            at += 1
    return numbers, codes


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


def _hot(values: "Series[Any]", column: Column, offset: int, none: int) -> Array:
    texts, codes = categories(values)
    place = {text: offset + k for k, text in enumerate(column["categories"])}
    last = offset + len(place) if column["missing"] else none
    return np.array([place.get(text, none) for text in texts] + [last])[codes]  # code -1, missing, is the last one
