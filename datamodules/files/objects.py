"""Tables and texts that a Python program has in memory instead of a file."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from typing_extensions import TypeIs

from datamodules.files.columns import is_absent, is_text
from datamodules.files.frame import tidy
from datamodules.files.index import with_index
from datamodules.files.rows import require
from datamodules.types import Row

if TYPE_CHECKING:
    from pandas import DataFrame

    Table = DataFrame | Mapping[Hashable, object] | Sequence[Mapping[Hashable, object]]

GIVEN = "the table"  # what messages call it


def is_frame(inputs: object) -> "TypeIs[DataFrame]":
    """Whether something is a pandas DataFrame."""
    import pandas as pd

    return isinstance(inputs, pd.DataFrame)


def is_table(inputs: object) -> "TypeGuard[Table]":
    """Whether something is a DataFrame, a row (a dictionary), or a list of rows."""
    if isinstance(inputs, list | tuple):
        return bool(inputs) and all(isinstance(row, Mapping) for row in inputs)
    return isinstance(inputs, Mapping) or is_frame(inputs)


def rows_in(table: "Table", needed: Sequence[str] = ()) -> list[Row]:
    """The rows of a table, None where nothing is.

    Raises:
        MisconfigurationException: If one of the columns that are ``needed`` is not in a row.
    """
    given = with_index(table).to_dict("records") if is_frame(table) else table
    each = [given] if isinstance(given, Mapping) else given
    rows = [{str(name): None if is_absent(cell) else cell for name, cell in row.items()} for row in each]
    for row in rows:
        require(GIVEN, needed, row)
    return rows


def frame_in(inputs: object) -> "DataFrame":
    """A table as a DataFrame.

    Raises:
        MisconfigurationException: If it is none, has no rows, or has a column twice.
    """
    import pandas as pd

    if not is_table(inputs):
        raise MisconfigurationException(
            f"a {type(inputs).__name__} is no table: give a DataFrame, a list of dictionaries, or the path of a file"
        )
    frame = inputs if is_frame(inputs) else pd.DataFrame(rows_in(inputs))
    names = [str(name) for name in frame.columns]
    twice = next((name for k, name in enumerate(names) if name in names[:k]), None)
    if twice is not None:
        raise MisconfigurationException(f"{GIVEN} has two columns named `{twice}`")
    if not len(frame):
        raise MisconfigurationException(f"{GIVEN} has no rows")
    return frame


def tidy_frame(inputs: object) -> "DataFrame":
    """A table with such columns as ``read_texts`` makes of a file of the same: an empty text is missing, say."""
    frame = with_index(frame_in(inputs))
    return tidy(frame.astype({name: object for name, values in frame.items() if is_text(values)}))


def texts_in(inputs: object, column: str, name: str) -> tuple[list[str], list[Row]]:
    """Texts, and what the user knows each by.

    Args:
        inputs: A text, texts, or a table.
        column: Column of the texts in a table.
        name: What a text by itself is called.

    Raises:
        MisconfigurationException: If there is anything else among them, or the table has no such column.
    """
    if is_table(inputs):
        rows = rows_in(inputs, [column])
        texts = [row[column] for row in rows]
        return ["" if text is None else str(text) for text in texts], rows
    texts = [inputs] if isinstance(inputs, str) else listed(inputs, "texts")
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise MisconfigurationException(f"input {number} is a {type(text).__name__}, not a text: {text!r:.50}")
    return texts, [{name: text} for text in texts]


def listed(inputs: object, what: str) -> list[Any]:
    """Several inputs as a list.

    Raises:
        MisconfigurationException: If they are not several.
    """
    if isinstance(inputs, Mapping | bytes) or not isinstance(inputs, Iterable):
        raise MisconfigurationException(f"a {type(inputs).__name__} is no list of {what}")
    return list(inputs)
