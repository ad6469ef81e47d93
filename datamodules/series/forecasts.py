"""Forecasts as the user wants them: a table that goes on where the file ends, and a picture."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from datamodules.files.dates import write_dates
from datamodules.series.figures import Panel
from datamodules.series.segments import Segment
from datamodules.types import Row, SeriesFacts

if TYPE_CHECKING:
    from pandas import DataFrame, Series


def forecast_table(
    rows: Sequence[Row], segments: Sequence[Segment], facts: SeriesFacts, id: str | None, date_form: str
) -> "DataFrame":
    """The forecasts of all series, a row for each step.

    Args:
        rows: For each series ``forecast`` (horizon x targets) and ``quantiles`` (level: horizon x targets); of a
            calibrated model also ``interval`` (``lower`` and ``upper``: horizon x targets).
        segments: For each series its times, those of the forecast at the end.
        facts: Of the series.
        id: Name of the column that tells series apart.
        date_form: How the file writes its times.

    Returns:
        Times as the file has them, the name of the series, a column for each target and, for each quantile and end
        of an interval, ``<target>_<level>``, ``<target>_lower`` and ``<target>_upper``, and the known covariates.
    """
    import pandas as pd

    tables = []
    for row, segment in zip(rows, segments, strict=True):
        times = segment.times[-facts.horizon :]
        dates = write_dates(times, date_form)
        # Rows put together may be at times that the form of the file does not show.
        columns: dict[str, object] = {facts.time: dates if len({*dates}) == len(dates) else list(times)}
        if id is not None:
            columns[id] = segment.name
        for k, target in enumerate(facts.targets):
            columns[target] = [step[k] for step in row["forecast"]]
            for level, values in (row["quantiles"] | row.get("interval", {})).items():
                columns[f"{target}_{level}"] = [step[k] for step in values]
        for name in facts.known:
            columns[name] = _as_written(segment.frame[name]).iloc[-facts.horizon :].to_numpy()
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def _as_written(column: "Series[float]") -> "Series":
    """Whole numbers without a point, as a column of 0 and 1 has them."""
    whole = (column % 1 == 0).all() and (column.abs() < 1 << 53).all()
    return column.astype("int64") if whole else column


def forecast_panels(rows: Sequence[Row], segments: Sequence[Segment], facts: SeriesFacts) -> Iterator[Panel]:
    """A panel for each target of each series; the arguments are those of ``forecast_table``."""
    for row, segment in zip(rows, segments, strict=True):
        before, ahead = segment.times[: -facts.horizon][-3 * facts.horizon :], segment.times[-facts.horizon :]
        outputs = list(row["quantiles"].values()) or [row["forecast"]]
        if len(outputs) == 1 and "interval" in row:
            outputs = [row["interval"]["lower"], row["forecast"], row["interval"]["upper"]]
        for k, target in enumerate(facts.targets):
            title = " ".join(filter(None, [segment.name, target]))
            forecast = [[steps[step][k] for steps in outputs] for step in range(facts.horizon)]
            yield Panel(title, before, segment.frame[target][before], ahead, forecast)
