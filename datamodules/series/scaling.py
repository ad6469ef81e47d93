"""What is learned of the numbers of series, and which cannot be scaled."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor

from datamodules.series.segments import Segment
from datamodules.types import SeriesFacts

EXACT = 1e-14  # of their size, to which numbers of double precision are trusted


class Scaling(NamedTuple):
    """What is learned of the numbers; the fields are those of ``SeriesFacts``."""

    mean: Tensor
    std: Tensor
    known_mean: Tensor
    known_std: Tensor
    seasonal_error: Tensor
    usual_range: Tensor


def learn_scaling(
    train: Sequence[Segment],
    targets: Sequence[str],
    past: Sequence[str],
    known: Sequence[str],
    season: int,
    scale: str,
    path: Path,
) -> Scaling:
    """Learn from the training part of each series.

    Args:
        train: The series.
        targets: Columns to forecast.
        past: Covariates known until now.
        known: Covariates known for the future, scaled alike for all series.
        season: Steps of a season.
        scale: ``standard``, ``log`` or ``none``.
        path: Their file, for messages.
    """
    values = [mean_and_std(numbers_of(segment, [*targets, *past], scale == "log", path)) for segment in train]
    mean, std = (torch.stack(some) for some in zip(*values, strict=True))  # (series, targets + past)
    if scale == "none":
        for segment in train:
            refuse_rounding(segment, targets, path)
        mean, std = torch.zeros_like(mean), torch.ones_like(std)
    own = [segment.columns(targets) for segment in train]
    errors = torch.stack([seasonal_error(some, season) for some in own])
    if not errors.all():
        exact = [train[k].name or targets[target] for k, target in (errors == 0).nonzero().tolist()]
        rank_zero_warn(
            f"{path}: the seasonal naive forecast of {', '.join(exact[:20])} is exact in the training part; "
            "MASE, the error as a multiple of its error, is not defined there"
        )
    return Scaling(
        mean,
        std,
        *mean_and_std(torch.cat([segment.columns(known) for segment in train])),
        errors,
        torch.stack([torch.stack([some.amin(0), some.amax(0)]) for some in own]),
    )


def numbers_of(segment: Segment, names: Sequence[str], log: bool, path: Path) -> Tensor:
    """Columns ``(steps, columns)`` in double precision, their logarithms if asked.

    Raises:
        MisconfigurationException: If there is no logarithm.
    """
    values = segment.columns(names)
    if not log:
        return values
    low = (values[: len(values) - segment.future] <= 0).nonzero()
    if len(low):
        row, column = low[0].tolist()
        raise MisconfigurationException(
            f"{path}: column `{names[column]}` is not positive at {segment.times[row]}, so it has no logarithm "
            "(data.scale)"
        )
    return values.clamp(min=1e-30).log()


def constant(segment: Segment, names: Sequence[str]) -> str | None:
    """The first column without any spread, None if there is none."""
    values = segment.columns(names)
    flat = values.amax(0) - values.amin(0) <= EXACT * values.abs().amax(0)
    return next((name for name, is_flat in zip(names, flat.tolist(), strict=True) if is_flat), None)


def mean_and_std(values: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of columns ``(steps, columns)``; a deviation of 1 where nothing deviates."""
    std = values.std(0, unbiased=False) if values.numel() else values.sum(0)
    return values.mean(0), torch.where(std > EXACT * (values.abs().amax(0) + EXACT), std, 1.0)


def seasonal_error(values: Tensor, season: int) -> Tensor:
    """Mean error of seasonal naive forecasts of ``values`` (steps, targets), 0 where it is exact but for rounding."""
    error = (values[season:] - values[:-season]).abs().mean(0)
    return torch.where(error > EXACT * values.abs().amax(0), error, 0.0)


def refuse_rounding(segment: Segment, targets: Sequence[str], path: Path) -> None:
    """Refuse unscaled numbers whose movement would be lost in the single precision of a network."""
    values = segment.columns(targets)
    lost = values.abs().amax(0) * torch.finfo(torch.float).eps > 1e-3 * values.std(0)
    if lost.any():
        name = targets[int(lost.int().argmax())]
        raise MisconfigurationException(
            f"{path}: column `{name}` moves too little around its level to be forecast unscaled (data.scale standard)"
        )


def warn_of_units(segment: Segment, number: int, facts: SeriesFacts, path: Path) -> None:
    """Warn of values unlike those of training, as those in another unit, or with another decimal sign, are.

    They are far from the usual range; or all nearer to zero by two orders; or have decimals where training had none.
    """
    low, high = facts.usual_range[number]
    values = segment.columns(facts.targets)[: len(segment.frame) - segment.future]
    far = (values - (low + high) / 2).abs() > 5 * (high - low)
    least = torch.where(low * high > 0, torch.minimum(low.abs(), high.abs()), 0.0)
    small = (values.abs() < least / 100).all(0)
    were_whole = (low % 1 == 0) & (high % 1 == 0) & (not facts.decimal)
    odd = (far | small | (were_whole & (values % 1 != 0))).nonzero()
    if len(odd):
        row, column = odd[0].tolist()
        rank_zero_warn(
            f"{path}: column `{facts.targets[column]}` is {values[row, column]:.10g} at {segment.times[row]}, but was "
            f"{low[column]:.10g} to {high[column]:.10g} in training: is it the same quantity, in the same unit, and "
            "with the right decimal sign (data.decimal)?"
        )
