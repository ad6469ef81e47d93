"""Reading dialogues."""

import re
from pathlib import Path
from typing import NamedTuple

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.archives import members
from datamodules.files.faults import Faults, OnError
from datamodules.files.forms import TABLES
from datamodules.files.objects import GIVEN, is_table, listed, rows_in, texts_in
from datamodules.files.opening import suffix_of
from datamodules.files.rows import read_rows
from datamodules.lists import list_in
from datamodules.pairs import find_splits, find_table, tables_in, text_of
from datamodules.types import Row

# Columns of whole ones.
LISTS = ("turns", "messages", "conversations", "conversation", "dialog", "dialogue", "utterances")
PAIRS = (("question", "answer"), ("prompt", "completion"), ("prompt", "response"), ("instruction", "output"))
MORE = {"instruction": "input"}  # what belongs to a question, in a column of its own
SPEAKER, TEXT = ("role", "from", "speaker"), ("content", "value", "text")  # keys of a turn
REPLIERS = ("assistant", "gpt", "chatgpt", "model", "bot", "ai")
NOBODY = ("system", "developer", "tool", "function")  # instructions and machinery, which nobody says


class Dialogue(NamedTuple):
    """What two people say in turn.

    Attributes:
        turns: The texts.
        replier: Whose turns are the replies: 0 for who begins, 1 for the other, None for both.
    """

    turns: list[str]
    replier: int | None = None

    def replies(self) -> list[int]:
        """Places of the replies among the turns."""
        return [place for place in range(1, len(self.turns)) if self.replier in (None, place % 2)]


class Dialogues(NamedTuple):
    """Raw dialogues.

    Attributes:
        dialogues: The dialogues.
        rows: What the user knows each by, if their last turns want a reply.
    """

    dialogues: list[Dialogue]
    rows: list[Row] | None = None


def find_files(path: Path) -> dict[str, Path]:
    """The file of each split; ``train`` alone if they are not divided.

    Args:
        path: A table, or a folder of one or of one for each split.

    Raises:
        MisconfigurationException: If there is none.
    """
    if not path.is_dir():
        return {"train": path}
    splits = find_splits(path, find_table)
    tables = tables_in(path)
    if not splits and len(tables) != 1:
        raise MisconfigurationException(
            f"{path} holds no train.jsonl (or .json, .parquet, .csv, .tsv, .xlsx) and {len(tables) or 'no'} others"
        )
    return splits or {"train": tables[0]}


def read_dialogues(
    path: Path,
    encoding: str | None = None,
    separator: str | None = None,
    on_error: OnError = "stop",
    unanswered: bool = False,
) -> Dialogues:
    """Read a file of dialogues.

    Args:
        path: A table with a dialogue a row (JSON lines, Parquet, CSV in any dialect, Excel): a list of ``turns``
            (``dialog``), of ``messages`` with ``role`` and ``content``, of ``conversations`` with ``from`` and
            ``value``, or a ``question`` and its ``answer`` (``prompt``, ``completion`` or ``response``).
        encoding: Of a text file; see ``datamodules.files.opening``.
        separator: Between the cells; told from the file if None.
        on_error: Whether a row that cannot be used is left out.
        unanswered: Whether the last turn wants a reply, so that an answer need not be there, and is not used if it is.

    Raises:
        MisconfigurationException: If a row is not as described.
    """
    if suffix_of(path) not in TABLES:
        raise MisconfigurationException(f"{path}: dialogues lie in .jsonl, .json, .parquet, .csv, .tsv or .xlsx files")
    dialogues: list[Dialogue] = []
    rows: list[Row] = []
    faults = Faults(on_error, str(path))
    for where, row in read_rows(path, encoding, separator, faults):
        with faults:
            dialogues.append(dialogue_in(row, f"{path}, {where}", unanswered))
            rows.append(row)
    faults.report(len(rows) + faults.count, "dialogues")
    return Dialogues(dialogues, rows if unanswered else None)


def dialogues_in(inputs: object, unanswered: bool) -> Dialogues:
    """Dialogues that are in memory.

    Args:
        inputs: A list of dialogues (lists of turns or of messages, or rows of a table); a single list of messages; or,
            of last turns that want a reply, a text or a list of texts.
        unanswered: Whether the last turns want a reply.
    """
    if is_table(inputs):
        rows = rows_in(inputs)
        if all(any(key in row for key in SPEAKER) for row in rows):  # the messages of one dialogue
            return Dialogues([_from_list(rows, "the dialogue", unanswered)], [{"messages": rows}])
        found = [dialogue_in(row, f"{GIVEN}, row {k}", unanswered) for k, row in enumerate(rows, 1)]
        return Dialogues(found, rows if unanswered else None)
    if unanswered and (isinstance(inputs, str) or all(isinstance(text, str) for text in listed(inputs, "dialogues"))):
        texts, rows = texts_in(inputs, "text", "text")
        return Dialogues([Dialogue([text_of(text, f"input {k}")]) for k, text in enumerate(texts)], rows)
    every = listed(inputs, "dialogues")
    found = [_from_list(turns, f"dialogue {k}", unanswered) for k, turns in enumerate(every)]
    return Dialogues(found, [{"turns": list(turns)} for turns in every] if unanswered else None)


def dialogue_in(row: Row, place: str, unanswered: bool) -> Dialogue:
    """The dialogue in a row of a table; the arguments are those of ``read_dialogues``."""
    cells = {str(name).strip().lower(): cell for name, cell in row.items()}
    for name in LISTS:
        if name in cells:
            return _from_list(cells[name], f"{place}, `{name}`", unanswered)
    for question, answer in PAIRS:
        if question in cells and (unanswered or answer in cells):
            said = [_text(cells, name, place) for name in (question, MORE.get(question, ""))]
            asked = "\n".join(text for text in said if text)
            return Dialogue([asked] if unanswered else [asked, _text(cells, answer, place)])
    answers = [answer for question, answer in PAIRS if question in cells]
    if answers:
        raise MisconfigurationException(
            f"{place} has no column `{'` or `'.join(answers)}`; there are: {', '.join(row)}"
        )
    raise MisconfigurationException(
        f"{place} holds no dialogue but {', '.join(f'`{name}`' for name in list(row)[:20]) or 'nothing'}; it needs "
        "`turns`, `messages` or `conversations` (a list, as in .jsonl), or `question` and `answer`"
    )


def _text(cells: Row, name: str, place: str) -> str:
    return text_of(cells.get(name), f"{place}, column `{name}`")


def _from_list(entries: object, place: str, unanswered: bool) -> Dialogue:
    if isinstance(entries, str):  # in a cell of a CSV
        entries = list_in(entries)
    if not isinstance(entries, list) or not entries:
        raise MisconfigurationException(
            f'{place} is not of the form ["...", "..."] or [{{"role": ..., "content": ...}}]'
        )
    if not any(isinstance(entry, dict) for entry in entries):
        return Dialogue([_said(entry, place) for entry in entries])
    turns: list[list[str]] = []
    speakers: list[str] = []
    for entry in entries:
        speaker, text = _message(entry, place)
        if speaker in NOBODY or text is None:
            continue
        if not speakers or speakers[-1] != speaker:
            speakers.append(speaker)
            turns.append([])
        turns[-1].append(text)
    replier = next((number % 2 for number, speaker in enumerate(speakers) if speaker in REPLIERS), None)
    if len({*speakers}) > 2:
        raise MisconfigurationException(f"{place}: more than two speak: {', '.join(dict.fromkeys(speakers))}")
    if unanswered and replier is not None and (len(turns) - 1) % 2 == replier:
        turns.pop()  # the answer is there already
    if not turns:
        raise MisconfigurationException(f"{place}: nobody says anything that a reply could be given to")
    return Dialogue(["\n".join(texts) for texts in turns], replier)


def _message(entry: object, place: str) -> tuple[str, str | None]:
    """Who speaks, and what they say: nothing if they only call a tool."""
    if isinstance(entry, dict):
        speaker = next((entry[key] for key in SPEAKER if key in entry), None)
        key = next((key for key in TEXT if key in entry), None)
        if isinstance(speaker, str) and key is not None:
            said = entry[key]
            if isinstance(said, list):  # parts, of which some may be images
                said = "\n".join(_said(part.get("text", ""), place) for part in said if isinstance(part, dict))
            name = speaker.strip().lower()
            return ("assistant" if name in REPLIERS else name), None if said is None else _said(said, place)
    raise MisconfigurationException(f'{place}: a message is not of the form {{"role": "user", "content": "..."}}')


def _said(entry: object, place: str) -> str:
    if not isinstance(entry, str):
        raise MisconfigurationException(f"{place}: a turn is {entry!r:.50}, not text")
    return text_of(entry, place)


def read_daily_dialog(path: Path) -> Dialogues:
    """Read one of DailyDialog's archives: a dialogue a line, each turn ended by ``__eou__``.

    Args:
        path: ``train.zip``, ``validation.zip`` or ``test.zip``.

    Raises:
        MisconfigurationException: If the archive is damaged or another one.
    """
    name = f"{path.stem}/dialogues_{path.stem}.txt"
    content = dict(members(path)).get(name)
    if content is None:
        raise MisconfigurationException(f"{path} holds no {name}")
    lines = content.decode("utf-8").splitlines()
    return Dialogues(
        [Dialogue([natural(turn) for turn in line.split("__eou__")[:-1]]) for line in lines if line.strip()]
    )


def natural(text: str) -> str:
    """English as one writes it, of tokenized text: ``I ’ Ve paid $ 5 , OK ?`` becomes ``I've paid $5, OK?``."""
    text = " ".join(text.replace("\u2019", "'").split())
    text = re.sub(r" ?' ?(m|s|t|d|re|ve|ll|clock)\b", lambda match: f"'{match[1].lower()}", text, flags=re.IGNORECASE)
    return re.sub(r"([($£]) ", r"\1", re.sub(r" ([.,!?;:%)])", r"\1", text))
