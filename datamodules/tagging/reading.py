"""Which reader reads which file of sentences."""

import itertools
import re
from pathlib import Path
from typing import NamedTuple

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from datamodules.files.faults import Faults, OnError
from datamodules.files.forms import TABLES
from datamodules.files.objects import listed
from datamodules.files.opening import read_lines, suffix_of
from datamodules.pairs import check_columns
from datamodules.tagging.conll import BLANKS, Sentence, read_columns, read_conllu, split
from datamodules.tagging.token_tables import (
    SENTENCE,
    TARGET,
    WORD,
    Column,
    Groups,
    find_column,
    read_table,
    usual_column,
)
from datamodules.targets import composed

TOKEN_TABLES = [suffix for suffix in TABLES if suffix != ".tsv"]  # that may be columns as of CoNLL
COLUMNS = (".conll", ".iob", ".bio", ".tsv", ".col")  # what a suffix of columns begins with
UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]{10,}")  # Japanese, Chinese, Thai without blanks


class ReadOptions(NamedTuple):
    """How the user's files of sentences are written.

    Attributes:
        word: Column of the words.
        target: Column of the tags; for CoNLL-U ``upos``, ``xpos`` or a feature.
        sentence: Column of a table that tells the sentences apart.
        encoding: Encoding of text files.
        on_error: What to do about faulty sentences.
    """

    word: Column = None
    target: Column = None
    sentence: Column = None
    encoding: str | None = None
    on_error: OnError = "stop"


def read_tagged(path: Path, options: ReadOptions) -> list[Sentence]:
    """Sentences of a file with their tags: CoNLL-U, a table, or columns, by its suffix and header.

    Raises:
        MisconfigurationException: If it cannot be read so; the message says what to do.
    """
    found = _read_tagged(path, options)
    return [sentence._replace(tags=[composed(tag) for tag in sentence.tags]) for sentence in found]


def _read_tagged(path: Path, options: ReadOptions) -> list[Sentence]:
    suffix, faults = suffix_of(path), Faults(options.on_error, str(path))
    if suffix == ".conllu":
        target = options.target if isinstance(options.target, str) else "upos"
        return read_conllu(path, target, options.encoding, faults)
    names = [] if suffix in TOKEN_TABLES else _header(path, options)
    if suffix in TOKEN_TABLES or usual_column(names, SENTENCE) is not None or options.sentence is not None:
        return read_table(path, options.word, options.target, options.sentence, True, options.encoding, faults)
    word = _number(path, names, "word", options.word, WORD, 0)
    tag = _number(path, names, "target", options.target, TARGET, -1)
    check_columns(word=str(word), target=str(tag))
    return read_columns(path, word, tag, options.encoding, faults, bool(names))


def read_untagged(path: Path, options: ReadOptions, by_character: bool = False) -> list[Sentence]:
    """Sentences of a file without tags: CoNLL-U, a table, columns, or text with a sentence a line.

    A file is columns if its suffix says so (``.conll``, ``.iob``, ``.bio``, ``.tsv``), or if all lines have equally
    many columns and blank lines part them into blocks.

    Args:
        path: The file.
        options: How it is written.
        by_character: Whether the words of a text are its characters, else what stands between blanks.

    Raises:
        MisconfigurationException: If it cannot be read so, or holds no sentence.
    """
    suffix, faults = suffix_of(path), Faults(options.on_error, str(path))
    if suffix == ".conllu":
        return read_conllu(path, None, options.encoding, faults)
    if suffix in TOKEN_TABLES:
        return read_table(path, options.word, None, options.sentence, False, options.encoding, faults)
    if not suffix.startswith(COLUMNS) and not _are_columns(path, options):
        return _read_text(path, options, by_character)
    names = _header(path, options, tagged=False)
    if usual_column(names, SENTENCE) is not None:
        return read_table(path, options.word, None, options.sentence, False, options.encoding, faults)
    word = _number(path, names, "word", options.word, WORD, 0)
    return read_columns(path, word, None, options.encoding, faults, bool(names))


def _header(path: Path, options: ReadOptions, tagged: bool = True) -> list[str]:
    """The names of the columns if the first line has those that are asked for, or usual ones."""
    first = next((line for line in read_lines(path, options.encoding) if line.strip(BLANKS)), "")
    names = split(first, "\t" if "\t" in first else None)
    asked = [name for name in (options.word, options.target if tagged else None) if isinstance(name, str)]
    usual = [usual_column(names, groups) is not None for groups in (WORD, TARGET)[: 1 + tagged]]
    there = any(name in names for name in asked) if asked else all(usual)
    return names if there and len({*names}) == len(names) > 1 else []


def _number(path: Path, names: list[str], option: str, given: Column, usual: Groups, default: int) -> int:
    if isinstance(given, int):
        return given
    if isinstance(given, str) and not names:
        raise MisconfigurationException(
            f"--data.{option} {given}: columns of {path} have numbers, not names, as its first line does not name them"
        )
    return names.index(find_column(path, names, option, given, usual)) if names else default


def _are_columns(path: Path, options: ReadOptions) -> bool:
    lines = [line.strip(BLANKS) for line in read_lines(path, options.encoding) if not line.startswith("#")]
    tabs = any("\t" in line for line in lines)
    rows = [split(line, "\t" if tabs else None) if line else [] for line in lines]
    widths = {len(fields) for fields in rows if fields and fields[0] != "-DOCSTART-"}
    parted = [] in rows[: max((i for i, fields in enumerate(rows) if fields), default=0)]
    neighbours = any(a and b for a, b in itertools.pairwise(rows))
    if tabs:
        return len(widths) == 1 and (parted or not any(" " in line for line in lines))
    return len(widths) == 1 and parted and (neighbours or widths == {1})


def sentences_in(inputs: object, by_character: bool = False) -> list[Sentence]:
    """Sentences that are in memory, each a text or a list of words.

    Raises:
        MisconfigurationException: If one is anything else, or has no word.
    """
    found = []
    for number, sentence in enumerate(listed(inputs, "sentences")):
        words = words_of(sentence, by_character) if isinstance(sentence, str) else listed(sentence, "words")
        if not words or not all(isinstance(word, str) and word for word in words):
            raise MisconfigurationException(f"sentence {number} is no list of words: {sentence!r:.100}")
        found.append(Sentence(words, [], f"sentence {number}"))
    return found


def words_of(text: str, by_character: bool) -> list[str]:
    """The words of a sentence: what stands between blanks, or its characters."""
    return [char for char in text if not char.isspace()] if by_character else text.split()


def _read_text(path: Path, options: ReadOptions, by_character: bool) -> list[Sentence]:
    found = []
    for number, line in enumerate(read_lines(path, options.encoding), start=1):
        words = words_of(line, by_character)
        if words:
            found.append(Sentence(words, [], f"{path}:{number}"))
    if not found:
        raise MisconfigurationException(f"{path} holds no sentence")
    unspaced = next((s.place for s in found if not by_character and any(map(UNSPACED.search, s.words))), None)
    if unspaced:
        rank_zero_warn(f"{unspaced}: words without blanks between them are one word to a tagger: part them by blanks")
    return found
