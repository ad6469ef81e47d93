"""Scores of predicted classes: over the classes that there are, in double precision."""

import torch
from torch import Tensor
from torchmetrics import Metric

from modules.metrics.common import DOUBLE, PooledMetric


class AUROC(PooledMetric):
    """Area under the ROC curve of each class against the rest (Hand & Till 2001, section 2), mean over the classes.

    It is the probability that an example of the class gets a higher probability of it than one of the others; ties
    count half. Only the classes of the examples count; NaN if there is but one.
    """

    higher_is_better = True

    def each(self, preds: Tensor, target: Tensor) -> list[Tensor]:
        """Of the probabilities ``(examples, classes)`` and the true classes ``(examples)``."""
        classes = target.unique().tolist()
        return [binary_auroc(preds[:, k], target == k) for k in classes] if len(classes) > 1 else []


def binary_auroc(scores: Tensor, positive: Tensor) -> Tensor:
    """Area under the ROC curve by the ranks of the positive examples (Mann & Whitney 1947).

    Args:
        scores: ``(examples)``.
        positive: Whether an example is of the class ``(examples)``; some are and some are not.
    """
    num = positive.sum().to(DOUBLE)
    _, place, counts = scores.unique(return_inverse=True, return_counts=True)
    ranks = counts.cumsum(0).to(DOUBLE) - (counts - 1).to(DOUBLE) / 2  # the mean of those that tie
    above: Tensor = ranks[place][positive].sum() - num * (num + 1) / 2
    return above / (num * (len(scores) - num))


class MacroF1(Metric):
    """F1, the harmonic mean of precision and recall, of each class; mean over the classes that are true or predicted.

    Args:
        num_classes: Number of classes; memory grows with it, not with its square.
    """

    full_state_update = False
    higher_is_better = True
    counts: Tensor

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.add_state("counts", torch.zeros(3, num_classes, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add the probabilities ``(batch, classes)`` and the true classes ``(batch)``."""
        predicted = preds.argmax(1)
        some = (predicted[predicted == target], predicted, target)
        self.counts += torch.stack([classes.bincount(minlength=self.num_classes) for classes in some])

    def compute(self) -> Tensor:
        """The mean."""
        right, predicted, true = self.counts.to(DOUBLE)
        there = predicted + true > 0
        scores: Tensor = (2 * right / (predicted + true))[there]
        return scores.mean()


class CalibrationError(Metric):
    """Expected calibration error (Guo et al. 2017): how far the accuracy is from the confidence.

    Examples are binned by the probability of the class that is predicted; the mean over the bins of the difference
    between this probability and the share of right predictions, each bin with the weight of its examples.

    Args:
        num_bins: Bins of equal width; each includes its upper end, so that the last one has a confidence of 1.
    """

    full_state_update = False
    higher_is_better = False
    excess: Tensor
    count: Tensor

    def __init__(self, num_bins: int = 15) -> None:
        super().__init__()
        self.num_bins = num_bins
        self.add_state("excess", torch.zeros(num_bins, dtype=DOUBLE), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Add the probabilities ``(batch, classes)`` and the true classes ``(batch)``."""
        confidence, predicted = preds.max(1)
        bins = (confidence.to(DOUBLE) * self.num_bins).ceil().nan_to_num().long().clamp(1, self.num_bins) - 1
        excess = confidence.to(DOUBLE) - (predicted == target).to(DOUBLE)
        # Not in place: the sums stay in double precision where ``precision: bf16-true`` has cast the states.
        self.excess = self.excess.to(DOUBLE).index_add(0, bins, excess)
        self.count = self.count + len(target)

    def compute(self) -> Tensor:
        """The error."""
        return self.excess.abs().sum() / self.count
