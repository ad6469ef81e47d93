"""Cells of a table as numbers, days and categories; what does not fit is named by file, row, column and value."""

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from lightning.pytorch.utilities.exceptions import MisconfigurationException

if TYPE_CHECKING:
    from pandas import DataFrame, Series

Array = np.ndarray[Any, Any]

DAY = 86400e9  # nanoseconds


class Rows(NamedTuple):
    """Some rows of a table.

    Attributes:
        frame: The whole table, shared by the splits.
        where: Numbers of the rows, counted from 0.
        source: Where the table is from, for messages.
        labelled: Whether the target is there.
    """

    frame: "DataFrame"
    where: Array
    source: str
    labelled: bool = True

    def column(self, name: str) -> "Series[Any]":
        """One column of these rows.

        Raises:
            MisconfigurationException: If there is no such column; tells the nearest name.
        """
        if name in self.frame.columns:
            return self.frame[name].iloc[self.where]
        there = [str(other) for other in self.frame.columns]
        near = difflib.get_close_matches(name, there, n=1)
        hint = f"did you mean `{near[0]}`?" if near else "there are: " + ", ".join(there[:20])
        raise MisconfigurationException(f"{self.source} has no column `{name}`; {hint}")


def categories(values: "Series[Any]") -> tuple[list[str], Array]:
    """The different values as texts, and for each row which one it has, -1 where it is missing."""
    import pandas as pd

    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, unique = values.cat.codes.to_numpy(), values.cat.categories
    else:
        codes, unique = pd.factorize(values)
    # Missing values make whole numbers floats: 1 and 1.0 are one category.
    texts = [str(int(v)) if isinstance(v, float) and v.is_integer() else str(v) for v in unique.tolist()]
    used = np.bincount(codes + 1, minlength=len(texts) + 1)[1:] > 0  # by these rows
    names = {text: k for k, text in enumerate(dict.fromkeys(t for t, u in zip(texts, used, strict=True) if u))}
    merged = np.array([names.get(text, -1) for text in texts] + [-1], dtype=np.int32)
    return list(names), merged[codes]


def to_numbers(values: "Series[Any]", source: str) -> Array:
    """Numbers as float64, not-a-number where missing.

    Raises:
        MisconfigurationException: If a value is not a finite number; tells the row and the value.
    """
    array = _convert(values, _to_numeric)
    wrong = np.isinf(array) | (np.isnan(array) & values.notna().to_numpy())
    if wrong.any():
        raise _not_a(
            f"number (are they categories? then list `{values.name}` under categorical)", values, wrong, source
        )
    return array


def to_days(values: "Series[Any]", source: str) -> Array:
    """Dates as days since 1970, not-a-number where missing.

    Raises:
        MisconfigurationException: If a value is not a date; tells the row and the value.
    """
    array = _convert(values, _to_days)
    wrong = np.isnan(array) & values.notna().to_numpy()
    if wrong.any():
        raise _not_a("date", values, wrong, source)
    return array


def _convert(values: "Series[Any]", convert: "Callable[[Series[Any]], Array]") -> Array:
    """Convert each different text of a categorical column once; always a new array."""
    import pandas as pd

    if not isinstance(values.dtype, pd.CategoricalDtype):
        return convert(values)
    each = np.append(convert(pd.Series(values.cat.categories)), np.nan)
    return np.asarray(each[values.cat.codes.to_numpy()])  # code -1, missing, is the last one


def _to_numeric(values: "Series[Any]") -> Array:
    import pandas as pd

    return pd.to_numeric(values, errors="coerce").to_numpy(dtype="float64", na_value=np.nan, copy=True)


def _to_days(values: "Series[Any]") -> Array:
    import pandas as pd

    dates = values
    if not pd.api.types.is_datetime64_any_dtype(values.dtype):
        dates = pd.to_datetime(values, errors="coerce", format="ISO8601", utc=True)
        if (dates.isna() & values.notna()).any():
            dates = pd.to_datetime(values, errors="coerce", utc=True)
    naive = dates.dt.tz_convert(None) if dates.dt.tz is not None else dates
    days = naive.astype("datetime64[ns]").astype("int64").to_numpy() / DAY
    days[dates.isna().to_numpy()] = np.nan
    return np.asarray(days)


def _not_a(kind: str, values: "Series[Any]", wrong: Array, source: str) -> MisconfigurationException:
    first = int(np.argmax(wrong))
    more = int(wrong.sum()) - 1
    value = values.iloc[first]
    others = f" ({more} more like it)" if more else ""
    return MisconfigurationException(
        f"{source}, row {values.index[first] + 1}, column `{values.name}`: "
        f"{repr(value) if isinstance(value, str) else value} is not a {kind}{others}"
    )
