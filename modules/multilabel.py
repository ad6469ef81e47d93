"""Multi-label classification of anything: images, rows of a table, texts."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection

from datamodules.types import Batch, LabelFacts, Row
from modules.members import for_each_member, mean_binary_logits
from modules.metrics import LabelScores, MeanAveragePrecision
from modules.nets.building import build_net, run_net
from modules.task import Step, Task

RANKED = 1000  # with more labels the mean average precision, which keeps all probabilities, would take too much memory


class MultiLabelClassifier(Task[LabelFacts]):
    """Multi-label classification of images, table rows or texts: any number of labels an example, or none.

    A label is predicted where the sigmoid of its logit reaches the threshold; the loss is the binary cross-entropy,
    mean over labels and examples. Scores: ``f1`` (mean over the labels), ``micro_f1`` (of all labels together),
    ``mean_average_precision`` (up to 1,000 labels) and ``subset_accuracy`` (the share of examples all of whose labels
    are right).

    Args:
        net: Makes the network from the number of inputs (channels, features or words) and the number of labels; it
            maps a batch of inputs to logits ``(batch, labels)``; an ensemble, to ``(batch, members, labels)``.
        threshold: Probability from which on a label is predicted.
        **kwargs: Optimizer, scheduler and the like: see ``modules.task.Task``.
    """

    needs = LabelFacts

    def __init__(self, net: Callable[[int, int], nn.Module], threshold: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 < threshold < 1:
            raise MisconfigurationException(f"model.threshold is {threshold}; it must be between 0 and 1")
        self.make_net, self.threshold = net, threshold

    def build(self) -> None:
        """Make the network."""
        self.labels = self.facts.labels
        self.net = build_net(self.make_net, self.facts, len(self.labels))

    def metrics(self) -> MetricCollection:
        """F1, subset accuracy, mean average precision."""
        scores: dict[str, Metric | MetricCollection] = {"labels": LabelScores(len(self.labels), self.threshold)}
        if len(self.labels) <= RANKED:
            scores["mean_average_precision"] = MeanAveragePrecision()
        return MetricCollection(scores)

    def forward(self, inputs: object) -> Tensor:
        """Logits ``(batch, labels)``; in training, those of an ensemble are ``(batch, members, labels)``."""
        logits = run_net(self.net, inputs)
        return logits if self.training else mean_binary_logits(logits)

    def step(self, batch: Batch) -> Step:
        """Binary cross-entropy of ``(inputs, target)``, target ``(batch, labels)`` of 0 and 1."""
        inputs, target = batch
        assert target is not None
        logits = self(inputs)
        loss = F.binary_cross_entropy_with_logits(*for_each_member(logits, target.to(logits.dtype)))
        if self.training:
            return Step(loss, len(target))
        return Step(loss, len(target), logits.float().sigmoid(), target)

    def predict_step(self, batch: Batch, batch_idx: int) -> list[Row]:
        """The labels, written as in training, as ``prediction``, and the probability of each."""
        rows = []
        for shares in self(batch[0]).float().sigmoid().tolist():
            each = {f"probability_{label}": round(share, 6) for label, share in zip(self.labels, shares, strict=True)}
            rows.append({"prediction": self._written([share >= self.threshold for share in shares])} | each)
        return rows

    def truth(self, batch: Batch) -> list[Row]:
        """The labels, written as in training, as ``truth``."""
        assert batch.target is not None
        return [{"truth": self._written(some)} for some in batch.target.tolist()]

    def score_rows(self, rows: Sequence[Row]) -> dict[str, float]:
        """``f1``, ``micro_f1`` and ``subset_accuracy``."""
        sets = [[set(self._read(row[column])) for column in ("prediction", "truth")] for row in rows]
        names = sorted({label for pair in sets for some in pair for label in some})
        predicted, true = (torch.tensor([[name in pair[k] for name in names] for pair in sets]) for k in range(2))
        scores = LabelScores(len(names))
        scores.update(predicted.float(), true)
        return {name: float(value) for name, value in scores.compute().items()}

    def _written(self, present: Sequence[bool]) -> str:
        chosen, between = [label for label, some in zip(self.labels, present, strict=True) if some], self.facts.between
        return between.join(chosen) if between else json.dumps(chosen, ensure_ascii=False)

    def _read(self, written: str) -> list[str]:
        between = self.facts.between
        return list(filter(None, written.split(between))) if between else json.loads(written or "[]")
