"""Scores of predicted labels, any number of them an example: over the labels that there are, in double precision."""

import torch
from torch import Tensor

from modules.metrics.common import DOUBLE, PooledMetric, ScoresMetric


class LabelScores(ScoresMetric):
    """F1, the harmonic mean of precision and recall, and the share of examples with all labels right.

    ``f1`` is the mean over the labels that are true or predicted (macro), ``micro_f1`` is that of all labels together,
    ``subset_accuracy`` counts an example only if each of its labels is predicted, and no other.

    Args:
        num_labels: Number of labels.
        threshold: Probability from which on a label is predicted.
    """

    higher_is_better = dict.fromkeys(("f1", "micro_f1", "subset_accuracy"), True)
    counts: Tensor
    examples: Tensor

    def __init__(self, num_labels: int, threshold: float = 0.5) -> None:
        super().__init__()
        self.threshold = threshold
        self.add_state("counts", torch.zeros(3, num_labels, dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("examples", torch.zeros(2, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add the probabilities and the truth, 0 or 1, both ``(batch, labels)``."""
        predicted, true = preds >= self.threshold, target.bool()
        self.counts += torch.stack([some.sum(0) for some in (predicted & true, predicted, true)])
        self.examples += torch.stack([(predicted == true).all(1).sum(), self.examples.new_tensor(len(true))])

    def compute(self) -> dict[str, Tensor]:
        """The scores; NaN where no label is true or predicted."""
        right, predicted, true = self.counts.to(DOUBLE)
        each = (2 * right / (predicted + true))[predicted + true > 0]
        whole, size = self.examples.to(DOUBLE)
        micro = 2 * right.sum() / (predicted + true).sum()
        return {"f1": each.mean(), "micro_f1": micro, "subset_accuracy": whole / size}


class MeanAveragePrecision(PooledMetric):
    """Average precision of each label, mean over the labels that some example has (Everingham et al. 2010).

    The average precision of a label is the mean, over the examples that have it, of the precision at the threshold that
    just predicts it for that one; NaN if no example has any label, or a probability is none.
    """

    higher_is_better = True

    def each(self, preds: Tensor, target: Tensor) -> list[Tensor]:
        """Of the probabilities and the truth, 0 or 1, both ``(examples, labels)``."""
        true = target.bool()
        return [average_precision(preds[:, k], true[:, k]) for k in true.any(0).nonzero().flatten().tolist()]


def average_precision(scores: Tensor, positive: Tensor) -> Tensor:
    """Mean of the precision over the positive examples; examples of the same score are predicted together.

    Args:
        scores: ``(examples)``.
        positive: Whether an example has the label ``(examples)``; some do.
    """
    scores, order = scores.sort(descending=True, stable=True)
    found = positive[order].to(DOUBLE).cumsum(0)
    last = torch.cat([scores[1:] != scores[:-1], scores.new_ones(1, dtype=torch.bool)]).nonzero().flatten()
    more = found[last].diff(prepend=found.new_zeros(1))
    return (found[last] / (last + 1) * more).sum() / found[-1]
