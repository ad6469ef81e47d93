"""Word vectors in files, in the text format of word2vec and GloVe."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor

from datamodules.files.opening import read_lines

HEAD = 1000  # lines from which the length of a vector is told


def read_vectors(path: Path) -> Iterator[tuple[str, list[float]]]:
    """Words and their vectors: a word and its numbers a line. There may be blanks within a word (``. . .``).

    word2vec's first line, how many words and how long a vector, need not be there.

    Raises:
        MisconfigurationException: If there is no such file, or a line is not a word and as many finite numbers as most
            lines have.
    """
    size, announced = _layout(path)
    count = 0
    for number, line in enumerate(read_lines(path), start=1):
        if (number == 1 and announced is not None) or not line.strip():
            continue
        fields = _fields(line)
        word, vector = " ".join(fields[:-size]), _numbers(fields[-size:])
        if not size or not word or len(vector) != size:
            raise MisconfigurationException(f"{path}, line {number} is not a word and its vector of {size} numbers")
        count += 1
        yield word, vector
    if announced not in (None, count):
        rank_zero_warn(f"{path} announces {announced} words, but {count} are there: is it whole?")


def read_words(path: Path) -> Iterator[str]:
    """The words of a file of word vectors, or of a list of words, one a line."""
    if _layout(path)[0]:
        yield from (word for word, _ in read_vectors(path))
    else:
        yield from (line.strip() for line in read_lines(path) if line.strip())


def write_vectors(path: Path, words: Sequence[str], vectors: Tensor) -> None:
    """Write vectors ``(words, size)`` in word2vec's text format."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{len(words)} {vectors.shape[1]}\n")
        for word, vector in zip(words, vectors.tolist(), strict=True):
            file.write(f"{word} {' '.join(f'{value:.6g}' for value in vector)}\n")


def _layout(path: Path) -> tuple[int, int | None]:
    """Length of a vector, and the number of words that the first line announces, if it does."""
    if not path.is_file():
        raise MisconfigurationException(f"there are no word vectors at {path}")
    head = [_fields(line) for line in islice(read_lines(path), HEAD) if line.strip()]
    if head and len(head[0]) == 2 and all(field.isdecimal() for field in head[0]):
        return int(head[0][1]), int(head[0][0])
    sizes = Counter(len(fields) - 1 for fields in head)  # a word with blanks has more fields than most
    return min(sizes, key=lambda size: (-sizes[size], size), default=0), None


def _fields(line: str) -> list[str]:
    return line.strip("\r\n\t ").replace("\t", " ").split(" ")


def _numbers(fields: list[str]) -> list[float]:
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []
