"""Predicted tags beside what the user gave."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from datamodules.files.faults import Faults
from datamodules.files.forms import JSON, PARQUET
from datamodules.files.opening import suffix_of
from datamodules.files.rows import read_rows
from datamodules.files.writing import write_with
from datamodules.own_columns import joined
from datamodules.tagging.conll import Sentence, split
from datamodules.tagging.reading import ReadOptions


class Answer(NamedTuple):
    """What was predicted of a sentence.

    Attributes:
        sentence: The sentence.
        tags: A tag for each word.
        probabilities: The probability of each of these tags.
    """

    sentence: Sentence
    tags: list[str]
    probabilities: list[float]


def write_columns(answers: Sequence[Answer], path: Path) -> Path:
    """Write a word a line: the user's own columns (of a text the word), tag and probability, separated by tabs.

    Lines that are no words, such as comments, stay as they are.
    """
    with path.open("w", newline="\n", encoding="utf-8") as file:
        for sentence, tags, probabilities in answers:
            added = zip(tags, probabilities, strict=True)
            for text, is_word in sentence.lines or [(word, True) for word in sentence.words]:
                if is_word:
                    fields = split(text, "\t" if "\t" in text else None) if sentence.lines else [text]
                    tag, probability = next(added)
                    file.write("\t".join((*fields, tag, f"{probability:.4f}")) + "\n")
                else:
                    file.write(f"{text}\n")
            file.write("\n")
    return path


def write_table(answers: Sequence[Answer], source: Path, folder: Path, options: ReadOptions) -> Path:
    """Write the rows of a table with the columns ``prediction`` and ``probability``: lists, if a row is a sentence."""
    import pandas as pd

    faults = Faults(options.on_error, str(source))
    rows = [row for _, row in read_rows(source, options.encoding, faults=faults)]
    cells = cells_by_row(answers, len(rows))
    if suffix_of(source) in JSON:
        path = folder / "predictions.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for row, (tag, probability) in zip(rows, cells, strict=True):
                row = joined(row, {"prediction": tag, "probability": probability})
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        return path
    if suffix_of(source) not in PARQUET:
        cells = [(_cell(tag), _cell(probability)) for tag, probability in cells]
    extra = pd.DataFrame(cells, columns=["prediction", "probability"], dtype=object)
    return write_with(source, extra, folder, encoding=options.encoding, faults=faults)


def cells_by_row(answers: Sequence[Answer], size: int) -> list[tuple[object, object]]:
    """Prediction and probability for each row of a table of ``size`` rows: lists, if a row is a sentence."""
    whole = any(len(sentence.rows) < len(sentence.words) for sentence, *_ in answers)
    found: dict[int, tuple[object, object]] = {}
    for sentence, tags, probabilities in answers:
        cells = [(tags, probabilities)] if whole else zip(tags, probabilities, strict=True)
        found |= zip(sentence.rows, cells, strict=True)
    return [found.get(number, (None, None)) for number in range(size)]


def _cell(value: object) -> object:
    return "" if value is None else json.dumps(value, ensure_ascii=False) if isinstance(value, list) else value
