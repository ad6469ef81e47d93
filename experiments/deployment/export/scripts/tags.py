"""Tags the words of sentences: ``python predict.py sentences.txt``, a sentence a line, its words between blanks."""

import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from experiments.deployment.export.scripts.files import given_file, lines_of
from experiments.deployment.export.scripts.onnx_network import OnnxNetwork as Network
from experiments.deployment.export.scripts.shared import padded, read_json, softmax
from experiments.deployment.export.scripts.tokens import Tokenizer


def shape(word: str) -> str:
    """``Xx`` for ``Leyden``, ``d`` for ``1979``."""
    kinds = ("X" if c.isupper() else "x" if c.islower() else "d" if c.isdigit() else c for c in word[:32])
    return "".join(kind for kind, _ in groupby(kinds))[:8]


def inputs_of(words: Sequence[str], facts: dict[str, Any]) -> dict[str, np.ndarray]:
    """What the network takes of one sentence."""
    ids = {name: {text: k for k, text in enumerate(facts[name], start=2)} for name in ("words", "chars", "shapes")}
    forms = [re.sub(r"\d", "0", word.lower()) if facts["lower"] else word for word in words]
    distinct = list(dict.fromkeys(words))
    short = [word if len(word) <= 32 else word[:16] + word[-16:] for word in distinct]
    return {
        "words": np.array([[ids["words"].get(form, 1) for form in forms]]),
        "shapes": np.array([[ids["shapes"].get(shape(word), 1) for word in words]]),
        "spelled": np.array([[distinct.index(word) + 1 for word in words]]),
        "spelling": padded([[0], *([ids["chars"].get(char, 1) for char in word] for word in short)]),
    }


def pieces_of(words: Sequence[str], facts: dict[str, Any], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
    """Word pieces of one sentence, in windows that the network can take, and where each word begins."""
    alone = tokenizer.encode([[word] for word in words], words=True)
    words = [word if 0 in encoding.word_ids else "?" for word, (_, encoding) in zip(words, alone, strict=True)]
    windows, places = list[list[int]](), list[tuple[int, int]]()
    while len(places) < len(words):
        ids, encoding = tokenizer.encode([words[len(places) :]], words=True)[0]
        first = {word: k for k, word in reversed(list(enumerate(encoding.word_ids))) if word is not None}
        places += [(len(windows), first[word]) for word in sorted(first)]
        windows.append(ids)
    tokens = padded(windows)
    return {"tokens": tokens, "first": np.array([[row * tokens.shape[1] + place for row, place in places]])}


def best_and_probabilities(emissions: np.ndarray, crf: dict[str, Any] | None) -> tuple[list[int], np.ndarray]:
    """The best tags of one sentence of ``emissions`` (length, tags), and the probability of each tag at each place."""
    if crf is None:
        return emissions.argmax(1).tolist(), softmax(emissions)
    steps, start, end = (np.array(crf[name]) for name in ("transitions", "start", "end"))
    best, origins = emissions[0] + start, []
    ahead = [emissions[0] + start]
    for row in emissions[1:]:  # Viterbi, and the forward recursion
        scores = best[:, None] + steps
        origins.append(scores.argmax(0))
        best = scores.max(0) + row
        ahead.append(np.logaddexp.reduce(ahead[-1][:, None] + steps, 0) + row)
    tags = [int((best + end).argmax())]
    for origin in reversed(origins):
        tags.append(int(origin[tags[-1]]))
    back = [end]
    for row in emissions[:0:-1]:
        back.append(np.logaddexp.reduce(steps + row + back[-1], 1))
    total = np.stack(ahead) + np.stack(back[::-1])
    return tags[::-1], np.exp(total - np.logaddexp.reduce(total, 1, keepdims=True))


def as_iob2(tags: Sequence[str]) -> list[str]:
    """The chunks of tags in any scheme, as conlleval reads them, each with a beginning (B) and its inside (I)."""
    found = []
    for before, tag in zip(["O", *tags], tags, strict=False):
        begins = tag[:1] in "BSU" or before[:1] in "OESLU" or before[2:] != tag[2:]
        found.append(tag if tag == "O" else f"{'B' if begins else 'I'}-{tag[2:]}")
    return found


def predict(sentences: Sequence[Sequence[str]], folder: Path) -> list[dict[str, Any]]:
    """Tags of each sentence, a list of words, and their probabilities."""
    facts, network = read_json(folder), Network(folder)
    tokenizer = Tokenizer(folder, facts["pad"], facts["limit"]) if facts["has_pieces"] else None
    rows = []
    for words in sentences:
        inputs = inputs_of(words, facts)
        if tokenizer is not None:
            inputs |= pieces_of(words, facts, tokenizer)
        emissions = network(**inputs)["emissions"][0].astype(float) + np.array(facts["bias"])
        tags, shares = best_and_probabilities(emissions, facts["crf"])
        probabilities = [round(float(shares[k, tag]), 4) for k, tag in enumerate(tags)]
        names = [facts["tags"][tag] for tag in tags]
        names = as_iob2(names) if facts["scheme"] not in ("", "BIOES") else names
        rows.append({"prediction": names, "probability": probabilities})
    return rows


if __name__ == "__main__":
    texts = [line.split() for line in lines_of(given_file()) if line.split()]
    for words, row in zip(texts, predict(texts, Path(__file__).parent), strict=True):
        for line in zip(words, row["prediction"], row["probability"], strict=True):
            print(*line, sep="\t")
        print()
