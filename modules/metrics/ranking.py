"""Scores of a choice among candidates, as sums that stay exact over any number of processes."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric


class Ranking(Metric):
    """Where the true one comes among scored candidates: recall at k, and the mean reciprocal rank.

    A candidate of the same score comes first, so that a constant score earns nothing.

    Args:
        at: For each k, the share of examples whose true candidate is among the k best.
    """

    full_state_update = False
    higher_is_better = True
    found: Tensor
    reciprocal: Tensor
    size: Tensor

    def __init__(self, at: Sequence[int] = (1, 5)) -> None:
        super().__init__()
        self.at = tuple(at)
        self.add_state("found", torch.zeros(len(self.at), dtype=torch.long), dist_reduce_fx="sum")
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
        self.found += torch.stack([(ranks <= k).sum() for k in self.at])
        self.reciprocal += ranks.double().reciprocal().sum()
        self.size += len(ranks)

    def compute(self) -> dict[str, Tensor]:
        """``recall_at_1``, ``recall_at_5`` (or whatever k were asked for) and ``mrr``; NaN of no examples."""
        recalls = {f"recall_at_{k}": found / self.size for k, found in zip(self.at, self.found, strict=True)}
        return {**recalls, "mrr": (self.reciprocal / self.size).float()}
