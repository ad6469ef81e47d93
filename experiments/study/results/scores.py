"""The mean of a score over runs, and how far to trust it."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Spread(NamedTuple):
    """Mean and spread of a score over runs.

    Attributes:
        mean: The mean.
        std: Standard deviation between the runs (n - 1); NaN of a single one.
        low: Where the 95 % interval of the mean (Student's t) begins.
        high: Where it ends.
        num_runs: How many runs.
    """

    mean: float
    std: float
    low: float
    high: float
    num_runs: int

    def __str__(self) -> str:
        if self.num_runs == 1:
            return f"{self.mean:.4g}"
        digits = 4 if not self.std or not math.isfinite(self.std) else max(0, 2 - math.floor(math.log10(self.std)))
        digits = min(digits, 10)
        return f"{self.mean:.{digits}f} ± {self.std:.{digits}f}"


def spread(values: Sequence[float]) -> Spread:
    """Mean and spread of values; NaN among them stays NaN.

    Args:
        values: At least one.
    """
    from scipy.stats import t

    count = len(values)
    mean = math.fsum(values) / count if all(map(math.isfinite, values)) else math.nan
    if count == 1:
        return Spread(mean, math.nan, math.nan, math.nan, 1)
    std = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1)) if mean == mean else math.nan
    half = float(t.ppf(0.975, count - 1)) * std / math.sqrt(count)
    return Spread(mean, std, mean - half, mean + half, count)


def spreads(runs: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """The spread of each score that all runs have, those on test first.

    Args:
        runs: Scores of each run, by name.
    """
    names = [name for name in runs[0] if all(name in scores for scores in runs)] if runs else []
    ordered = sorted(names, key=lambda name: (not name.startswith("test/"), name))
    return {name: spread([scores[name] for scores in runs]) for name in ordered}


def welch(first: Sequence[float], second: Sequence[float]) -> Spread:
    """Difference of two means with its 95 % interval (Welch 1947), the second minus the first.

    Args:
        first: At least two values.
        second: Likewise.
    """
    from scipy.stats import ttest_ind

    result = ttest_ind(second, first, equal_var=False)
    low, high = result.confidence_interval(0.95)
    mean = math.fsum(second) / len(second) - math.fsum(first) / len(first)
    return Spread(mean, math.nan, float(low), float(high), len(first) + len(second))
