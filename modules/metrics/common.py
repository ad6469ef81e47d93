"""What scores have in common: their precision, and which way they are better."""

import torch
from torchmetrics import MetricCollection

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
