"""What scores have in common: their precision, which way they are better, and examples that are kept for them."""

from abc import abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.utilities import dim_zero_cat

# Levels may be a hundred million times what moves. Apple's GPUs have no double precision.
DOUBLE = torch.float32 if torch.backends.mps.is_available() else torch.float64


def directions(metrics: MetricCollection, computed: bool = False) -> dict[str, bool | None]:
    """Whether more is better of each score of a collection, by its name; None where neither is, or nobody says.

    A metric says it in ``higher_is_better``: for its one score, for all of its scores, or by their names.

    Args:
        metrics: The collection, with its prefix.
        computed: Whether its scores have been computed, so that the names are known of a metric with several that
            says it once for all of them. Else such a metric is left out.
    """
    found: dict[str, bool | None] = {}
    for name, metric in metrics.items(copy_state=False):
        better = metric.higher_is_better
        scores = metric.compute() if computed else better
        if isinstance(scores, dict):
            by_name = better if isinstance(better, dict) else dict.fromkeys(scores, better)
            found |= {f"{metrics.prefix or ''}{key}": by_name.get(key) for key in scores}
        else:
            found[name] = better
    return found


class ScoresMetric(Metric):
    """Base of the metrics that compute several scores, by their names."""

    full_state_update = False
    higher_is_better: Mapping[str, bool | None]  # type: ignore[assignment]


class PooledMetric(Metric):
    """Base of the scores that compare all examples with each other: a mean over classes or labels.

    Predictions and targets are kept until the end. The score is NaN if no class or label can be scored, or a
    probability is none.
    """

    full_state_update = False
    preds: list[Tensor]
    target: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("preds", [], dist_reduce_fx="cat")
        self.add_state("target", [], dist_reduce_fx="cat")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add a batch: the probabilities ``(batch, ...)`` and the truth ``(batch, ...)``."""
        self.preds.append(preds)
        self.target.append(target)

    def compute(self) -> Tensor:
        """The mean."""
        preds, target = dim_zero_cat(self.preds), dim_zero_cat(self.target)
        scores = [] if preds.isnan().any() else self.each(preds, target)
        return torch.stack(scores).mean() if scores else preds.new_tensor(float("nan"), dtype=DOUBLE)

    @abstractmethod
    def each(self, preds: Tensor, target: Tensor) -> list[Tensor]:
        """The score of each class or label that can be scored, of all examples."""
