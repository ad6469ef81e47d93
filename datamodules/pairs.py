"""Pairs of texts: the cells and files they come from, encoded pairs, and batches of them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from datamodules.data import Data, check_least
from datamodules.files.forms import TABLES
from datamodules.files.opening import PACKED
from datamodules.files.rows import require
from datamodules.ragged import Ragged
from datamodules.sampling import BatchIndices
from datamodules.split_names import is_hidden, split_name, twice
from datamodules.splits import SPLITS
from datamodules.types import PairBatch

STARTS = ("train", "val", "dev", "test")  # of names that may be meant for a split

T = TypeVar("T")


class PairExamples:
    """Encoded sources of a split with their targets.

    Args:
        source: Token ids of each source, ended by ``END``.
        target: Token ids of each target, between ``BEGIN`` and ``END``; None if there is nothing but sources.
        references: The targets as they were written, which generated texts are compared with; None in training.
    """

    def __init__(self, source: Ragged, target: Ragged | None, references: list[str] | None) -> None:
        self.source, self.target, self.references = source, target, references
        self.lengths = source.lengths if target is None else torch.maximum(source.lengths, target.lengths)

    def __len__(self) -> int:
        return len(self.source)

    def __getitems__(self, indices: BatchIndices) -> PairBatch:
        """Sources ``(batch, source length)``, targets ``(batch, target length)`` and references."""
        return PairBatch(
            self.source.pad(indices),
            None if self.target is None else self.target.pad(indices),
            None if self.references is None else [self.references[index] for index in indices],
        )


def text_of(cell: object, place: str) -> str:
    """The text in a cell of a table; an empty one where nothing is.

    Raises:
        MisconfigurationException: If it holds a list, an object or half of a character.
    """
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)  # as a spreadsheet shows it
    text = "" if cell is None or cell != cell else str(cell)
    if isinstance(cell, list | dict):
        raise MisconfigurationException(
            f"{place} holds {'a list' if isinstance(cell, list) else 'an object'}, not text"
        )
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise MisconfigurationException(f"{place} holds half of a surrogate pair, which is no text")
    return text


def cell_of(row: Mapping[str, T], name: str, place: str) -> T:
    """A cell of a row, which may lack it: each object of JSON has its own keys.

    Raises:
        MisconfigurationException: If there is no such column in it.
    """
    if name not in row:
        require(place, [name], row)
    return row[name]


def check_columns(**options: str | Sequence[str] | None) -> None:
    """Refuse a column that is named for two things: what is to be predicted could be read off.

    Args:
        **options: The columns that each option names.

    Raises:
        MisconfigurationException: If one is named twice.
    """
    found: dict[str, str] = {}
    for option, names in options.items():
        for name in [names] if isinstance(names, str) else names or ():
            if name in found:
                raise MisconfigurationException(
                    f"the column `{name}` is named twice, by data.{found[name]} and data.{option}; name another"
                )
            found[name] = option


def find_splits(folder: Path, find: Callable[[Path], T | None]) -> dict[str, T]:
    """What there is for each split in a folder.

    Args:
        folder: The folder.
        find: Finds what has the path of a split but for its endings; None if there is nothing.

    Raises:
        MisconfigurationException: If there are two for one split.
    """
    found: dict[str, T] = {}
    names: dict[str, str] = {}
    others = []
    for name in sorted({entry.name.partition(".")[0] for entry in folder.iterdir() if not is_hidden(entry)}):
        split, file = split_name(name), find(folder / name)
        if file is not None and split in found:
            raise twice(folder, split, names[split], name)
        if file is not None and split is not None:
            found[split], names[split] = file, name
        elif file is not None and name.lower().startswith(STARTS):
            others.append(name)
    if found and others:
        rank_zero_warn(f"{folder}: left out {', '.join(others)}, whose names are not train, val or test alone")
    return found


def find_table(stem: Path) -> Path | None:
    """The table of this name but for its endings; None if there is none."""
    paths = (stem.with_name(stem.name + ending) for ending in endings(TABLES))
    return next((path for path in paths if path.is_file()), None)


def tables_in(folder: Path) -> list[Path]:
    """All tables in a folder, but for hidden ones."""
    files = (path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith("."))
    return [path for path in files if path.name.lower().endswith(tuple(endings(TABLES)))]


def endings(suffixes: Sequence[str]) -> list[str]:
    """Suffixes of files, as they are and packed."""
    return [suffix + packed for suffix in suffixes for packed in ("", *PACKED)]


def share(data: Data, size: int, split: str, val: float, test: float, source: str) -> list[int]:
    """The examples of a split where there is no file for some splits, which then get a share of the training file.

    Args:
        data: Whose examples.
        size: Number of examples in the training file.
        split: The split.
        val: Share for validation; 0 if there is a file for it.
        test: Share for testing; 0 if there is a file for it.
        source: The file, for the message.

    Raises:
        MisconfigurationException: If there is none.
    """
    if not size:
        raise MisconfigurationException(f"{source} holds no example")
    mine = np.flatnonzero(data.assign_splits(size, val, test) == SPLITS.index(split)).tolist()
    if not mine:
        raise MisconfigurationException(
            f"{source}: none of {size} examples are for the split {split}; "
            f"raise data.{split}_fraction, or give a file of that name"
        )
    return mine


def check_fractions(val: float, test: float) -> None:
    """Refuse shares of splits that are none, whether they are needed or not.

    Raises:
        MisconfigurationException: If one is not from 0 to below 1.
    """
    for name, value in (("val", val), ("test", test)):
        if not 0 <= value < 1:
            raise MisconfigurationException(f"data.{name}_fraction is {value}; it must be from 0 to below 1")


def check_limits(num_tokens: int, max_length: int, max_tokens: int | None) -> None:
    """Refuse options of a vocabulary and of batches that nothing can be made with.

    Raises:
        MisconfigurationException: If one is too small.
    """
    if num_tokens < 300:
        raise MisconfigurationException(
            f"data.num_tokens is {num_tokens}; it must be at least 300; 256 of them are bytes"
        )
    check_least(4, max_length=max_length)
    check_least(1, max_tokens=max_tokens)
