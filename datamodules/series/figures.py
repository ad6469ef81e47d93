"""The picture of forecasts, for ``predictions.png`` and for TensorBoard."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from datamodules.types import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike


class Panel(NamedTuple):
    """One forecast of one series. All values are sequences that matplotlib can draw.

    Attributes:
        title: What it is of.
        before: Times of what the forecast looks back on.
        past: Values then.
        ahead: Times of the forecast.
        forecast: ``(horizon, outputs)``; the middle one is the forecast, the outermost bound the interval.
        truth: What came to pass; None if it is not known.
        naive: The seasonal naive forecast, or None.
    """

    title: str
    before: "ArrayLike"
    past: "ArrayLike"
    ahead: "ArrayLike"
    forecast: Sequence[Sequence[float]] | Array
    truth: "ArrayLike | None" = None
    naive: "ArrayLike | None" = None


def draw_forecasts(
    panels: Sequence[Panel],
    columns: int = 1,
    levels: Sequence[float | str] = (),
    size: tuple[float, float] | None = None,
    unit: str = "",
) -> "Figure":
    """Draw each forecast after what it looks back on.

    Args:
        panels: The forecasts, row by row.
        columns: Panels in a row.
        levels: Levels of the quantiles, if the outputs are quantiles, or names of the ends of an interval.
        size: Width and height of a panel, in inches.
        unit: What the times are, if they do not say it themselves.

    Returns:
        A matplotlib figure.
    """
    from matplotlib.figure import Figure

    rows = -(-len(panels) // columns)
    width, height = size or (9 if columns == 1 else 5, 2.4)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes, panel in zip(grid, panels, strict=False):
        middle = [step[len(step) // 2] for step in panel.forecast]
        axes.plot(panel.before, panel.past, color="black", linewidth=0.8, label="data")
        if panel.truth is not None:
            axes.plot(panel.ahead, panel.truth, color="black", linewidth=1.2, label="truth")
        if panel.naive is not None:
            axes.plot(panel.ahead, panel.naive, color="tab:gray", linewidth=0.8, linestyle=":", label="seasonal naive")
        axes.plot(panel.ahead, middle, color="tab:blue", label="forecast")
        if levels:
            low, high = ([step[k] for step in panel.forecast] for k in (0, -1))
            label = f"{levels[0]} to {levels[-1]}"
            axes.fill_between(panel.ahead, low, high, color="tab:blue", alpha=0.2, label=label)
        axes.set_title(panel.title, fontsize=9)
        axes.tick_params(labelsize=7)
    axes.set_xlabel(unit, fontsize=8)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, fontsize=7.5, loc="outside upper center", ncols=3 if size else 5, frameon=False)
    return figure
