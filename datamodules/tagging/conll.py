"""Files with a word a line: columns as of the CoNLL shared tasks, and CoNLL-U."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.faults import Faults
from datamodules.files.opening import read_lines

CONLLU = {"form": 1, "lemma": 2, "upos": 3, "xpos": 4, "feats": 5}
BLANKS = " \t"  # other spaces, a no-break space say, are characters of words


class Sentence(NamedTuple):
    """A sentence and where it stands.

    Attributes:
        words: Its words.
        tags: Their tags; none if they are unknown.
        place: File and line of the first word, ``file:line``.
        lines: All lines as they are written, comments too, and whether each is a word's; of files with a word a line.
        rows: Rows of the table that its words are, or the row that it is, from 0.
    """

    words: list[str]
    tags: list[str]
    place: str
    lines: Sequence[tuple[str, bool]] = ()
    rows: Sequence[int] = ()


class ColumnLine(NamedTuple):
    """A line of a file with a word a line.

    Attributes:
        number: From 1.
        text: As it is written.
        word: The word; None if it is none.
        tag: Its tag, if that is wanted.
        ends: Whether it ends a sentence.
        fault: What is wrong with it, if anything is.
    """

    number: int
    text: str
    word: str | None = None
    tag: str | None = None
    ends: bool = False
    fault: str = ""


def read_columns(
    path: Path,
    word: int = 0,
    target: int | None = -1,
    encoding: str | None = None,
    faults: Faults | None = None,
    header: bool = False,
) -> list[Sentence]:
    """Read one word a line and a blank line after each sentence.

    Columns are separated by tabs, in a file without tabs by blanks. ``-DOCSTART-`` lines and comments are left out.

    Args:
        path: The file, also packed.
        word: Column of the word, from 0.
        target: Column of the tag (-1 is the last); None if there is none.
        encoding: Encoding of the file; see ``datamodules.files.opening.read_lines``.
        faults: Takes sentences with a faulty line; the first of them is raised if None.
        header: Whether the first line names the columns.

    Raises:
        MisconfigurationException: If a line has too few columns, or more than the others; if the file has no sentence.
    """
    lines = list(read_lines(path, encoding))
    if header:
        lines[:1] = [""]
    return _sentences(path, _columns(lines, word, target), faults)


def _columns(lines: Sequence[str], word: int, target: int | None) -> Iterator[ColumnLine]:
    plain = [line for line in lines if line.strip(BLANKS) and not line.startswith(("#", "-DOCSTART-"))]
    separator = "\t" if any("\t" in line.strip(BLANKS) for line in plain) else None
    rows = [split(line, separator) for line in plain]
    width = Counter(map(len, rows)).most_common(1)[0][0] if rows else 2
    least = 1 + (word if target is None else max(word, target, 1))  # a word's column is not its tag's too
    tags = {_last(fields, target) for fields in rows} | {"#"}
    inside = False
    for number, line in enumerate(lines, start=1):
        fields = split(line, separator)
        if not line.strip(BLANKS) or fields[0] == "-DOCSTART-":
            inside = False
            yield ColumnLine(number, line, ends=True)
        elif _is_comment(line, fields, width, inside, separator is None and _last(fields, target) not in tags):
            yield ColumnLine(number, line)
        else:
            inside = True
            fault = ""
            if len(fields) < least:
                fault = f"{len(fields)} column(s), but word {word} and tag {target} need {least}: {line!r}"
            elif len(fields) != width and target is not None and target < 0:
                fault = f"{len(fields)} columns, but most lines have {width} (words with blanks need tabs): {line!r}"
            elif not fields[word]:
                fault = f"there is no word in column {word}: {line!r}"
            if fault:
                yield ColumnLine(number, line, "", fault=fault)
            else:
                yield ColumnLine(number, line, fields[word], None if target is None else fields[target])


def split(line: str, separator: str | None) -> list[str]:
    """The columns of a line: between tabs, or between runs of blanks if the separator is None."""
    if separator is None:
        return re.split(f"[{BLANKS}]+", line.strip(BLANKS))
    return line.rstrip(BLANKS).split(separator)


def _last(fields: list[str], target: int | None) -> str:
    return fields[-1] if target is None or target >= len(fields) else fields[target]


def _is_comment(line: str, fields: list[str], width: int, inside: bool, new_tag: bool) -> bool:
    """Whether a line is a comment, such as ``# sent_id = 1``, and no word such as ``#`` or ``#leyden``."""
    first, *rest = split(line, None)
    if not line.startswith("#") or not rest:
        return False
    if len(fields) != width:
        return first == "#" or not inside
    # It has as many columns as a word: then it is one, unless its tag is that of no other word.
    return first == "#" and not inside and new_tag and rest[-1][1:2] != "-"


def read_conllu(
    path: Path, target: str | None = "upos", encoding: str | None = None, faults: Faults | None = None
) -> list[Sentence]:
    """Read CoNLL-U (https://universaldependencies.org/format.html) without multiword tokens and empty nodes.

    Args:
        path: The file, also packed.
        target: ``upos``, ``xpos``, or the name of a feature such as ``Number`` (``_`` where a word has none).
        encoding: Encoding of the file; see ``datamodules.files.opening.read_lines``.
        faults: Takes sentences with a faulty line; the first of them is raised if None.

    Raises:
        MisconfigurationException: If a line does not have ten columns, or the file has no sentence.
    """

    def lines() -> Iterator[ColumnLine]:
        for number, line in enumerate(read_lines(path, encoding), start=1):
            fields = line.split("\t")
            if not line.strip(BLANKS):
                yield ColumnLine(number, line, ends=True)
            elif line.startswith("#"):
                yield ColumnLine(number, line)
            elif len(fields) != 10:
                yield ColumnLine(number, line, "", fault=f"{len(fields)} column(s) instead of the ten of CoNLL-U")
            elif fields[0].isdigit():
                tag = None if target is None else _conllu_tag(fields, target)
                yield ColumnLine(number, line, fields[CONLLU["form"]], tag)
            else:
                yield ColumnLine(number, line)

    return _sentences(path, lines(), faults)


def _conllu_tag(fields: list[str], target: str) -> str:
    if target in CONLLU:
        return fields[CONLLU[target]]
    features = dict(pair.split("=", 1) for pair in fields[CONLLU["feats"]].split("|") if "=" in pair)
    return features.get(target, "_")


def _sentences(path: Path, lines: Iterable[ColumnLine], faults: Faults | None) -> list[Sentence]:
    faults = Faults("stop", str(path)) if faults is None else faults
    found: list[Sentence] = []
    block: list[ColumnLine] = []
    for line in (*lines, ColumnLine(0, "", ends=True)):
        block.append(line)
        if not line.ends:
            continue
        words = [each for each in block if each.word is not None]
        if not words:  # the mark of a document belongs to the sentence after it
            block = block if any(each.text.strip(BLANKS) for each in block) else []
            continue
        wrong = next((each for each in words if each.fault), None)
        if wrong is not None:
            faults.add(MisconfigurationException(f"{path}:{wrong.number}: {wrong.fault}"))
        else:
            tags = [each.tag for each in words if each.tag is not None]
            written = () if tags else tuple((each.text, each.word is not None) for each in block[:-1])
            found.append(Sentence([str(each.word) for each in words], tags, f"{path}:{words[0].number}", written))
        block = []
    if not found and not faults.count:
        raise MisconfigurationException(f"{path} holds no sentence")
    faults.report(len(found) + faults.count, "sentences")
    return found
