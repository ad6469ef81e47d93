"""Files that a program is given, and the table that it prints."""

import csv
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any


def write_csv(rows: Sequence[dict[str, object]]) -> None:
    """Print rows as CSV."""
    writer = csv.DictWriter(sys.stdout, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def run(predict: Callable[..., list[dict[str, Any]]], *given: object) -> list[dict[str, Any]]:
    """What ``predict`` finds; the program ends with a sentence if that is a fault."""
    try:
        return predict(*given)
    except (OSError, ValueError) as error:
        sys.exit(str(error))


def given_file() -> str:
    """The one file that the command names."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    return checked(sys.argv[1])


def checked(path: str) -> str:
    """The path of a file that is there."""
    if Path(path).is_dir():
        sys.exit(f"{path} is a folder: name the files in it")
    return path if Path(path).exists() else sys.exit(f"there is no file {path}")


def lines_of(path: str) -> list[str]:
    """The lines of a text file."""
    if Path(path).suffix.lower() not in ("", ".txt"):
        sys.exit(f"{path} is no .txt: give a text file, of which each line is read; not a table, but a column of it")
    text = read_text(path)
    return text.removesuffix("\n").split("\n") if text else []


def read_text(path: str) -> str:
    """What is in a text file."""
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        sys.exit(f"{path} is no text in UTF-8: save it as such")


def table_of(needed: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of the CSV that the command names; it must have the columns ``needed``."""
    path = given_file()
    if Path(path).suffix.lower() not in ("", ".csv", ".tsv", ".txt"):
        sys.exit(f"{path} is no .csv: save the table as CSV")
    text = read_text(path)
    head = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t|", key=head.count))
    names = [name.strip() for name in reader.fieldnames or ()]
    reader.fieldnames = names
    absent = [name for name in needed if name not in names]
    if absent:
        sys.exit(f"{path} has no column {', '.join(absent)} (but {', '.join(names)})")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        sys.exit(f"{path} has two columns named {twice}")
    rows = list(reader)
    if not rows:
        sys.exit(f"{path} has no rows below its header")
    if any(None in row for row in rows):
        sys.exit(f"{path} has a row with more cells than columns")
    return rows
