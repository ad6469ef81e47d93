"""Tagged sentences in tables: a row a word, or a row a sentence with lists of words and tags."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from datamodules.files.faults import Faults
from datamodules.files.forms import JSON
from datamodules.files.opening import suffix_of
from datamodules.files.rows import column_names, read_rows, require
from datamodules.lists import list_in, seems_list, why_no_list
from datamodules.pairs import check_columns
from datamodules.tagging.conll import Sentence
from datamodules.types import Row

Column = int | str | None  # number from 0, name, or None to find it by the usual names
Groups = tuple[tuple[str, ...], ...]

# Usual names in lower case, without other characters; the first group that has one of the file's is looked at.
WORD = (("token", "tokens", "word", "words", "form"), ("text",))
TARGET = (("tag", "tags", "label", "labels", "ner", "nertag", "nertags"), ("pos", "upos", "postag", "postags"))
SENTENCE = (("sentence", "sentenceid", "sentenceidx", "sentenceno", "sentencenumber", "sentid"),)


def read_table(
    path: Path,
    word: Column = None,
    target: Column = None,
    sentence: Column = None,
    tagged: bool = True,
    encoding: str | None = None,
    faults: Faults | None = None,
) -> list[Sentence]:
    """Read sentences from CSV, JSON, Parquet or Excel.

    A row with lists of words and tags, or with words separated by blanks, is a sentence. Else a row is a word: a column
    tells the sentences apart (an empty cell goes on with the sentence), or there is a blank row after each. The words
    of a sentence stand together.

    Args:
        path: The file, also packed.
        word: Column of the words.
        target: Column of the tags.
        sentence: Column that tells the sentences apart.
        tagged: Whether tags are wanted.
        encoding: Encoding of a text file.
        faults: Takes sentences that cannot be used; the first of them is raised if None.

    Raises:
        MisconfigurationException: If a column is missing or cannot be told, nothing tells the sentences apart, a word
            is missing, or a sentence has not as many tags as words or is interrupted by others.
    """
    faults = Faults("stop", str(path)) if faults is None else faults
    rows = list(read_rows(path, encoding, faults=faults))
    each = (name for _, row in rows for name in row)  # of JSON, each row has its own keys
    names = list(dict.fromkeys(each)) if suffix_of(path) in JSON else column_names(path, encoding)
    wanted = [find_column(path, names, "word", word, WORD)]
    wanted += [find_column(path, names, "target", target, TARGET)] if tagged else []
    others = [name for name in names if name not in wanted]
    by = usual_column(others, SENTENCE) if sentence is None else find_column(path, names, "sentence", sentence)
    check_columns(word=wanted[0], target=wanted[1] if tagged else None, sentence=by)
    columns = [[row.get(name) for _, row in rows] for name in wanted]
    blocks = list(_blocks(rows, by))
    lists = any(_are_lists(cells) for cells in columns)
    whole = lists or (by is None and len(blocks) == 1 and any(" " in _text(cell).strip() for cell in columns[0]))
    if not whole and by is None and len(blocks) == 1 and len(rows) > 1:
        raise MisconfigurationException(
            f"{path}: nothing tells which words make up a sentence: name the column that does (--data.sentence), or "
            "leave a blank row after each sentence"
        )
    if by is not None and not whole:
        _check_order([(rows[block[0]][0], _text(rows[block[0]][1].get(by)), len(block)) for block in blocks], path, by)
    found = []
    for block in [[i] for i in range(len(rows))] if whole else blocks:
        place = f"{path}:{rows[block[0]][0].removeprefix('line ')}"
        try:
            parts = [[part for i in block for part in _parts(cells[i], whole)] for cells in columns]
        except MisconfigurationException as error:
            faults.add(MisconfigurationException(f"{place}: {error}"))
            continue
        words, tags = parts[0], parts[-1] if tagged else []
        if not words or not all(words):
            faults.add(MisconfigurationException(f"{place}: a word is missing"))
        elif tagged and (len(words) != len(tags) or not all(tags)):
            num_tags = len([tag for tag in tags if tag])
            faults.add(MisconfigurationException(f"{place}: {len(words)} words, but {num_tags} tags"))
        else:
            found.append(Sentence(words, tags, place, rows=block))
    faults.report(len(found) + faults.count, "sentences")
    return found


def find_column(path: Path, names: Sequence[str], option: str, given: Column, usual: Groups = ()) -> str:
    """The column that an option names or numbers, or that has one of the usual names.

    Raises:
        MisconfigurationException: If there is none, or several have usual names.
    """
    if isinstance(given, str):
        require(path, [given], names)
        return given
    if given is not None:
        if not -len(names) <= given < len(names):
            raise MisconfigurationException(f"{path} has {len(names)} columns, so none is number {given}")
        return names[given]
    found = usual_column(names, usual)
    if found is None:
        raise MisconfigurationException(
            f"{path}: name the column of the {option} (--data.{option}); there are: {', '.join(names[:20])}"
        )
    return found


def usual_column(names: Sequence[str], usual: Groups) -> str | None:
    """The only column of a usual name; None if there is none, or several are alike."""
    for group in usual:
        found = [name for name in names if re.sub(r"[^a-z]", "", name.lower()) in group]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _blocks(rows: Sequence[tuple[str, Row]], sentence: str | None) -> Iterator[list[int]]:
    """Numbers of the rows of each sentence, where a row is a word."""
    block: list[int] = []
    current, following = "", 0
    for i, (place, row) in enumerate(rows):
        number, cells = int(place.split()[-1]), [_text(cell) for cell in row.values()]
        key = "" if sentence is None else _text(row.get(sentence))
        if block and (number > following or not any(cells) or (key and key != current)):
            yield block
            block = []
        if any(cells):
            block.append(i)
        current = key or current
        following = number + 1 + sum(cell.count("\n") for cell in cells)  # lines that a row of a CSV takes
    if block:
        yield block


def _check_order(blocks: Sequence[tuple[str, str, int]], path: Path, column: str) -> None:
    """Refuse a sentence whose words do not stand together.

    Documents may number their sentences anew: then the first number comes again, or a lower one, and this is said.

    Args:
        blocks: Place, number or name, and how many words, of what is taken for each sentence.
        path: The file, for messages.
        column: Column of the numbers or names.
    """
    document: dict[str, None] = {}  # its sentences so far, in their order
    first = last = ""
    again: list[str] = []
    seen: set[str] = set()
    single = sum(size == 1 for *_, size in blocks) > len(blocks) / 2  # hardly any sentence is one: they are mixed
    for place, key, _ in blocks:
        if not key or key == last:  # it goes on after a blank row
            continue
        anew = not document or key == first or _is_below(key, first)
        if anew and key in seen:
            again.append(f"`{key}` in {place}")
        if (key in document and not anew) or (again and single):
            raise MisconfigurationException(
                f"{path}, {place}: the words of sentence `{key}` do not stand together, as others (column `{column}`) "
                "are between them: sort the rows by sentence; where documents number their sentences anew, number "
                "them through"
            )
        first, document = (key, {}) if anew else (first, document)
        document[key], last = None, key
        seen.add(key)
    if again:
        rank_zero_warn(
            f"{path}: the sentences of column `{column}` begin anew {len(again)} times, such as {again[0]}: each is "
            "taken for a sentence of its own, as in documents that number theirs from 1"
        )


def _is_below(key: str, first: str) -> bool:
    try:
        return float(key) < float(first)
    except ValueError:  # names have no order
        return False


def _text(cell: object) -> str:
    return "" if cell is None else str(cell)


def _are_lists(cells: Sequence[object]) -> bool:
    return all(isinstance(cell, list) or list_in(cell) is not None or seems_list(cell) for cell in cells)


def _parts(cell: object, whole: bool) -> list[str]:
    """The words or tags of a cell: of a whole sentence, or a single one."""
    if not whole:
        return [_text(cell)]
    items = cell if isinstance(cell, list) else list_in(cell)
    if items is None and seems_list(cell):
        raise MisconfigurationException(why_no_list(_text(cell)))
    return _text(cell).split() if items is None else [_text(item) for item in items]
