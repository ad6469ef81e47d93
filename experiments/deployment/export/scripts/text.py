"""Predicts from texts: ``python predict.py texts.txt > predictions.csv``, a text a line."""

import unicodedata
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.deployment.export.scripts.files import given_file, lines_of, write_csv
from experiments.deployment.export.scripts.onnx_network import OnnxNetwork as Network
from experiments.deployment.export.scripts.shared import answers_of, padded, read_json
from experiments.deployment.export.scripts.tokens import Tokenizer, cut


def spelled(texts: Sequence[str], tokenizer: Tokenizer, facts: dict[str, Any]) -> dict[str, np.ndarray]:
    """Words of texts as rows of ``subwords``, each with the rows of its token and its character n-grams."""
    rows: dict[str, int] = {}
    subwords: list[list[int]] = [[0]]
    numbers = []
    for text in [unicodedata.normalize("NFC", text) for text in texts]:
        numbers.append(list[int]())
        _, encoding = tokenizer.encode([text])[0]
        for index, (first, last) in zip(encoding.ids, encoding.offsets, strict=True):
            if not index:
                continue
            normalizer = tokenizer.tokenizer.normalizer
            word = text[first:last] if normalizer is None else normalizer.normalize_str(text[first:last])
            if word not in rows:
                marked = f"<{word[:24]}>"
                grams = {marked[i : i + n] for n in (3, 4, 5) for i in range(len(marked) - n + 1)} - {marked}
                hashes = [facts["num_words"] + zlib.crc32(g.encode()) % facts["buckets"] for g in sorted(grams)]
                rows[word] = len(subwords)
                subwords.append([tokenizer.exchange(index), *hashes])
            numbers[-1].append(rows[word])
    return {"tokens": padded(numbers), "subwords": padded([*subwords, [0, 0]])[:-1]}


def predict(texts: Sequence[str], folder: Path) -> list[dict[str, Any]]:
    """What the network says of each text."""
    facts = read_json(folder)
    tokenizer = Tokenizer(folder, facts["pad"], facts["limit"])
    texts = [cut(text, facts["max_length"]) for text in texts]
    if facts["buckets"]:
        inputs = spelled(texts, tokenizer, facts)
    else:
        inputs = {"tokens": padded([ids for ids, _ in tokenizer.encode(texts)])}
    tokenizer.tell_cut(len(texts))
    return answers_of(Network(folder)(**inputs), facts)


if __name__ == "__main__":
    lines = lines_of(given_file())
    found = predict(lines, Path(__file__).parent)
    write_csv([{"text": text, **row} for text, row in zip(lines, found, strict=True)])
