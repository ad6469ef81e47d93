"""Translates, or replies: ``python predict.py sentences.txt``; a text a line."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.deployment.export.scripts.contexts import context_of
from experiments.deployment.export.scripts.files import given_file, lines_of
from experiments.deployment.export.scripts.onnx_network import OnnxNetwork as Network
from experiments.deployment.export.scripts.shared import read_json
from experiments.deployment.export.scripts.tokens import Tokenizer

BEGIN, END = 2, 3
LINE_ENDS = re.compile("[\n\v\f\r\x1c-\x1e\x85\u2028\u2029]")


def search(ids: list[int], encoder: Network, step: Network, facts: dict[str, Any]) -> list[int]:
    """The best target of one source by beam search; tokens without begin and end."""
    width, power = facts["beam_size"], facts["length_penalty"]
    memory = {name: np.repeat(x, width, 0) for name, x in encoder(source=np.array([ids])).items()}
    state = {name: memory.pop(name) for name in list(memory) if name.startswith("state_")}
    tokens, written = np.full(width, BEGIN), np.zeros((width, 0), dtype=np.int64)
    sums = np.full(width, -np.inf)
    sums[0] = 0.0  # all hypotheses are the same yet
    done: list[tuple[float, list[int]]] = []
    limit = facts["max_length"] or 2 * len(ids) + 10
    for length in range(1, limit + 1):
        found = step(token=tokens[:, None], **memory, **state)
        logits = found["logits"].astype(float)
        logits[:, :END] = -np.inf  # padding, unknown and begin are never written
        top = logits.max(1, keepdims=True)
        scores = logits - top - np.log(np.exp(logits - top).sum(1, keepdims=True)) + sums[:, None]
        order = np.argsort(-scores, axis=None, kind="stable")[: 2 * width]
        total, parents, words = scores.ravel()[order], order // scores.shape[1], order % scores.shape[1]
        for k in np.flatnonzero((words == END) & (total > -np.inf) & (np.arange(len(order)) < width)):
            done.append((total[k] / length**power, written[parents[k]].tolist()))
        going = np.flatnonzero(words != END)[:width]
        sums, parents, tokens = total[going], parents[going], words[going]
        written = np.concatenate([written[parents], tokens[:, None]], 1)
        if length == limit:
            done += [(s / length**power, row) for s, row in zip(sums, written.tolist(), strict=True) if s > -np.inf]
        done = sorted(done, key=lambda pair: -pair[0])[:width]
        if len(done) == width or (done and done[0][0] >= sums[0] / limit ** max(0.0, power)):
            break
        state = {f"state_{name[11:]}": x[parents] for name, x in found.items() if name.startswith("next_state_")}
        if len(parents) < width:  # of a vocabulary smaller than the beam
            memory = {name: x[: len(parents)] for name, x in memory.items()}
    return done[0][1]


def predict(inputs: Sequence[Any], folder: Path) -> list[dict[str, Any]]:
    """The target of each source: a sentence, or a dialogue as a list of turns."""
    facts = read_json(folder)
    source = Tokenizer(folder, facts["pad"], facts["limit"], "source_tokenizer")
    target = Tokenizer(folder, facts["pad"], None, "target_tokenizer")
    encoder, step = Network(folder, "encoder"), Network(folder, "step")
    rows = []
    for given in inputs:
        if facts["is_dialogue"]:
            ids = context_of([given] if isinstance(given, str) else given, source, facts)
        else:
            longest = facts["longest"] - 1
            known = [k for k in source.encode(["" if given.isspace() else given])[0][0] if k > END]
            source.num_cut += len(known) > longest
            ids = [*known[:longest], END]
        tokens = [] if ids[0] == END else search(ids, encoder, step, facts)
        text = LINE_ENDS.sub(" ", target.decode([token for token in tokens if token not in (0, END)]))
        rows.append({"reply" if facts["is_dialogue"] else "translation": text})
    source.tell_cut(len(inputs))
    return rows


if __name__ == "__main__":
    for row in predict(lines_of(given_file()), Path(__file__).parent):
        print(*row.values())
