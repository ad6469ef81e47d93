"""The user's own series in time."""

from pathlib import Path
from typing import Any

from datamodules.series.base import SeriesData


class Series(SeriesData):
    """The user's own series: a table with a column of times and a column for each series, or for all of them.

    Args:
        path: CSV (in any dialect, packed or not), JSON, Parquet or Excel file.
        **kwargs: Columns, context, horizon and the like: see ``datamodules.series.base.SeriesData``.
    """

    def __init__(self, path: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.path = path

    @property
    def file(self) -> Path:
        """Where the series lie."""
        return Path(self.path)
