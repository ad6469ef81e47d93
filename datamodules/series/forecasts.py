"""Forecasts as the user wants them: a table that goes on where the data ends, and a picture."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datamodules.data import Row
from datamodules.series.reading import Part

if TYPE_CHECKING:
    from pandas import DataFrame


def forecast_table(
    rows: Sequence[Row], parts: Sequence[Part], targets: Sequence[str], time: str, id: str | None
) -> "DataFrame":
    """The forecasts of all series, a row for each step.

    Args:
        rows: For each series ``forecast`` (horizon x targets) and ``quantiles`` (level: horizon x targets).
        parts: For each series its times, those of the forecast at the end.
        targets: Names of the targets.
        time: Name of the column of times.
        id: Name of the column that tells series apart.

    Returns:
        Columns ``time``, ``id``, a column for each target and, for each quantile, ``<target>_<level>``.
    """
    import pandas as pd

    tables = []
    for row, part in zip(rows, parts, strict=True):
        columns: dict[str, Any] = {time: part.times[-len(row["forecast"]) :]}
        if id is not None:
            columns[id] = part.name
        for k, target in enumerate(targets):
            columns[target] = [step[k] for step in row["forecast"]]
            for level, values in row["quantiles"].items():
                columns[f"{target}_{level}"] = [step[k] for step in values]
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def draw_forecasts(
    rows: Sequence[Row], parts: Sequence[Part], targets: Sequence[str], path: Path, most: int = 8
) -> None:
    """Draw the end of each series and its forecast, with the interval between the outermost quantiles.

    Args:
        rows: As for ``forecast_table``.
        parts: As for ``forecast_table``.
        targets: Names of the targets.
        path: PNG file to write.
        most: Panels at most.
    """
    from matplotlib.figure import Figure

    panels = [(row, part, k) for row, part in zip(rows, parts, strict=True) for k in range(len(targets))][:most]
    figure = Figure(figsize=(9, 2.4 * len(panels)), layout="constrained")
    for axes, (row, part, k) in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
        steps = len(row["forecast"])
        past, ahead = part.times[:-steps][-3 * steps :], part.times[-steps:]
        axes.plot(past, part.frame[targets[k]].iloc[:-steps].iloc[-len(past) :], color="black", label="data")
        axes.plot(ahead, [step[k] for step in row["forecast"]], color="tab:blue", label="forecast")
        if row["quantiles"]:
            levels = list(row["quantiles"])
            low, high = ([step[k] for step in row["quantiles"][level]] for level in (levels[0], levels[-1]))
            axes.fill_between(ahead, low, high, color="tab:blue", alpha=0.2, label=f"{levels[0]} to {levels[-1]}")
        axes.set_title(" ".join(filter(None, [part.name, targets[k]])), fontsize=9)
        axes.tick_params(labelsize=7)
    figure.axes[0].legend(fontsize=7, loc="upper left")
    figure.savefig(path, dpi=110)
