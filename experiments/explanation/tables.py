"""Which columns of a table decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from datamodules.data import Data
from datamodules.types import Row, TableFacts
from experiments.callbacks.figures.base import axes_at, shortened
from experiments.explanation.attribution import integrated_gradients
from experiments.explanation.base import Explainer, Explanation, because
from experiments.explanation.quantities import Quantity
from modules.task import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BARS = 6  # columns that are drawn of a row
FOR, AGAINST = "#c0392b", "#2c6fbb"


@dataclass(frozen=True)
class ExplainedRow(Explanation):
    """Why the model said that of a row.

    Attributes:
        contributions: What each column of the table adds.
    """

    contributions: dict[str, float]

    def columns(self, name: str) -> Row:
        """``because`` and ``contribution_COLUMN`` for each column."""
        each = {f"contribution{name}_{column}": value for column, value in self.contributions.items()}
        return {f"because{name}": because(self.contributions.items())} | each


class TableExplainer(Explainer[ExplainedRow]):
    """Compares a row with the average row: numbers at their mean, categories in their shares.

    The inputs that a column became (one for each category, the waves of a date, a missing value) are added up.

    Args:
        task: The task.
        data: Its data.
    """

    def __init__(self, task: Task, data: Data) -> None:
        super().__init__(task, data)
        facts = task.facts
        assert isinstance(facts, TableFacts)
        self.names = [str(column["name"]) for column in facts.columns]
        self.origins = torch.tensor(facts.input_columns)  # the column of each input
        self.reference = average_row(facts)

    def attribute(self, quantity: Quantity, inputs: Tensor, indices: Sequence[int]) -> list[ExplainedRow]:
        """What each column adds."""
        reference = self.reference.to(inputs).expand_as(inputs).contiguous()
        parts = integrated_gradients(quantity.score, inputs, reference).double().cpu()  # (batch, inputs)
        found = parts.new_zeros(len(parts), len(self.names)).index_add(1, self.origins, parts)  # (batch, columns)
        return [
            ExplainedRow(answer, {name: float(f"{value:.6g}") for name, value in zip(self.names, row, strict=True)})
            for answer, row in zip(quantity.answers, found.tolist(), strict=True)
        ]

    def draw(self, explanations: list[ExplainedRow]) -> "Figure":
        """Bars of the columns that decide most."""
        from matplotlib.figure import Figure

        across = min(2, len(explanations))
        down = -(-len(explanations) // across)
        drawn = [sorted(one.contributions.items(), key=lambda part: abs(part[1]))[-BARS:] for one in explanations]
        names = [[shortened(name, 20) for name, _ in bars] for bars in drawn]
        left = 0.25 + 0.075 * max(len(name) for some in names for name in some)
        inner = 0.17 * max(map(len, names))
        width, height = left + 1.9, 0.3 + inner + 0.3
        figure = Figure(figsize=(width * across, height * down))
        for number, (one, bars, some) in enumerate(zip(explanations, drawn, names, strict=True)):
            row, column = divmod(number, across)
            axes = axes_at(figure, column * width + left, (down - 1 - row) * height + 0.3, 1.75, inner)
            values = [value for _, value in bars]
            axes.barh(range(len(bars)), values, color=[FOR if value > 0 else AGAINST for value in values])
            axes.set_yticks(range(len(bars)), some)
            axes.locator_params(axis="x", nbins=4)
            axes.set_title(shortened(one.answer, 24), fontsize=9, pad=3)
            axes.axvline(0, color="black", linewidth=0.6)
            axes.tick_params(labelsize=8, length=2, pad=2)
        return figure


def average_row(facts: TableFacts) -> Tensor:
    """The inputs of the network for a row of averages ``(inputs)``.

    Numbers are standardized, so that their mean is 0; those of no mean (``scale: false``) are at their median. Of a
    category, each input has its share of the training rows.
    """
    row = torch.zeros(len(facts.input_columns))
    for number, column in enumerate(facts.columns):
        place = facts.input_columns.index(number)  # the first input of the column
        if column["kind"] == "category":
            shares = torch.tensor(column["shares"] if "shares" in column else _alike(column))
            row[place : place + len(shares)] = shares
        elif column["mean"] == 0 and column["scale"] == 1:
            row[place] = column["median"]
    return row


def _alike(column: dict[str, Any]) -> list[float]:
    """Shares of categories of which they are not known: a run of a version that did not learn them."""
    count = len(column["categories"]) + column["missing"]
    return [1 / count] * count
