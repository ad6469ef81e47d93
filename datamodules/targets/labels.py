"""Labels to predict, any number of them."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor

from datamodules.lists import list_in, seems_list, why_no_list
from datamodules.pairs import cell_of, text_of
from datamodules.targets.base import Target
from datamodules.targets.names import as_one, composed, finder, warn_of_alike
from datamodules.types import LabelFacts, some

BETWEEN = {";": "a semicolon", "|": "a bar", ",": "a comma", "\n": "a line break"}  # what may stand between labels
LISTS = re.compile(r"""\[[^\[\]]*,[^\[\]]*\]|[({]\s*['"].*[)}]""", re.DOTALL)  # which no label looks like
YES = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}


class LabelTarget(Target[LabelFacts]):
    """The labels of an example, any number of them: in one cell (``drama;comedy`` or a list), or a column of 0 and 1
    for each.

    Args:
        columns: The one column, or the labels.
        between: What stands between the labels in a cell; told from the whole column if None.
    """

    def __init__(self, columns: Sequence[str], between: str | None = None) -> None:
        super().__init__(columns)
        self.between = between
        self.unknown: Counter[str] = Counter()  # labels of the split at hand that training did not have

    def read(self, row: Mapping[str, object], place: str) -> str | tuple[str, ...]:
        """The labels; or the cell, where it is not known yet what stands between them."""
        if len(self.columns) > 1:
            return tuple(name for name in self.columns if _is_set(cell_of(row, name, place), name, place))
        column = self.columns[0]
        cell = cell_of(row, column, place)
        if isinstance(cell, str):
            found = list_in(cell)
            if found is None and (seems_list(cell) or LISTS.fullmatch(cell.strip())):
                raise MisconfigurationException(f"{place}: `{column}`: {why_no_list(cell)}")
            cell = cell if found is None else found
        if isinstance(cell, np.ndarray):
            cell = cell.tolist()
        if isinstance(cell, list | tuple | set | frozenset):
            labels = (composed(text_of(label, f"{place}: `{column}`").strip()) for label in cell)
            return tuple(dict.fromkeys(label for label in labels if label))
        return composed(text_of(cell, f"{place}: `{column}`").strip())

    def learn(self, values: Collection[str | tuple[str, ...]], source: str) -> dict[str, Any]:
        """The labels in the order of their names, or of their columns."""
        between = self._told(values, source)
        each = [split_labels(value, between) for value in values]
        one = as_one({label for labels in each for label in labels}) if len(self.columns) == 1 else str
        counts = Counter(label for labels in each for label in {one(label): None for label in labels})
        labels = sorted(counts) if len(self.columns) == 1 else self.columns
        if not counts:
            raise MisconfigurationException(f"{source}: no training example has a label in {some(self.columns)}")
        if len(counts) > max(20, counts.total() / 2):
            raise MisconfigurationException(
                f"{source}: {len(counts)} labels that hardly any two examples share, such as `{min(counts)[:40]}`: is "
                "that the column of the labels (--data.target), and what stands between them (--data.label_separator)?"
            )
        warn_of_alike(labels, "labels", source)
        none = [label for label in labels if not counts[label]]
        if none:
            rank_zero_warn(f"{source}: no training example has the labels {some(none)}, so they cannot be learned")
        if max(map(len, each)) < 2:
            rank_zero_warn(f"{source}: no example has several labels; a class each is learned with --data.kind class")
        return {
            "labels": labels,
            "label_counts": [counts[label] for label in labels],
            "num_examples": len(values),
            "between": between,
        }

    def _told(self, values: Collection[object], source: str) -> str:
        cells = [value for value in values if isinstance(value, str) and value]
        if self.between is not None or len(self.columns) > 1:
            return self.between or ";"
        if not cells:
            return ""  # lists
        found = [mark for mark in BETWEEN if any(mark in cell for cell in cells)]
        if len(found) > 1:
            example = next(cell for cell in cells if found[1] in cell)
            marks = " or ".join(BETWEEN[mark] for mark in found)
            raise MisconfigurationException(
                f"{source}: whether {marks} stands between the labels of `{self.columns[0]}` cannot be told "
                f"(`{example[:60]}`): say it with --data.label_separator '{found[0]}'"
            )
        mark = next(iter(found), ";")
        spaced = all(after.startswith(" ") for cell in cells for after in cell.split(mark)[1:])
        return f"{mark} " if found and spaced else mark

    def encoder(self, facts: LabelFacts) -> Callable[[str | tuple[str, ...]], list[int]]:
        """Indices of the labels; those that training did not have are counted."""
        find = finder(facts.labels)
        self.unknown.clear()

        def encode(value: str | tuple[str, ...]) -> list[int]:
            labels = split_labels(value, facts.between)
            numbers = [find(label) for label in labels]
            self.unknown.update(label for label, number in zip(labels, numbers, strict=True) if number is None)
            return [number for number in numbers if number is not None]

        return encode

    def tensor(self, encoded: Sequence[list[int]], facts: LabelFacts) -> Tensor:
        """Which labels an example has, 0 or 1 ``(examples, labels)``."""
        target = torch.zeros(len(encoded), len(facts.labels), dtype=torch.uint8)
        rows = torch.tensor([row for row, labels in enumerate(encoded) for _ in labels], dtype=torch.long)
        target[rows, torch.tensor([label for labels in encoded for label in labels], dtype=torch.long)] = 1
        return target

    def report(self, source: str) -> None:
        """Say which labels training did not have, and how many examples have them."""
        if self.unknown:
            told = some([f"`{label}` ({count})" for label, count in self.unknown.most_common()])
            rank_zero_warn(f"{source}: labels that no training example has are left out: {told}")


def split_labels(value: str | tuple[str, ...], between: str) -> tuple[str, ...]:
    """The labels of an example, each once.

    Args:
        value: As ``LabelTarget.read`` returns it.
        between: What stands between labels in a cell; nothing does if empty.
    """
    if isinstance(value, tuple):
        return value
    mark = between.strip(" ") or between  # a blank beside it is only for how they are written
    labels = (label.strip() for label in (value.split(mark) if mark else [value]))
    return tuple(dict.fromkeys(label for label in labels if label))


def _is_set(cell: object, name: str, place: str) -> bool:
    text = str(cell).strip().lower()
    if text not in YES:
        raise MisconfigurationException(
            f"{place}: {cell!r:.40} in column `{name}` is neither 0 nor 1 (a column for each label: --data.kind labels)"
        )
    return YES[text]
