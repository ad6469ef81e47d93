"""Calibration on the validation split: probabilities, sets of classes and intervals that keep what they say."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor
from torchmetrics import Metric

from modules.metrics.common import DOUBLE
from modules.metrics.intervals import IntervalScores, SetScores

FLATTEST, SHARPEST = 1e3, 1e-3  # temperatures between which the best is looked for


class Compared(NamedTuple):
    """What a calibration is fitted to, and scored on.

    Attributes:
        outputs: Logits ``(batch, classes)``, or numbers ``(batch, ..., outputs)`` of which the first and the last
            output are the ends of an interval; with one output both are the prediction itself.
        target: The truth, classes ``(batch)`` or numbers ``(batch, ...)``.
        spread: How far numbers scatter about here, in proportion to which an interval is wide; any shape that goes with
            ``target``. The same everywhere if None.
    """

    outputs: Tensor
    target: Tensor
    spread: Tensor | None = None

    def cpu(self) -> "Compared":
        """The same in the memory of the processor."""
        return Compared(self.outputs.cpu(), self.target.cpu(), None if self.spread is None else self.spread.cpu())

    @staticmethod
    def joined(parts: Sequence["Compared"]) -> "Compared":
        """Batches as one."""
        spreads = [part.spread for part in parts if part.spread is not None]
        outputs, target = (torch.cat([part[k] for part in parts]) for k in range(2))  # type: ignore[misc]
        return Compared(outputs, target, torch.cat(spreads) if spreads else None)


class Calibrator(ABC):
    """What the validation split says of how far the answers of a network can be trusted.

    Its numbers are in double precision, and it is no module: neither the precision of the network nor an average of
    weights must change them.

    Args:
        coverage: Share of the truths that sets of classes, or intervals of numbers, are to hold.
        metric: Scores what the calibration says.
        shapes: Shape of each number that is fitted, by its name.

    Raises:
        MisconfigurationException: If the coverage is not between 0 and 1.
    """

    def __init__(self, coverage: float, metric: Metric, shapes: Mapping[str, Sequence[int]]) -> None:
        check_coverage(coverage)
        self.coverage, self.metric = coverage, metric
        self.values = {name: torch.full(tuple(shape), math.nan, dtype=DOUBLE) for name, shape in shapes.items()}

    @abstractmethod
    def fit(self, compared: Compared) -> None:
        """Learn from the whole validation split."""

    @abstractmethod
    def update(self, compared: Compared) -> None:
        """Add a batch to the scores."""

    def scores(self, device: torch.device) -> dict[str, Tensor]:
        """The scores of what was added on all processes, which is then forgotten."""
        found: dict[str, Tensor] = self.metric.to(device).compute()
        self.metric.reset()
        return found

    @property
    def better(self) -> dict[str, bool | None]:
        """Whether more is better of each score."""
        return dict(self.metric.higher_is_better)  # type: ignore[call-overload,no-any-return]

    def state_dict(self) -> dict[str, Any]:
        """What is kept in a checkpoint."""
        return {"coverage": self.coverage, **self.values}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Take up what was kept.

        Raises:
            MisconfigurationException: If it is that of another task.
        """
        for name, value in self.values.items():
            found = state.get(name)
            if not isinstance(found, Tensor) or found.shape != value.shape or not found.isfinite().all():
                raise MisconfigurationException(f"the calibration in the checkpoint has no {name} for this task")
            self.values[name] = found.to(DOUBLE)

    def value(self, name: str, like: Tensor) -> Tensor:
        """A fitted number on the device of a tensor."""
        return self.values[name].to(like.device)


class ClassCalibrator(Calibrator):
    """Scaled probabilities and sets of classes.

    The logits are divided by the temperature that minimizes their cross-entropy (Guo et al. 2017). A set holds the
    classes whose scaled probability reaches a threshold: that which so many of the true classes reached (least
    ambiguous sets, Sadinle et al. 2019). Where fewer than the share asked for are sure, some sets hold no class.

    Args:
        coverage: Share of the examples whose set holds the true class.
    """

    def __init__(self, coverage: float) -> None:
        super().__init__(coverage, SetScores(), {"temperature": (), "threshold": ()})

    def fit(self, compared: Compared) -> None:
        """Find temperature and threshold."""
        self.values["temperature"] = best_temperature(compared.outputs, compared.target)
        of_truth = self.probabilities(compared.outputs).gather(1, compared.target[:, None])[:, 0]
        self.values["threshold"] = -conformal_quantile(-of_truth, self.coverage)

    def probabilities(self, logits: Tensor) -> Tensor:
        """Scaled probabilities ``(batch, classes)``, in double precision."""
        return (logits.to(DOUBLE) / self.value("temperature", logits)).softmax(1)

    def sets(self, probabilities: Tensor) -> Tensor:
        """Whether each class is in the set, ``(batch, classes)``."""
        return probabilities >= self.value("threshold", probabilities)

    def update(self, compared: Compared) -> None:
        """Add a batch to the scores."""
        probabilities = self.probabilities(compared.outputs)
        self.metric.to(probabilities.device).update(probabilities, compared.target, self.sets(probabilities))


class IntervalCalibrator(Calibrator):
    """Intervals of numbers, each of them with a margin of its own.

    The margin of a prediction is the quantile of its absolute errors (split conformal prediction, Lei et al. 2018).
    That of the outermost of several quantiles is the quantile of how far the truth lies outside, below 0 if it mostly
    lies far inside (conformalized quantile regression, Romano et al. 2019). Where a spread is known it is a multiple of
    that (locally weighted, section 5.2 of Lei et al.).

    Args:
        coverage: Share of the truths that lie in their interval, of each of the numbers.
        shape: Shape of the numbers of an example, such as horizon and targets.
    """

    def __init__(self, coverage: float, shape: Sequence[int]) -> None:
        super().__init__(coverage, IntervalScores(), {"margin": shape})

    def fit(self, compared: Compared) -> None:
        """Find the margins."""
        outputs, target = compared.outputs.to(DOUBLE), compared.target.to(DOUBLE)
        outside = torch.maximum(outputs[..., 0] - target, target - outputs[..., -1])
        spread = 1.0 if compared.spread is None else compared.spread
        self.values["margin"] = conformal_quantile(outside / spread, self.coverage)

    def interval(self, outputs: Tensor, spread: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Lower and upper ends ``(batch, ...)``, in double precision; what is given is described in ``Compared``."""
        margin = self.value("margin", outputs) * (1.0 if spread is None else spread)
        lower, upper = outputs[..., 0].to(DOUBLE) - margin, outputs[..., -1].to(DOUBLE) + margin
        middle = (lower + upper) / 2  # a margin below 0 may let the ends pass each other
        return torch.minimum(lower, middle), torch.maximum(upper, middle)

    def update(self, compared: Compared) -> None:
        """Add a batch to the scores."""
        lower, upper = self.interval(compared.outputs, compared.spread)
        self.metric.to(lower.device).update(lower, upper, compared.target.to(DOUBLE))


def check_coverage(coverage: float) -> None:
    """Refuse what is no share.

    Raises:
        MisconfigurationException: If it is not between 0 and 1.
    """
    if not isinstance(coverage, float) or not 0 < coverage < 1:
        raise MisconfigurationException(f"the coverage is {coverage}; it must be between 0 and 1, such as 0.9")


def fewest(coverage: float) -> int:
    """Number of examples below which no interval but an infinite one would have the coverage."""
    return math.ceil(round(coverage / (1 - coverage), 6))


def conformal_quantile(scores: Tensor, coverage: float) -> Tensor:
    """The score that a further example exceeds with a probability of at most ``1 - coverage``.

    That is the ``ceil((n + 1) * coverage)``-th least of ``n``, if the examples could as well have come in any other
    order (Vovk et al. 2005).

    Args:
        scores: ``(examples, ...)``.
        coverage: A share.

    Returns:
        For each of the remaining dimensions, ``(...)``; infinite if there are fewer than ``fewest(coverage)`` examples.
    """
    rank = math.ceil(round((len(scores) + 1) * coverage, 6))
    if rank > len(scores):
        return torch.full(scores.shape[1:], math.inf, dtype=scores.dtype)
    return scores.kthvalue(rank, dim=0).values


def best_temperature(logits: Tensor, target: Tensor) -> Tensor:
    """The temperature that minimizes the cross-entropy, by Newton's method on its inverse, in which that is convex.

    One example's weight is spread evenly over the classes of all examples, as Platt (1999) does it: else a network
    that makes no mistake on the validation split would be infinitely sure.

    Args:
        logits: ``(examples, classes)``.
        target: ``(examples)``.

    Returns:
        A scalar in double precision.
    """
    logits = logits.to(DOUBLE)
    spread = 1 / len(logits)
    wanted = (logits.gather(1, target[:, None])[:, 0] + spread * logits.mean(1)).mean()
    low, high, inverse = 1 / FLATTEST, 1 / SHARPEST, 1.0
    for _ in range(100):
        shares = (inverse * logits).softmax(1)
        mean = (shares * logits).sum(1, keepdim=True)
        slope = float((1 + spread) * mean.mean() - wanted)
        curvature = float((1 + spread) * (shares * (logits - mean).square()).sum(1).mean())
        low, high = (low, inverse) if slope > 0 else (inverse, high)
        step = inverse - slope / curvature if curvature else math.nan
        following = step if low < step < high else math.sqrt(low * high)
        if abs(following - inverse) <= 1e-12 * inverse:
            break
        inverse = following
    return torch.tensor(1 / inverse, dtype=DOUBLE)
