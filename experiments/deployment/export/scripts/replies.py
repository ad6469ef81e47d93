"""Chooses replies: ``python predict.py said.txt > predictions.csv``; a line is something said."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.deployment.export.scripts.contexts import context_of
from experiments.deployment.export.scripts.files import given_file, lines_of, write_csv
from experiments.deployment.export.scripts.onnx_network import OnnxNetwork as Network
from experiments.deployment.export.scripts.shared import padded, read_json
from experiments.deployment.export.scripts.tokens import Tokenizer


def predict(dialogues: Sequence[Sequence[str]], folder: Path) -> list[dict[str, Any]]:
    """The replies that go best with each dialogue, a list of turns."""
    facts, vectors = read_json(folder), np.load(folder / "replies.npy")
    tokenizer = Tokenizer(folder, facts["pad"], facts["limit"])
    contexts = padded([context_of(turns, tokenizer, facts) for turns in dialogues])
    tokenizer.tell_cut(len(dialogues))
    rows = []
    for cosines in Network(folder)(tokens=contexts)["vectors"] @ vectors.T:
        best = np.argsort(-cosines, kind="stable")[: facts["top_k"]].tolist()
        row: dict[str, Any] = {}
        for rank, index in enumerate(best, start=1):
            suffix = "" if rank == 1 else f"_{rank}"
            row[f"reply{suffix}"], row[f"score{suffix}"] = facts["replies"][index], round(float(cosines[index]), 4)
        rows.append(row)
    return rows


if __name__ == "__main__":
    lines = lines_of(given_file())
    found = predict([[line] for line in lines], Path(__file__).parent)
    write_csv([{"text": text, **row} for text, row in zip(lines, found, strict=True)])
