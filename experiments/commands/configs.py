"""``leyden configs``: the experiments that come with the program, and where they lie."""

import argparse
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
DEFAULTS = CONFIGS / "default.yaml"


class Shipped(NamedTuple):
    """A config that comes with the program.

    Attributes:
        path: Its file.
        about: What it is, in one line.
        score: What it reaches on the test split, as its header says; empty if that says nothing.
    """

    path: Path
    about: str
    score: str


def find(name: str) -> Path | None:
    """The shipped config of a name, such as ``configs/regression/line.yaml``, ``regression/line`` or ``line``.

    Args:
        name: What was typed. A file that lies there is no shipped config.
    """
    typed = Path(name)
    inner = Path(*typed.parts[1:]) if typed.parts[:1] == (CONFIGS.name,) else typed
    if typed.exists() or typed.is_absolute() or ".." in inner.parts or inner.name in ("", "default", DEFAULTS.name):
        return None
    file = inner if inner.suffix == ".yaml" else inner.with_name(f"{inner.name}.yaml")
    whole = CONFIGS / file
    if whole.is_file():
        return whole
    found = [path for path in shipped() if path.name == str(file)]
    return found[0] if len(found) == 1 else None


def with_shipped(words: list[str]) -> list[str]:
    """A command line, with the paths of shipped configs where the user typed their names.

    Args:
        words: The command line.
    """
    found = list(words)
    for place, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option in ("--config", "-c") and equals:
            found[place] = f"{option}={find(value) or value}"
        elif place and words[place - 1] in ("--config", "-c"):
            found[place] = str(find(word) or word)
    return found


def shipped() -> Iterator[Path]:
    """The files of all shipped configs."""
    return (path for path in sorted(CONFIGS.rglob("*.yaml")) if path != DEFAULTS)


def describe(path: Path) -> Shipped:
    """What the header of a config says.

    Args:
        path: Its file.
    """
    header = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        header.append(line.removeprefix("#").removeprefix(" "))
    command = next((i for i, line in enumerate(header) if line.startswith("  ")), len(header))
    about = " ".join(header[:command])
    rest = " ".join(line for line in header[command:] if not line.startswith("  "))
    return Shipped(path, about, _score(rest))


def _score(said: str) -> str:
    told = re.sub(r"\([^()]*\)", "", said.partition("Test ")[2] or said)
    first = re.search(r"(?:^|[:,;] )\s*((?:[A-Za-z][\w@-]*(?: of \d+)? ?){1,3}?)\s*:? (\d+\.\d+)", told)
    return f"{first[1].strip().removeprefix('test ').replace(' candidates', '')} {first[2]}" if first else ""


def main(words: list[str]) -> int:
    """Run ``leyden configs``.

    Args:
        words: The command line, without ``configs``.

    Returns:
        Exit code 0.
    """
    parser = argparse.ArgumentParser(
        prog="leyden configs",
        description="The experiments that come with the program: name, what it is, score on the test split. "
        "Run one by `leyden fit --config NAME`; `leyden configs NAME` shows it.",
    )
    parser.add_argument("name", nargs="?", help="show this one")
    name = parser.parse_args(words).name
    if name is not None:
        path = find(name)
        if path is None:
            parser.error(f"there is no config {name}")
        print(f"# {path}\n{path.read_text(encoding='utf-8')}", end="")
        return 0
    width = max(80, min(140, shutil.get_terminal_size().columns))
    folder = None
    for one in map(describe, shipped()):
        if one.path.parent != folder:
            folder = one.path.parent
            print(folder.name)
        room = width - 32 - (len(one.score) + 2 if one.score else 0)
        about = one.about if len(one.about) <= room else f"{one.about[: room - 3].rsplit(' ', 1)[0]} ..."
        print(f"  {one.path.stem:<28}  {about:<{room}}{'  ' if one.score else ''}{one.score}".rstrip())
    return 0
