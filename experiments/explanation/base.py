"""What every explanation is: columns for the user's table, and something to draw."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from torch import Tensor
from typing_extensions import TypeVar

from datamodules.data import Data
from datamodules.types import Row
from experiments.explanation.attribution import differentiable
from experiments.explanation.quantities import Quantity, quantities
from modules.task import Task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 3  # parts of an input that ``because`` names


@dataclass(frozen=True)
class Explanation(ABC):
    """Why the model said that of an input.

    Attributes:
        answer: What it said.
    """

    answer: str

    @abstractmethod
    def columns(self, name: str) -> Row:
        """Columns of the user's table; their names end with ``name``."""

    def in_memory(self, name: str) -> Row:
        """The same for a Python program, which can hold more than a table can."""
        return self.columns(name)


E = TypeVar("E", bound=Explanation, default=Any)


class Explainer(ABC, Generic[E]):
    """Explains what a task said of a batch. A subclass for each kind of input writes ``attribute`` and ``draw``.

    Args:
        task: The task, in evaluation mode.
        data: Its data, which has read the inputs.
    """

    def __init__(self, task: Task, data: Data) -> None:
        self.task, self.data = task, data

    @abstractmethod
    def attribute(self, quantity: Quantity, inputs: Any, indices: Sequence[int]) -> list[E]:
        """An explanation for each example of a batch.

        Args:
            quantity: What to explain.
            inputs: Those of the batch.
            indices: Which of the user's inputs they are.
        """

    @abstractmethod
    def draw(self, explanations: list[E]) -> "Figure":
        """A matplotlib figure of some explanations."""

    def complete(
        self, rows: list[Row], inputs: Any, outputs: Tensor, indices: Sequence[int], in_memory: bool = False
    ) -> dict[str, list[E]]:
        """Add to the rows predicted of a batch what decided them.

        Args:
            rows: The row of each example.
            inputs: Those of the batch, made outside of inference mode, which allows no gradients.
            outputs: What the task returned for them, as predictions are made ``(batch, outputs)``.
            indices: Which of the user's inputs they are.
            in_memory: Whether the rows are for a Python program, not for a table.

        Returns:
            For each quantity, by its name, the explanation of each example.
        """
        found = {}
        for quantity in quantities(self.task, outputs):
            with differentiable(self.task):
                answers = found[quantity.name] = self.attribute(quantity, inputs, indices)
            for row, further, one in zip(rows, quantity.columns, answers, strict=True):
                row |= further
                row |= one.in_memory(quantity.name) if in_memory else one.columns(quantity.name)
        return found


def because(contributions: Iterable[tuple[str, float]]) -> str:
    """The parts of an input that contribute most, with what they contribute."""
    strongest = sorted(contributions, key=lambda part: -abs(part[1]))[:MOST]
    return ", ".join(f"{name} ({value:+.3g})" for name, value in strongest if value)
