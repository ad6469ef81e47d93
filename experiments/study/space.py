"""What a search may choose from, as it is written: ``log(1e-4, 1e-1)``, ``uniform(0, 0.5)``, ``int(1, 8)``, a list."""

import json
import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import yaml
from lightning.pytorch.utilities.exceptions import MisconfigurationException

if TYPE_CHECKING:
    from optuna.trial import Trial

FORMS = "log(a, b), uniform(a, b), int(a, b) or a list [a, b, c]"
_RANGE = re.compile(r"\s*(log|uniform|int)\s*\(([^,()]+),([^,()]+)\)\s*")
_SECTIONS = ("model", "data", "trainer")


class Range(NamedTuple):
    """Numbers between two ends, both included.

    Attributes:
        kind: ``log`` if their logarithm is drawn evenly, ``uniform`` if they are, ``int`` for whole numbers.
        low: The least.
        high: The greatest.
    """

    kind: Literal["log", "uniform", "int"]
    low: float
    high: float

    def suggest(self, trial: "Trial", option: str) -> float:
        """What a trial takes; the same again if it is asked again."""
        if self.kind == "int":
            return trial.suggest_int(option, int(self.low), int(self.high))
        return trial.suggest_float(option, self.low, self.high, log=self.kind == "log")

    def samples(self) -> list[object]:
        """Values to try an option with: both ends."""
        return [int(x) if self.kind == "int" else x for x in (self.low, self.high)]

    def __str__(self) -> str:
        return f"{self.kind}({self.low:g}, {self.high:g})"


class Choices(NamedTuple):
    """Values of which one is chosen: numbers, texts, truth values, null; lists and mappings as JSON."""

    values: list[str | float | bool | None]

    def suggest(self, trial: "Trial", option: str) -> str | float | bool | None:
        """What a trial takes; the same again if it is asked again."""
        return trial.suggest_categorical(option, self.values)

    def samples(self) -> list[object]:
        """Values to try an option with: all."""
        return list(self.values)

    def __str__(self) -> str:
        return f"[{', '.join(word(value) for value in self.values)}]"


Space = Range | Choices


def read_space(option: str, written: object) -> Space:
    """Read what an option is to be chosen from.

    Args:
        option: Its path, such as ``model.optimizer.lr``.
        written: A text of the command line or a value of a YAML.

    Raises:
        MisconfigurationException: If it is none of the forms there are, or the ends are in the wrong order.
    """
    if option.split(".")[0] not in _SECTIONS:
        raise MisconfigurationException(
            f"--study.search.{option}: a search chooses options of {', '.join(_SECTIONS)}, such as model.optimizer.lr"
        )
    if isinstance(written, str) and (match := _RANGE.fullmatch(written)):
        return _range(option, match)
    if isinstance(written, str):
        try:
            written = yaml.safe_load(written)
        except yaml.YAMLError:
            written = None
    if not isinstance(written, list) or not written:
        raise MisconfigurationException(f"--study.search.{option}: say {FORMS}")
    values = [json.dumps(value) if isinstance(value, list | dict) else value for value in written]
    if len(set(map(word, values))) < len(values):
        raise MisconfigurationException(f"--study.search.{option}: a value stands twice in {written}")
    return Choices(values)


def _range(option: str, match: re.Match[str]) -> Range:
    kind: Any = match[1]
    try:
        low, high = (float(match[k]) for k in (2, 3))
    except ValueError:
        raise MisconfigurationException(f"--study.search.{option}: {match[0].strip()} needs two numbers") from None
    if not low < high or not math.isfinite(high - low):
        raise MisconfigurationException(f"--study.search.{option}: in {match[0].strip()} the second must be greater")
    if kind == "log" and low <= 0:
        raise MisconfigurationException(f"--study.search.{option}: the logarithm needs numbers above 0")
    if kind == "int" and not (low.is_integer() and high.is_integer()):
        raise MisconfigurationException(f"--study.search.{option}: {match[0].strip()} needs two whole numbers")
    return Range(kind, low, high)


def word(value: object) -> str:
    """A value as it is typed on the command line."""
    return value if isinstance(value, str) else json.dumps(value)


def words(params: Mapping[str, object]) -> list[str]:
    """Options of a command line.

    Args:
        params: Values by the paths of options.
    """
    return [f"--{option}={word(value)}" for option, value in params.items()]


def check_value(option: str, space: Space, value: object, found: object) -> None:
    """Refuse a range of numbers for an option that takes none.

    Args:
        option: Its path.
        space: What it is to be chosen from.
        value: The value that was tried.
        found: What the parser of the command line made of it.

    Raises:
        MisconfigurationException: If it made no number of it.
    """
    if isinstance(space, Range) and (isinstance(found, bool) or not isinstance(found, int | float)):
        raise MisconfigurationException(
            f"--study.search.{option}: this option takes no number (it made {found!r} of {value!r}), so it cannot be "
            f"searched in {space}: give a list of its values"
        )
