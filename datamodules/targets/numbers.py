"""Numbers to predict."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor

from datamodules.files.numbers import LARGEST, MISSING, PLAIN, NumberFormat, find_formats, parse
from datamodules.pairs import cell_of, text_of
from datamodules.targets.base import Target
from datamodules.types import Array, WrittenNumberFacts


class NumberTarget(Target[WrittenNumberFacts]):
    """The numbers to predict of an example, standardized.

    Args:
        columns: A column for each.
        decimal: Decimal sign; told from the whole columns if None.
    """

    def __init__(self, columns: Sequence[str], decimal: str | None = None) -> None:
        super().__init__(columns)
        self.decimal = decimal

    def read(self, row: Mapping[str, object], place: str) -> tuple[str | float, ...]:
        """The cells: numbers, or texts, where it is not known yet how numbers are written."""
        return tuple(self._cell(cell_of(row, name, place), f"{place}: `{name}`") for name in self.columns)

    def _cell(self, cell: object, place: str) -> str | float:
        if isinstance(cell, int | float) and abs(cell) <= LARGEST:
            return float(cell)
        text = text_of(cell, place).strip()
        if not text or text.lower() in MISSING:
            raise MisconfigurationException(f"{place} is empty")
        return text

    def learn(self, values: Collection[tuple[str | float, ...]], source: str) -> dict[str, Any]:
        """How the numbers are written, their mean and their deviation."""
        import pandas as pd

        cells = dict(zip(self.columns, zip(*values, strict=True), strict=True))
        texts = {
            name: pd.Series([cell for cell in cells[name] if isinstance(cell, str)], dtype="str") for name in cells
        }
        found = find_formats({n: t for n, t in texts.items() if len(t)}, self.decimal, self.separator, source)
        formats = [found.get(name, NumberFormat(self.decimal or ".")) for name in self.columns]
        means, scales = [], []
        for name, how in zip(self.columns, formats, strict=True):
            numbers = np.array([_number(cell, how) for cell in cells[name]])
            if len(texts[name]) and name not in found:
                raise _no_numbers(source, name, cells[name], numbers)
            means.append(float(np.nanmean(numbers)))
            scales.append(float(np.nanstd(numbers)))
            if not scales[-1]:
                raise MisconfigurationException(
                    f"{source}: target `{name}` is the same in all training examples, so there is nothing to learn"
                )
        return {
            "targets": self.columns,
            "target_mean": means,
            "target_scale": scales,
            "target_formats": [list(how) for how in formats],
        }

    def encoder(self, facts: WrittenNumberFacts) -> Callable[[tuple[str | float, ...]], list[float]]:
        """Numbers as they are."""
        formats = [NumberFormat(*how) for how in facts.target_formats]

        def encode(cells: tuple[str | float, ...]) -> list[float]:
            numbers = [_number(cell, how) for cell, how in zip(cells, formats, strict=True)]
            for name, cell, number, how in zip(facts.targets, cells, numbers, formats, strict=True):
                if math.isnan(number):
                    unit = f" in {how.unit} (write the unit in each cell)" if how.needs_unit else ""
                    raise MisconfigurationException(f"column `{name}`: {cell!r:.40} is not a number{unit}")
            return numbers

        return encode

    def tensor(self, encoded: Sequence[list[float]], facts: WrittenNumberFacts) -> Tensor:
        """Standardized numbers ``(examples, targets)``; in double precision until they are."""
        exact = torch.tensor(encoded, dtype=torch.float64).reshape(len(encoded), len(facts.targets))
        mean, scale = (torch.tensor(n, dtype=torch.float64) for n in (facts.target_mean, facts.target_scale))
        return ((exact - mean) / scale).float()


def _no_numbers(source: str, name: str, cells: Sequence[str | float], numbers: Array) -> MisconfigurationException:
    odd = next((cell for cell, number in zip(cells, numbers, strict=True) if math.isnan(number)), None)
    if odd is not None:
        return MisconfigurationException(f"{source}: column `{name}` does not hold numbers, but `{odd!s:.40}`")
    code = next((cell for cell in cells if isinstance(cell, str) and cell.startswith("0")), cells[0])
    return MisconfigurationException(
        f"{source}: column `{name}` holds codes that begin with a zero, such as `{code!s:.40}`: write numbers without "
        "it, or learn the codes with --data.kind class"
    )


def _number(cell: str | float, how: NumberFormat) -> float:
    """Not-a-number where a text is none, and where a bare number is none in the unit."""
    if isinstance(cell, float):
        return math.nan if how.needs_unit else cell
    if how == PLAIN and "_" not in cell and cell.isascii():  # the usual case, quickly
        try:
            number = float(cell)
        except ValueError:
            number = math.nan
        return number if abs(number) <= LARGEST else math.nan
    import pyarrow as pa

    return float(parse(pa.array([cell], pa.large_string()), how)[0])
