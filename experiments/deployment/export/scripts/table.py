"""Predicts from rows of a table: ``python predict.py table.csv > predictions.csv``."""

import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.own_columns import joined
from datamodules.targets.truth import spelling
from experiments.deployment.export.scripts.files import run, table_of, write_csv
from experiments.deployment.export.scripts.onnx_network import OnnxNetwork as Network
from experiments.deployment.export.scripts.shared import answers_of, number, read_json, time_of

WAVES = ((3, 7.0), (0, 365.25), (0, 1.0))  # shift and period, in days: week, year, day


def days(cell: Any, column: dict[str, Any], missing: Sequence[str]) -> float:
    """A date as days since 1970, not-a-number where it is missing."""
    if cell is None or (isinstance(cell, str) and (not cell.strip() or cell.strip().lower() in missing)):
        return float("nan")
    time: datetime = cell
    if isinstance(cell, str):
        form = column["form"]
        time = datetime.strptime(cell.strip(), form) if form else time_of(cell, column["order"])
    zoned = time.tzinfo is not None
    if column.get("zoned") not in (None, zoned):
        told = "a UTC offset, those of training had none" if zoned else "no UTC offset, those of training had one"
        raise ValueError(f"{column['name']}: {cell} has {told}")
    time = time if zoned else time.replace(tzinfo=UTC)
    return (time - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() / 86400


def name_of(cell: object, whole: bool) -> str:
    """A category as training wrote it."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    name = unicodedata.normalize("NFC", str(cell).strip())
    return name.removesuffix(".0") if whole else name


def each(read: Callable[..., float], cells: Sequence[object], *known: object) -> np.ndarray:
    """What is read of each cell; a fault names the row."""
    found = []
    for row, cell in enumerate(cells, start=1):
        try:
            found.append(read(cell, *known))
        except ValueError as error:
            raise ValueError(f"row {row}, {error}") from None
    return np.array(found)


def encode(rows: Sequence[dict[str, Any]], facts: dict[str, Any]) -> np.ndarray:
    """Inputs of the network ``(rows, inputs)``."""
    numbers, categories = [], []
    for column in facts["columns"]:
        cells = [row[column["name"]] for row in rows]
        if column["kind"] == "category":
            known, hot = column["categories"], []
            spell = spelling(known)
            for cell in cells:
                absent = cell is None or not str(cell).strip() or str(cell).strip() in facts["missing_words"]
                name = None if absent else spell(name_of(cell, column["whole"]))
                hot.append([name == one for one in known] + [absent] * column["missing"])
            categories.append(np.array(hot, dtype=float).reshape(len(rows), -1))
            continue
        read = number if column["kind"] == "number" else days
        values = each(read, cells, column, facts["missing"])
        unknown = np.isnan(values)
        values[unknown] = column["median"]
        parts = [(values - column["mean"]) / column["scale"]]
        too_large = np.abs(parts[0]) > np.finfo(np.float32).max
        if too_large.any():
            raise ValueError(
                f"row {too_large.argmax() + 1}, {column['name']}: {cells[too_large.argmax()]} is too large"
            )
        for shift, period in WAVES[: 2 + column["hours"]] if column["kind"] == "date" else ():
            cycle = 2 * np.pi / period * (values + shift)
            parts += [np.where(unknown, 0, np.sin(cycle)), np.where(unknown, 0, np.cos(cycle))]
        numbers.append(np.stack([*parts, *[unknown] * column["missing"]], 1))
    return np.concatenate([*numbers, *categories], 1).astype(np.float32)


def predict(rows: Sequence[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    """What the network says of each row, a dictionary of cells."""
    facts = read_json(folder)
    found = Network(folder)(inputs=encode(rows, facts))
    # Beside the user's own columns the class is the prediction, as in the run's own tables.
    rows_of = answers_of(found, facts)
    return [{"prediction" if name == "class" else name: x for name, x in row.items()} for row in rows_of]


if __name__ == "__main__":
    here = Path(__file__).parent
    table = table_of([column["name"] for column in read_json(here)["columns"]])
    predictions = run(predict, table, here)
    write_csv([joined(row, found) for row, found in zip(table, predictions, strict=True)])
