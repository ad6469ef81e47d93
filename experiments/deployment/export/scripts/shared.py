"""What several of the programs have in common."""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np


def read_json(folder: Path) -> dict[str, Any]:
    """What the data knows: ``preprocess.json``."""
    found: dict[str, Any] = json.loads((folder / "preprocess.json").read_text(encoding="utf-8"))
    return found


TIME = re.compile(r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4}|\d\d)(?:[T ](\d{1,2}):(\d\d)(?::(\d\d))?)?", re.ASCII)
ORDERS = {"dmy": (2, 1, 0), "mdy": (2, 0, 1), "ymd": (0, 1, 2)}  # where year, month and day stand


def time_of(text: str, order: str = "") -> datetime:
    """A time as it is written: with a year of four digits first, or in the ``order`` of day, month and year."""
    text = text.strip()
    if order and not text[:4].isdecimal():
        found = TIME.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no time that this program can read")
        date, clock = found.groups()[:3], [int(part or 0) for part in found.groups()[3:]]
        year, month, day = (date[place] for place in ORDERS[order])
        century = 0 if len(year) == 4 else 2000 if int(year) < 69 else 1900
        return datetime(century + int(year), int(month), int(day), clock[0], clock[1], clock[2])
    try:
        if not re.match(r"\d{4}-\d\d(-|$)", text, re.ASCII):
            raise ValueError
        return datetime.fromisoformat(f"{text}-01" if len(text) == 7 else text)
    except ValueError:
        raise ValueError(f"{text!r} is no time that this program can read") from None


def written_like(time: datetime, text: str, order: str = "") -> str:
    """A time as another one is written."""
    date = (time.year, time.month, time.day)
    places = ORDERS[order] if order and not text.strip()[:4].isdecimal() else ORDERS["ymd"]
    parts = iter([*(date[places.index(place)] for place in range(3)), time.hour, time.minute, time.second, 0])

    def part(found: re.Match[str]) -> str:
        number = next(parts)
        return str(number % 100 if number > 99 and len(found[0]) == 2 else number).zfill(len(found[0]))

    return re.sub(r"\d+", part, text.strip(), count=7)


def number(cell: Any, column: dict[str, Any], missing: Sequence[str]) -> float:
    """A cell as a number, not-a-number where it is missing."""
    if cell is None or cell != cell:
        return float("nan")
    text = cell.strip() if isinstance(cell, str) else str(cell)
    if not text or text.lower() in missing:
        return float("nan")
    decimal, thousands, unit = column["format"]
    bare = re.sub(rf"^([+-]?)\s*{re.escape(unit)}\s*|\s*{re.escape(unit)}$", r"\1", text) if unit else text
    if bare == text and column["needs_unit"]:
        raise ValueError(f"{column['name']}: {cell!r} is not a number in {unit} (write the unit in each cell)")
    groups = {" ": r"\s", "'": "['\u2019]"}.get(thousands, re.escape(thousands))
    if isinstance(cell, str) and not re.search(column["pattern"], bare.strip()):
        raise ValueError(f"{column['name']}: {cell!r} is not a number")
    found = float(re.sub(groups, "", bare).replace(decimal, ".").strip() if isinstance(cell, str) else cell)
    if abs(found) > 1e150:
        raise ValueError(f"{column['name']}: {cell!r} is not a number")
    return found


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities ``(rows, classes)``."""
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def classes_of(logits: np.ndarray, facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The most probable class of each row of logits, the probability of each class, and the set of a calibration."""
    classes, calibration, rows = facts["classes"], facts["calibration"], []
    if calibration:
        logits = logits.astype(float) / calibration["temperature"]
    for shares in softmax(logits).tolist():
        best = int(np.argmax(shares))
        row = {"class": classes[best], "probability": round(shares[best], 6)}
        if len(classes) <= 20:
            row |= {f"probability_{name}": round(share, 6) for name, share in zip(classes, shares, strict=True)}
        if calibration:
            ranked = sorted(zip(shares, classes, strict=True), key=lambda pair: -pair[0])
            names = [name for share, name in ranked if share >= calibration["threshold"]]
            plain = not any("|" in name for name in classes)
            row["set"] = "|".join(names) if plain else json.dumps(names, ensure_ascii=False)
        rows.append(row)
    return rows


def labels_of(shares: np.ndarray, facts: dict[str, Any]) -> list[dict[str, Any]]:
    """The labels of each row of probabilities, written as in training, and the probability of each."""
    names, between, rows = facts["labels"], facts["between"], []
    for row in shares.tolist():
        chosen = [name for name, share in zip(names, row, strict=True) if share >= facts["threshold"]]
        written = between.join(chosen) if between else json.dumps(chosen, ensure_ascii=False)
        each = {f"probability_{name}": round(share, 6) for name, share in zip(names, row, strict=True)}
        rows.append({"prediction": written} | each)
    return rows


def answers_of(found: dict[str, np.ndarray], facts: dict[str, Any]) -> list[dict[str, Any]]:
    """What the outputs of a network mean: classes, labels, or numbers in their units."""
    if "classes" in facts:
        return classes_of(found["logits"], facts)
    if "labels" in facts:
        return labels_of(1 / (1 + np.exp(-found["logits"].astype(float))), facts)
    values = found["standardized"].astype(float) * facts["target_scale"] + facts["target_mean"]
    columns = {"prediction": values}
    if facts["calibration"]:
        margin = np.array(facts["calibration"]["margin"])
        columns |= {"lower": values - margin, "upper": values + margin}
    ends = [""] if len(facts["targets"]) == 1 else [f"_{name}" for name in facts["targets"]]
    names = [column + end for column in columns for end in ends]
    return [dict(zip(names, row, strict=True)) for row in np.concatenate([*columns.values()], 1).tolist()]


def padded(sequences: Sequence[Sequence[int]]) -> np.ndarray:
    """Token ids ``(batch, longest)``, filled up with 0."""
    filled = np.zeros((len(sequences), max(1, *map(len, sequences))), dtype=np.int64)
    for row, ids in zip(filled, sequences, strict=True):
        row[: len(ids)] = ids
    return filled
