"""The index of a pandas table, in memory or in a Parquet file, as columns."""

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pandas import DataFrame
    from pyarrow import Schema

UNNAMED = "index"  # what an index of times without a name is called


class Stored(NamedTuple):
    """The columns of a Parquet file.

    Attributes:
        ranges: Those that are written down as first number, end and step only, by name.
        fields: Names of the others by that of their field, in order.
    """

    ranges: dict[str, range]
    fields: dict[str, str]

    @property
    def names(self) -> list[str]:
        """All columns, in order."""
        return [*self.ranges, *self.fields.values()]


def with_index(frame: "DataFrame") -> "DataFrame":
    """A table whose index is a column, the first, if it has a name or holds times; other ones just count the rows.

    An index whose name is that of a column says nothing new.
    """
    import pandas as pd

    columns: dict[str, pd.Series] = {}
    for level in range(frame.index.nlevels):
        values = frame.index.get_level_values(level)
        name = values.name
        if name is None and isinstance(values, pd.DatetimeIndex):
            name = _free(UNNAMED, [*map(str, frame.columns), *columns])
        if name is not None and str(name) not in (*map(str, frame.columns), *columns):
            columns[str(name)] = pd.Series(values)
    frame = frame.reset_index(drop=True)
    return pd.concat([pd.DataFrame(columns), frame], axis=1) if columns else frame


def has_times(frame: "DataFrame") -> bool:
    """Whether the index of a table holds times."""
    import pandas as pd

    return isinstance(frame.index, pd.DatetimeIndex)


def stored_columns(schema: "Schema") -> Stored:
    """The columns of a Parquet file, those that were an index in pandas as ``with_index`` has them.

    Args:
        schema: Of pyarrow.
    """
    import pyarrow as pa

    index = (schema.pandas_metadata or {}).get("index_columns", [])
    own = [name for name in schema.names if name not in index]
    ranges = {
        str(level["name"]): range(level["start"], level["stop"], level["step"])
        for level in index
        if isinstance(level, dict) and level["name"] is not None and str(level["name"]) not in own
    }
    fields: dict[str, str] = {}
    for field in (level for level in index if isinstance(level, str)):
        if not re.fullmatch(r"__index_level_\d+__", field):
            fields[field] = field
        elif pa.types.is_timestamp(schema.field(field).type):
            fields[field] = _free(UNNAMED, [*own, *fields.values()])
    return Stored(ranges, fields | {name: name for name in own})


def _free(name: str, taken: list[str]) -> str:
    while name in taken:
        name += "_"
    return name
