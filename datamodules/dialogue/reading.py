"""Reading dialogues."""

import csv
import json
import re
import zipfile
from pathlib import Path

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.parallel.reading import read_text

Turns = list[str]  # of one dialogue; two people speak in turn


def read_dialogues(path: Path) -> list[Turns]:
    """Read dialogues in UTF-8.

    Args:
        path: JSON Lines (``.jsonl``; an object a line, with ``turns``, or with ``question`` and ``answer``), or a table
            (``.csv``, ``.tsv``) with the columns ``question`` and ``answer``. Either may be gzipped.

    Raises:
        MisconfigurationException: If a line is not UTF-8 or not as described, or there is no dialogue.
    """
    kind = path.name.removesuffix(".gz").rsplit(".", 1)[-1].lower()
    if kind not in ("jsonl", "csv", "tsv"):
        raise MisconfigurationException(f"{path}: dialogues lie in .jsonl, .csv or .tsv files")
    dialogues = _from_json(path) if kind == "jsonl" else _from_table(path, "\t" if kind == "tsv" else ",")
    if not dialogues:
        raise MisconfigurationException(f"{path} holds no dialogue")
    return dialogues


def file_of(split: str, folder: Path) -> Path:
    """The file of a split."""
    for ending in ("jsonl", "jsonl.gz", "csv", "csv.gz", "tsv", "tsv.gz"):
        if (folder / f"{split}.{ending}").exists():
            return folder / f"{split}.{ending}"
    raise FileNotFoundError(f"{folder} holds no {split}.jsonl, {split}.csv or {split}.tsv")


def _from_json(path: Path) -> list[Turns]:
    dialogues = []
    for number, line in enumerate(read_text(path), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as error:
            raise MisconfigurationException(
                f"{path}, line {number} is not JSON: {error.msg}, column {error.colno}"
            ) from error
        if isinstance(entry, dict):
            turns = entry["turns"] if "turns" in entry else [entry.get("question"), entry.get("answer")]
            if isinstance(turns, list) and turns and all(isinstance(turn, str) for turn in turns):
                dialogues.append(turns)
                continue
        raise MisconfigurationException(
            f'{path}, line {number} is not of the form {{"turns": ["...", "..."]}} or '
            '{"question": "...", "answer": "..."}'
        )
    return dialogues


def _from_table(path: Path, delimiter: str) -> list[Turns]:
    # A quoted cell may hold line feeds, so the lines are numbered by the reader, which counts them.
    rows = csv.reader((line + "\n" for line in read_text(path)), delimiter=delimiter, strict=True)
    dialogues = []
    try:
        header = next(rows, [])
        for column in ("question", "answer"):
            if column not in header:
                raise MisconfigurationException(
                    f"{path} has no column `{column}`; its first line names {', '.join(header) or 'nothing'}"
                )
        places = header.index("question"), header.index("answer")
        for row in rows:
            if row and len(row) != len(header):
                raise MisconfigurationException(
                    f"{path}, line {rows.line_num}: {len(row)} columns instead of {len(header)}"
                )
            if row:
                dialogues.append([row[place] for place in places])
    except csv.Error as error:
        raise MisconfigurationException(f"{path}, line {rows.line_num}: {error}") from error
    return dialogues


def read_daily_dialog(path: Path) -> list[Turns]:
    """Read one of DailyDialog's archives: a dialogue a line, each turn ended by ``__eou__``.

    Args:
        path: ``train.zip``, ``validation.zip`` or ``test.zip``.

    Raises:
        MisconfigurationException: If the archive is damaged or another one.
    """
    name = f"{path.stem}/dialogues_{path.stem}.txt"
    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.read(name)
    except zipfile.BadZipFile as error:
        raise MisconfigurationException(f"{path} is damaged: {error}") from error
    except KeyError:
        raise MisconfigurationException(f"{path} holds no {name}") from None
    lines = content.decode("utf-8").splitlines()
    return [[natural(turn) for turn in line.split("__eou__")[:-1]] for line in lines if line.strip()]


def natural(text: str) -> str:
    """English as one writes it, of tokenized text: ``I ’ Ve paid $ 5 , OK ?`` becomes ``I've paid $5, OK?``."""
    text = " ".join(text.replace("\u2019", "'").split())
    text = re.sub(r" ?' ?(m|s|t|d|re|ve|ll|clock)\b", lambda match: f"'{match[1].lower()}", text, flags=re.IGNORECASE)
    return re.sub(r"([($£]) ", r"\1", re.sub(r" ([.,!?;:%)])", r"\1", text))
