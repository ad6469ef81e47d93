"""Scores of a choice among candidates, as sums that stay exact over any number of processes."""

import torch
from torch import Tensor

from modules.metrics.common import ScoresMetric


class Ranking(ScoresMetric):
    """Where the true one comes among scored candidates: recall at 1 and 5, and the mean reciprocal rank.

    Recall at k is the share of examples whose true candidate is among the k best. A candidate of the same score comes
    first, so that a constant score earns nothing.
    """

    AT = (1, 5)
    higher_is_better = dict.fromkeys(("recall_at_1", "recall_at_5", "mrr"), True)
    found: Tensor
    reciprocal: Tensor
    size: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("found", torch.zeros(len(self.AT), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("reciprocal", torch.zeros((), dtype=torch.double), dist_reduce_fx="sum")
        self.add_state("size", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Rank the candidates of a batch.

        Args:
            preds: Scores ``(batch, candidates)``.
            target: Which candidate is the true one, ``(batch)``.
        """
        true = preds.gather(1, target[:, None])  # (batch, 1)
        ranks = (preds >= true).sum(1)  # the true one counts itself
        self.found += torch.stack([(ranks <= k).sum() for k in self.AT])
        self.reciprocal += ranks.double().reciprocal().sum()
        self.size += len(ranks)

    def compute(self) -> dict[str, Tensor]:
        """``recall_at_1``, ``recall_at_5`` and ``mrr``; NaN of no examples."""
        recalls = {f"recall_at_{k}": found / self.size for k, found in zip(self.AT, self.found, strict=True)}
        return {**recalls, "mrr": (self.reciprocal / self.size).float()}
