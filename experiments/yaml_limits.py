"""Limits of YAML: a small text may unfold to more than any memory holds, or nest deeper than a stack."""

from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch.utilities.exceptions import MisconfigurationException

DEEPEST = 50  # levels
MOST = 100_000  # values, each counted as often as an alias repeats it

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class BeyondLimits(yaml.YAMLError):
    """A text nests too deep, or unfolds to too much."""


def check(text: str) -> None:
    """Refuse a text that is beyond the limits, before anything is made of it.

    Raises:
        yaml.YAMLError: If it is, or if it is no YAML.
    """
    if len(text) <= DEEPEST:
        return
    sizes: dict[str, int] = {}  # values below each anchor
    opened: list[tuple[str | None, int]] = []
    count = 0
    for event in yaml.parse(text, Loader=_Loader):
        line = event.start_mark.line + 1 if event.start_mark else 0
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in {anchor for anchor, _ in opened}:
                raise BeyondLimits(f"the alias *{event.anchor} in line {line} holds itself")
            count += sizes.get(event.anchor or "", 1)
        elif isinstance(event, yaml.CollectionStartEvent):
            count += 1
            opened.append((event.anchor, count))
            if len(opened) > DEEPEST:
                raise BeyondLimits(f"line {line} nests deeper than {DEEPEST} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, start = opened.pop()
            if anchor is not None:
                sizes[anchor] = count - start + 1
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        if count > MOST:
            raise BeyondLimits(f"it unfolds to more than {MOST:,} values by line {line}")


def load(text: str) -> Any:
    """What a YAML text within the limits says.

    Raises:
        yaml.YAMLError: If it is beyond them, or no YAML.
    """
    check(text)
    try:
        return yaml.load(text, Loader=_Loader)
    except ValueError as error:  # such as the date 2024-13-45, or a number of too many digits
        raise yaml.YAMLError(str(error)) from error


def read(path: Path) -> dict[str, Any]:
    """The configuration in a YAML file.

    Raises:
        MisconfigurationException: If there is none, or it is beyond the limits.
    """
    try:
        found = load(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise MisconfigurationException(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise MisconfigurationException(f"{path} is no configuration: it holds a {type(found).__name__}, not options")
    return found
