"""What is to be predicted of an example, whatever it is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any, Generic

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from typing_extensions import TypeVar

from datamodules.types import Facts, Row, some

F = TypeVar("F", bound=Facts, default=Any)


class Target(ABC, Generic[F]):
    """What is to be predicted of an example.

    Args:
        columns: Columns of the user's table that it is in; one column, unless there are several numbers or a column
            for each label.
    """

    separator: str | None = None  # between the cells of the file that it is read from; it says something about numbers

    def __init__(self, columns: Sequence[str]) -> None:
        self.columns = list(columns)

    @abstractmethod
    def read(self, row: Mapping[str, object], place: str) -> Any:
        """What a row holds, as something that can be compared and kept.

        Raises:
            MisconfigurationException: If it holds nothing, or nothing that it can be; names the place.
        """

    @abstractmethod
    def learn(self, values: Collection[Any], source: str) -> dict[str, Any]:
        """The facts of what the training examples hold.

        Raises:
            MisconfigurationException: If there is nothing to learn.
        """

    @abstractmethod
    def encoder(self, facts: F) -> Callable[[Any], Any]:
        """Makes of what ``read`` returned what ``tensor`` takes; raises where training had nothing like it."""

    @abstractmethod
    def tensor(self, encoded: Sequence[Any], facts: F) -> Tensor:
        """The targets ``(examples, ...)``."""

    def classes(self, values: Sequence[Any]) -> Sequence[Hashable] | None:
        """The class of each example, if each is to have the same share in every split."""
        return None

    def check(self, values: Collection[Any], source: str) -> None:
        """Refuse a column that is hardly the right one, before anything is divided into splits."""

    def report(self, source: str) -> None:
        """Say what a split held that training did not have."""

    def row(self, value: object, place: str) -> Row:
        """The row of what a Python program gives instead of one: a cell, or one for each column."""
        cells = [value] if len(self.columns) == 1 else value
        if not isinstance(cells, list | tuple) or len(cells) != len(self.columns):
            raise MisconfigurationException(f"{place}: {value!r:.50} is not a value for each of {some(self.columns)}")
        return dict(zip(self.columns, cells, strict=True))
