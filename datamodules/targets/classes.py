"""A class to predict."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor

from datamodules.pairs import cell_of, text_of
from datamodules.targets.base import Target
from datamodules.targets.names import as_one, composed, finder, warn_of_alike
from datamodules.types import ClassFacts, some


class ClassTarget(Target[ClassFacts]):
    """The class of an example, a name, whatever it looks like.

    Args:
        columns: The one column.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__(columns)
        if len(self.columns) != 1:
            raise MisconfigurationException(
                f"a class is one column, but target names {len(self.columns)}; several labels an example: "
                "--data.kind labels"
            )

    def read(self, row: Mapping[str, object], place: str) -> str:
        """The name."""
        column = self.columns[0]
        cell = cell_of(row, column, place)
        if isinstance(cell, list):
            raise MisconfigurationException(
                f"{place}: `{column}` holds a list; several labels an example: --data.kind labels"
            )
        name = composed(text_of(cell, f"{place}: `{column}`").strip())
        if not name:
            raise MisconfigurationException(f"{place}: `{column}` is empty")
        return name

    def classes(self, values: Sequence[str]) -> Sequence[str]:
        """The names."""
        one = as_one({*values})
        return [one(name) for name in values]

    def check(self, values: Collection[str], source: str) -> None:
        """Refuse so many classes that hardly any two examples have the same."""
        counts = Counter(self.classes([*values]))
        _require_two(counts, source)
        if len(counts) > max(20, len(values) / 2):
            raise MisconfigurationException(
                f"{source}: {len(counts)} classes for {len(values)} examples, such as `{min(counts)[:40]}`: is that "
                "the column of the classes (--data.target)? several an example: --data.kind labels; numbers: "
                "--data.kind number"
            )

    def learn(self, values: Collection[str], source: str) -> dict[str, Any]:
        """The classes in the order of their names, and how many examples each has."""
        counts = Counter(self.classes([*values]))
        _require_two(counts, source)
        warn_of_alike(sorted(counts), "classes", source)
        return {"classes": sorted(counts), "class_counts": [counts[name] for name in sorted(counts)]}

    def encoder(self, facts: ClassFacts) -> Callable[[str], int]:
        """Index of a class."""
        find = finder(facts.classes)

        def encode(name: str) -> int:
            number = find(name)
            if number is None:
                raise MisconfigurationException(
                    f"the class `{name}` does not occur in training (there: {some(facts.classes, 20)})"
                )
            return number

        return encode

    def tensor(self, encoded: Sequence[int], facts: ClassFacts) -> Tensor:
        """Indices ``(examples)``."""
        return torch.tensor(encoded, dtype=torch.long)


def _require_two(counts: Counter[str], source: str) -> None:
    if len(counts) < 2:
        raise MisconfigurationException(f"{source}: there is only one class, {next(iter(counts), '-')}")
