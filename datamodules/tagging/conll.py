"""Files of tagged sentences: columns as of the CoNLL shared tasks, CoNLL-U, and the schemes that mark chunks."""

import gzip
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lightning.pytorch.utilities.exceptions import MisconfigurationException

CHUNK = re.compile(r"O|[BIESLU]-.+")
SCHEMES = ("IOB2", "IOB1", "BIOES")
CONLLU = {"form": 1, "lemma": 2, "upos": 3, "xpos": 4, "feats": 5}


class Sentence(NamedTuple):
    """Words, their tags (empty if unknown) and where they stand, as ``file:line`` of the first word."""

    words: list[str]
    tags: list[str]
    place: str


def read_columns(path: Path, word: int = 0, target: int | None = -1) -> list[Sentence]:
    """Read one word a line and a blank line after each sentence; ``.gz`` as it comes.

    Columns are separated by tabs, in a file without tabs by any white space. ``-DOCSTART-`` lines are left out.

    Args:
        path: The file.
        word: Column of the word, from 0.
        target: Column of the tag (-1 is the last); None if there is none.

    Raises:
        MisconfigurationException: If a line has too few columns, or the file no sentence.
    """
    lines = list(_lines(path))
    separator = "\t" if any("\t" in line.strip() for line in lines) else None
    least = 1 + (word if target is None else max(word, target, 1))  # a word's column is not its tag's too

    def rows() -> Iterator[tuple[int, list[str] | None]]:
        for number, line in enumerate(lines, start=1):
            fields = line.strip().split(separator)
            if not line.strip() or fields[0] == "-DOCSTART-":
                yield number, None
            elif len(fields) < least:
                raise MisconfigurationException(
                    f"{path}:{number}: {len(fields)} column(s), but word {word} and tag {target} need {least}: {line!r}"
                )
            else:
                yield number, [fields[word], *([] if target is None else [fields[target]])]

    return _sentences(path, rows())


def read_conllu(path: Path, target: str | None = "upos") -> list[Sentence]:
    """Read CoNLL-U (https://universaldependencies.org/format.html) without multiword tokens and empty nodes.

    Args:
        path: The file, also ``.gz``.
        target: ``upos``, ``xpos``, or the name of a feature such as ``Number`` (``_`` where a word has none).

    Raises:
        MisconfigurationException: If a line does not have ten columns, or the file no sentence.
    """

    def tag(fields: list[str]) -> list[str]:
        if target is None:
            return []
        if target in CONLLU:
            return [fields[CONLLU[target]]]
        features = dict(pair.split("=", 1) for pair in fields[CONLLU["feats"]].split("|") if "=" in pair)
        return [features.get(target, "_")]

    def rows() -> Iterator[tuple[int, list[str] | None]]:
        for number, line in enumerate(_lines(path), start=1):
            fields = line.split("\t")
            if not line.strip():
                yield number, None
            elif not line.startswith("#") and len(fields) != 10:
                raise MisconfigurationException(
                    f"{path}:{number}: {len(fields)} column(s) instead of the ten of CoNLL-U"
                )
            elif not line.startswith("#") and fields[0].isdigit():
                yield number, [fields[CONLLU["form"]], *tag(fields)]

    return _sentences(path, rows())


def read_untagged(path: Path, word: int = 0) -> list[Sentence]:
    """Read words without tags: CoNLL-U, columns, or plain text with a sentence a line, its words separated by spaces.

    A file is columns if blank lines part it into blocks of lines and all lines have equally many fields.
    """
    if is_conllu(path):
        return read_conllu(path, None)
    lines = [line.split() for line in _lines(path)]
    widths = {len(fields) for fields in lines if fields and fields[0] != "-DOCSTART-"}
    inner = lines[: max((i for i, fields in enumerate(lines) if fields), default=0)]
    neighbours = any(a and b for a, b in itertools.pairwise(lines))
    if [] in inner and len(widths) == 1 and (neighbours or widths == {1}):
        return read_columns(path, word, None)
    rows = ((number + i, [w] if w else None) for number, fields in enumerate(lines, 1) for i, w in _split(fields))
    return _sentences(path, rows)


def is_conllu(path: Path) -> bool:
    """Whether a file's name says that it is CoNLL-U."""
    return path.name.removesuffix(".gz").endswith(".conllu")


def _split(fields: list[str]) -> Iterator[tuple[int, str]]:
    yield from ((0, word) for word in fields)
    yield 0, ""


def _lines(path: Path) -> Iterator[str]:
    if not path.is_file():
        raise MisconfigurationException(f"{path}: there is no such file")
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            yield from (line.rstrip("\r\n").removeprefix("\ufeff") for line in file)
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError) as error:
        raise MisconfigurationException(
            f"{path} is not UTF-8 text{' in gzip' * (path.suffix == '.gz')}: {error}"
        ) from None


def _sentences(path: Path, rows: Iterable[tuple[int, list[str] | None]]) -> list[Sentence]:
    sentences: list[Sentence] = []
    words: list[str] = []
    tags: list[str] = []
    first = 0
    for number, fields in rows:
        if fields is None:
            if words:
                sentences.append(Sentence(words, tags, f"{path}:{first}"))
            words, tags = [], []
            continue
        first = first if words else number
        words.append(fields[0])
        tags.extend(fields[1:])
    if words:
        sentences.append(Sentence(words, tags, f"{path}:{first}"))
    if not sentences:
        raise MisconfigurationException(f"{path} holds no sentence")
    return sentences


# ---- chunks


def spans(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """Chunks as conlleval reads them, in any scheme and also in ill-formed tags: first word, last word, type."""
    found, first = [], 0
    for i, tag in enumerate(tags):
        before = tags[i - 1] if i else "O"
        after = tags[i + 1] if i + 1 < len(tags) else "O"
        if tag[:2] in ("B-", "S-", "U-") or before[:1] in "OESLU" or before[2:] != tag[2:]:
            first = i
        ends = tag[:2] in ("E-", "L-", "S-", "U-") or after[:1] in "OBSU" or after[2:] != tag[2:]
        if tag != "O" and ends:
            found.append((first, i, tag[2:]))
    return found


def encode(chunks: Iterable[tuple[int, int, str]], length: int, scheme: str) -> list[str]:
    """Tags of ``length`` words in the scheme ``IOB2``, ``IOB1`` or ``BIOES``."""
    tags = ["O"] * length
    previous = (-2, "")  # last word and type of the chunk before
    for first, last, kind in chunks:
        tags[first : last + 1] = [f"I-{kind}"] * (last + 1 - first)
        if scheme != "IOB1" or previous == (first - 1, kind):
            tags[first] = f"B-{kind}"
        if scheme == "BIOES":
            tags[last] = f"S-{kind}" if first == last else f"E-{kind}"
        previous = (last, kind)
    return tags


def find_scheme(sentences: Sequence[Sentence]) -> str:
    """The scheme of all the sentences, empty if the tags mark no chunks (parts of speech, say).

    Raises:
        MisconfigurationException: If no single scheme fits, with the first place where the likeliest one is broken.
    """
    kinds = {tag for sentence in sentences for tag in sentence.tags}
    if not any(CHUNK.fullmatch(tag) for tag in kinds - {"O"}):
        return ""
    broken = {scheme: find_fault(sentences, scheme) for scheme in SCHEMES}
    for scheme, fault in broken.items():
        if not fault:
            return scheme
    raise MisconfigurationException(
        broken["BIOES" if any(tag[:2] in ("E-", "S-", "L-", "U-") for tag in kinds) else "IOB2"]
    )


def find_fault(sentences: Sequence[Sentence], scheme: str) -> str:
    """Where and how the tags break a scheme, in one sentence; empty if they do not."""
    for sentence in sentences:
        tags = [f"{'ES'['LU'.index(t[0])]}{t[1:]}" if t[:2] in ("L-", "U-") else t for t in sentence.tags]  # BILOU
        right = encode(spans(tags), len(tags), scheme)
        for i, (tag, should) in enumerate(zip(tags, right, strict=True)):
            if tag != should:
                return (
                    f"the tags are not all of one scheme: in the sentence at {sentence.place}, word {i + 1} "
                    f"{sentence.words[i]!r} is tagged {sentence.tags[i]}, where {scheme} has {should} "
                    f"(--data.scheme {scheme} reads it so)"
                )
    return ""
