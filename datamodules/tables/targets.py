"""What is to be predicted of a row: a class, labels or numbers, as they are learned from the training rows."""

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor

from datamodules.files.columns import is_text
from datamodules.files.numbers import MISSING, NumberFormat, find_formats
from datamodules.tables.cells import CellReader, Rows, are_whole, categories
from datamodules.tables.kinds import Column, Kinds
from datamodules.targets import LabelTarget, composed, warn_of_alike
from datamodules.targets.truth import spelling
from datamodules.types import Array, LabelFacts

if TYPE_CHECKING:
    from pandas import Series

FEW = 10  # classes that may always be numbers
MANY = 20  # more different numbers with a fraction are no classes


def learn_classes(train: Rows, name: str, chosen: bool) -> dict[str, Any]:
    """The facts of a class to predict: the classes in their order, and how many training rows each has.

    Args:
        train: The training rows.
        name: The column.
        chosen: Whether the user says that its numbers are classes.

    Raises:
        MisconfigurationException: If there is a single class, or so many numbers that they are none.
    """
    column: Column = {"name": name, "kind": "category", "whole": are_whole(train.whole.column(name))}
    texts, codes = categories(train.column(name), column["whole"])
    counts = dict(zip(texts, np.bincount(codes[codes >= 0], minlength=len(texts)).tolist(), strict=True))
    if len(counts) < 2:
        raise _constant(train.source, name)
    rows = sum(counts.values())
    if len(counts) > FEW and not chosen and _are_numbers(train.column(name)):
        fractions = any(re.search(r"[.,]\d*[1-9]", text) for text in texts)
        if len(counts) * 3 > rows or (len(counts) > MANY and fractions):
            raise MisconfigurationException(
                f"{train.source}: target `{name}` has {len(counts)} classes for {rows} rows, and all are numbers: is "
                f"it a number to predict? then configs/own/regression.yaml (if not: --data.categorical [{name}])"
            )
    for text in [text for text, count in counts.items() if count == 1][:3]:
        rank_zero_warn(f"{train.source}: class `{text}` of `{name}` has a single training row")
    for text in [text for text in texts if text.lower() in MISSING]:
        rank_zero_warn(
            f"{train.source}: `{text}` is taken for a class of `{name}` like others ({counts[text]} rows); if it "
            f"means that the class is not known: --data.missing [{text}]"
        )
    classes = sorted(counts)
    warn_of_alike(classes, f"classes of `{name}`", train.source)
    if all(text.isdecimal() for text in classes):
        classes.sort(key=int)
    return {"target_columns": [column], "classes": classes, "class_counts": [counts[text] for text in classes]}


def _are_numbers(values: "Series") -> bool:
    return not is_text(values) or any(find_formats({"": values}, sign, None, "") for sign in ".,")


def classes_to_tensor(reader: CellReader, column: Column, classes: list[str]) -> Tensor:
    """Index of the class of each row ``(rows)``.

    Raises:
        MisconfigurationException: If a row has a class that training did not have.
    """
    texts, codes = categories(reader.rows.column(column["name"]), column["whole"])
    texts = list(map(spelling(classes), texts))
    place = {composed(text): k for k, text in enumerate(classes)}
    new = [k for k, text in enumerate(texts) if text not in place]
    if new:
        reader.refuse(np.isin(codes, new), f"no training row has the class `{texts[new[0]]}`")
    return torch.tensor([place.get(text, 0) for text in texts])[torch.from_numpy(codes)]


def learn_labels(train: Rows, target: LabelTarget, reader: CellReader) -> dict[str, Any]:
    """The facts of labels to predict, any number of them a row.

    Args:
        train: The training rows.
        target: The columns.
        reader: Reads the training rows.

    Raises:
        MisconfigurationException: If there are none, or it cannot be told what stands between them.
    """
    values = read_labels(reader, target)
    facts = target.learn([some for some, bad in zip(values, reader.bad, strict=True) if not bad], train.source)
    return facts | {"target_columns": [{"name": name, "kind": "labels"} for name in target.columns]}


def labels_to_tensor(reader: CellReader, target: LabelTarget, facts: LabelFacts) -> Tensor:
    """Which labels each row has, 0 or 1 ``(rows, labels)``; those that training did not have are told."""
    encode = target.encoder(facts)
    encoded = [encode(value) for value in read_labels(reader, target)]
    target.report(reader.rows.source)
    return target.tensor(encoded, facts)


def read_labels(reader: CellReader, target: LabelTarget) -> list[str | tuple[str, ...]]:
    """The labels of each row, as ``LabelTarget.read`` returns them; none of a row that cannot be read."""
    rows = reader.rows
    columns = [rows.column(name).astype("object") for name in target.columns]
    cells = [column.where(column.notna(), None).tolist() for column in columns]
    named = [dict(zip(target.columns, row, strict=True)) for row in zip(*cells, strict=True)]
    values: list[str | tuple[str, ...]] = []
    faulty = []
    for k, row in enumerate(named):
        try:
            values.append(target.read(row, rows.source))
        except MisconfigurationException:
            faulty.append(k)
            values.append(())
    names = rows.names if faulty else ()  # for which the file is gone through again
    for k in faulty:
        reader.bad[k] = True
        with reader.faults:
            target.read(named[k], f"{rows.source}, row {names[int(rows.where[k])]}")
    return values


def learn_numbers(train: Rows, names: list[str], kinds: Kinds, reader: CellReader) -> dict[str, Any]:
    """The facts of numbers to predict: their mean and deviation in training.

    Args:
        train: The training rows.
        names: The columns.
        kinds: What the user says about the table.
        reader: Reads the training rows.

    Raises:
        MisconfigurationException: If a target is no number, or always the same.
    """
    texts = {name: train.whole.column(name) for name in names if is_text(train.column(name))}
    formats = find_formats(texts, kinds.decimal, kinds.separator, train.source, kinds.signs)
    usual = NumberFormat(kinds.decimal or ".")
    columns = [{"name": name, "kind": "number", "format": list(formats.get(name, usual))} for name in names]
    numbers = read_numbers(reader, columns)[~reader.bad]
    scales = numbers.std(0).tolist()
    if 0 in scales:
        raise _constant(train.source, names[scales.index(0)])
    return {
        "target_columns": columns,
        "targets": names,
        "target_mean": numbers.mean(0).tolist() if kinds.scale else [0.0] * len(names),
        "target_scale": scales if kinds.scale else [1.0] * len(names),
    }


def read_numbers(reader: CellReader, columns: list[Column]) -> Array:
    """The numbers to predict ``(rows, targets)``, in double precision."""
    advice = "is it a class? then configs/own/tabular_classification.yaml"
    numbers = [reader.numbers(column["name"], NumberFormat(*column["format"]), advice) for column in columns]
    return np.stack(numbers, axis=1)


def _constant(source: str, name: str) -> MisconfigurationException:
    return MisconfigurationException(
        f"{source}: target `{name}` is the same in all training rows, so there is nothing to learn"
    )
