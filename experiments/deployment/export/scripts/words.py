"""Finds the nearest neighbours of words: ``python predict.py words.txt > predictions.csv``, a word a line."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.deployment.export.scripts.files import given_file, lines_of, write_csv
from experiments.deployment.export.scripts.onnx_network import OnnxNetwork as Network
from experiments.deployment.export.scripts.shared import read_json


def predict(words: Sequence[str], folder: Path) -> list[dict[str, Any]]:
    """The neighbours of each word, with their cosines; nothing for an unknown word."""
    facts = read_json(folder)
    ids = {word: index for index, word in enumerate(facts["words"])}
    numbers = np.array([ids.get(word.lower() if facts["lowercase"] else word, 0) for word in words])
    cosines = Network(folder)(words=numbers)["cosines"]
    rows = []
    for number, row in zip(numbers.tolist(), cosines, strict=True):
        row[[0, number]] = -np.inf
        best = np.argsort(-row, kind="stable")[: min(facts["top_k"], len(ids) - 2)].tolist()
        found: dict[str, Any] = {}
        for rank, index in enumerate(best, start=1):
            found[f"neighbour_{rank}"] = facts["words"][index] if number else ""
            found[f"cosine_{rank}"] = round(float(row[index]), 4) if number else ""
        rows.append(found)
    return rows


if __name__ == "__main__":
    lines = lines_of(given_file())
    found = predict(lines, Path(__file__).parent)
    write_csv([{"word": word, **row} for word, row in zip(lines, found, strict=True)])
