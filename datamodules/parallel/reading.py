"""Files of parallel text: two with a sentence a line, or a table with a column for each language."""

from pathlib import Path
from typing import NamedTuple

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.faults import Faults, OnError
from datamodules.files.forms import JSON
from datamodules.files.opening import read_lines, suffix_of
from datamodules.files.rows import read_rows, require
from datamodules.pairs import cell_of, endings, find_splits, find_table, tables_in, text_of
from datamodules.types import Row

Files = tuple[Path, ...]  # a table, or a file for each language


class Pairs(NamedTuple):
    """Raw sentences.

    Attributes:
        source: The sentences.
        target: Their translations; None where there is nothing but the sentences.
        rows: What the user knows each sentence by, of those to translate.
    """

    source: list[str]
    target: list[str] | None = None
    rows: list[Row] | None = None


def find_files(path: Path, source: str, target: str) -> dict[str, Files]:
    """The files of each split; ``train`` alone if they are not divided.

    Args:
        path: A folder of files for each split, or of a single pair of files or table; a table; a file of one of the
            languages; or what the names of two such files have in common.
        source: Ending of the files, plain or packed, of the one language.
        target: Ending of those of the other.

    Raises:
        MisconfigurationException: If there is none of these.
    """
    if not path.is_dir():
        found = _two(path, source, target)
        if found is None and path.is_file():
            found = _two(_stem(path, (source, target)), source, target) or (path,)
        if found is None:
            raise MisconfigurationException(
                f"there is no file or folder {path}, nor two files {path}.{source} and {path}.{target}"
            )
        return {"train": found}
    splits = find_splits(path, lambda stem: _two(stem, source, target) or _one(find_table(stem)))
    if splits:
        return splits
    files = sorted(file for file in path.iterdir() if file.is_file())
    stems = {_stem(file, (source,)) for file in files if _stem(file, (source,)) != file}
    whole = [found for found in (_two(stem, source, target) for stem in sorted(stems)) if found]
    whole += [(file,) for file in tables_in(path)]
    if len(whole) != 1:
        raise MisconfigurationException(
            f"{path} holds no train.{source} and train.{target}, no train table (.csv, .tsv, .jsonl, .parquet, .xlsx), "
            f"and {len(whole) or 'no'} other tables or pairs of files of one name"
        )
    return {"train": whole[0]}


def _two(stem: Path, source: str, target: str) -> Files | None:
    sides = [[stem.with_name(stem.name + ending) for ending in endings([f".{side}"])] for side in (source, target)]
    first, second = (next((path for path in paths if path.is_file()), None) for paths in sides)
    return None if first is None or second is None else (first, second)


def _one(table: Path | None) -> Files | None:
    return None if table is None else (table,)


def _stem(path: Path, languages: tuple[str, ...]) -> Path:
    known = endings([f".{language}" for language in languages])
    return next((path.with_name(path.name.removesuffix(end)) for end in known if path.name.endswith(end)), path)


def read_files(first: Path, second: Path, encoding: str | None = None) -> Pairs:
    """Read two files, of which each line of one translates that of the other.

    Raises:
        MisconfigurationException: If they differ in length, or one has no text at all.
    """
    source, target = list(read_lines(first, encoding)), list(read_lines(second, encoding))
    if len(source) != len(target):
        raise MisconfigurationException(
            f"{first} has {len(source)} lines, {second} has {len(target)}; each line must translate that of the other"
        )
    return _check(Pairs(source, target), str(first), str(second))


def read_table(
    path: Path,
    source: str,
    target: str | None,
    encoding: str | None = None,
    separator: str | None = None,
    on_error: OnError = "stop",
) -> Pairs:
    """Read two columns of a table; or one, and what else stands in its rows.

    Args:
        path: CSV in any dialect, JSON, Parquet or Excel; the columns may also stand in an object ``translation``.
        source: Column of the sentences.
        target: Column of their translations; None if there is none.
        encoding: Of a text file; see ``datamodules.files.opening``.
        separator: Between the cells; told from the file if None.
        on_error: Whether a row that cannot be used is left out.

    Raises:
        MisconfigurationException: If a column is not there or has no text, or a row cannot be used.
    """
    columns = [source] if target is None else [source, target]
    sides: list[list[str]] = [[] for _ in columns]
    rows: list[Row] = []
    faults = Faults(on_error, str(path))
    for where, row in read_rows(path, encoding, separator, faults):
        if isinstance(row.get("translation"), dict):  # as on the Hugging Face hub
            row = {name: cell for name, cell in row.items() if name != "translation"} | row["translation"]
        if not rows and suffix_of(path) not in JSON:  # where each row has its own keys
            require(path, columns, row, separator)
        with faults:
            place = f"{path}, {where}"
            texts = [text_of(cell_of(row, name, place), f"{place}, column `{name}`") for name in columns]
            for side, text in zip(sides, texts, strict=True):
                side.append(text)
            rows.append(row)
    faults.report(len(rows) + faults.count)
    if target is None:
        return Pairs(sides[0], rows=rows)
    return _check(Pairs(sides[0], sides[1]), f"{path}, column `{source}`", f"{path}, column `{target}`")


def _check(pairs: Pairs, first: str, second: str) -> Pairs:
    for name, side in ((first, pairs.source), (second, pairs.target or [])):
        if not any(text.strip() for text in side):
            raise MisconfigurationException(f"{name}: there is no text in it")
    return pairs
