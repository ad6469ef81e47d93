"""Scores that something monitors, and the direction in which they are better."""

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
from lightning.pytorch.cli import ReduceLROnPlateau
from lightning.pytorch.utilities.exceptions import MisconfigurationException

Directions = Mapping[str, bool | None]  # whether more is better of each score; None where neither is


class Monitor(NamedTuple):
    """What watches a score.

    Attributes:
        name: What it is called in a configuration.
        score: Name of the score.
        mode: ``min`` or ``max``; None if it follows from the score.
    """

    name: str
    score: str
    mode: str | None


def monitors(trainer: Trainer) -> Iterator[Monitor]:
    """Lightning's callbacks and schedulers that monitor a score."""
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, EarlyStopping | ModelCheckpoint) and callback.monitor is not None:
            yield Monitor(type(callback).__name__, callback.monitor, callback.mode)
    for config in trainer.lr_scheduler_configs:
        if isinstance(config.scheduler, ReduceLROnPlateau):
            yield Monitor("ReduceLROnPlateau", config.scheduler.monitor, config.scheduler.mode)


def check_name(monitor: Monitor, known: Iterable[str]) -> None:
    """Refuse to monitor what is not logged.

    Raises:
        MisconfigurationException: If it is not.
    """
    names = sorted(known)
    if monitor.score not in names:
        near = difflib.get_close_matches(monitor.score, names, n=1)
        hint = f" - did you mean {near[0]}?" if near else ""
        raise MisconfigurationException(
            f"{monitor.name}.monitor is {monitor.score}, which is not logged; there are: {', '.join(names)}{hint}"
        )


def less_is_better(monitor: Monitor, directions: Directions) -> bool:
    """Whether the best score is the least.

    Raises:
        MisconfigurationException: If the mode contradicts the score, or is not given and does not follow from it.
    """
    more = directions.get(monitor.score)
    if monitor.mode is None and more is None:
        raise MisconfigurationException(
            f"{monitor.name}.monitor is {monitor.score}, of which it is not known whether less or more is better: "
            f"say {monitor.name}.mode min or max"
        )
    if monitor.mode is not None and more is not None and (monitor.mode == "max") != more:
        raise MisconfigurationException(
            f"{monitor.name}.mode is {monitor.mode}, but of {monitor.score} {'more' if more else 'less'} is better: "
            f"say mode {'max' if more else 'min'}"
        )
    return monitor.mode == "min" if more is None else not more


def rank(scores: Mapping[str, float], score: str, less: bool) -> tuple[bool, float, float]:
    """The lower, the better: what is no number comes last, and of equal scores the lower ``val/loss`` counts.

    Args:
        scores: Scores of a validation.
        score: The one that is monitored.
        less: Whether less of it is better.
    """
    value, loss = scores[score], scores.get("val/loss", math.nan)
    signed = 0.0 if math.isnan(value) else value if less else -value  # only numbers can be compared
    return math.isnan(value), signed, math.inf if math.isnan(loss) else loss
