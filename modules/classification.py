"""Classification of anything: images, rows of a table, texts."""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy

from datamodules.types import Batch, ClassFacts, ImageFacts, Row
from modules.calibration import ClassCalibrator, Compared
from modules.members import for_each_member, mean_logits
from modules.metrics import AUROC, CalibrationError, MacroF1
from modules.nets.building import build_net, run_net
from modules.task import Step, Task

EACH = 20  # so many classes at most have a column each in predictions
RANKED = 1000  # with more classes AUROC, which keeps all probabilities, would take too much memory


class Classifier(Task[ClassFacts]):
    """Single-label classification of images, table rows or texts.

    Scores: ``accuracy`` (the share of examples that are right), ``f1`` (mean over the classes), ``auroc`` (one class
    against the rest, mean over the classes that there are; up to 1,000 classes), ``calibration_error`` (expected, 15
    bins: Guo et al. 2017) and, with more than five classes, ``top5_accuracy``.

    Args:
        net: Makes the network from the number of inputs (channels, features or words) and the number of classes;
            it maps a batch of inputs to logits ``(batch, classes)``; an ensemble, to ``(batch, members, classes)``: a
            member has its own loss, and the prediction is the mean of their probabilities.
        label_smoothing: Probability spread evenly over all classes (Szegedy et al. 2016).
        class_weights: ``balanced`` weighs a class by the inverse of its frequency in training; or a weight a class.
        mixup: Parameter of the Beta distribution of MixUp (Zhang et al. 2018); off if 0.
        cutmix: Parameter of the Beta distribution of CutMix (Yun et al. 2019); off if 0. With both, either is drawn.
        top_k: How many classes a prediction names where there are more than twenty; else it has a column for each.
        mirror: Classify an image by the mean of its logits and those of its mirror image, outside training.
        **kwargs: Optimizer, scheduler and the like: see ``modules.task.Task``.
    """

    needs = ClassFacts
    calibration: ClassCalibrator | None

    def __init__(
        self,
        net: Callable[[int, int], nn.Module],
        label_smoothing: float = 0.0,
        class_weights: Literal["balanced"] | Sequence[float] | None = None,
        mixup: float = 0.0,
        cutmix: float = 0.0,
        top_k: int = 3,
        mirror: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for name, value, least in (("mixup", mixup, 0), ("cutmix", cutmix, 0), ("top_k", top_k, 1)):
            if not least <= value < math.inf:
                raise MisconfigurationException(f"model.{name} is {value}; it must be at least {least}")
        if not 0 <= label_smoothing < 1:
            raise MisconfigurationException(f"model.label_smoothing is {label_smoothing}; it must be from 0 to below 1")
        if not isinstance(class_weights, str) and not all(0 <= weight < math.inf for weight in class_weights or ()):
            raise MisconfigurationException("model.class_weights must be numbers of at least 0")
        self.make_net = net
        self.label_smoothing, self.class_weights = label_smoothing, class_weights
        self.mixup, self.cutmix, self.top_k, self.mirror = mixup, cutmix, top_k, mirror

    def build(self) -> None:
        """Make the network and the mixing of examples."""
        for_images = {"mixup": self.mixup, "cutmix": self.cutmix, "mirror": self.mirror}
        used = [name for name, value in for_images.items() if value]
        if used and not isinstance(self.facts, ImageFacts):
            raise MisconfigurationException(f"model.{used[0]} is for images, and the data has none")
        self.classes = self.facts.classes
        num_classes = len(self.classes)
        self.net = build_net(self.make_net, self.facts, num_classes)
        weights = None
        if self.class_weights == "balanced":
            counts = torch.tensor(self.facts.class_counts, dtype=torch.float)
            weights = counts.sum() / (num_classes * counts)
        elif self.class_weights is not None:
            weights = torch.tensor(self.class_weights, dtype=torch.float)
            if len(weights) != num_classes:
                raise MisconfigurationException(
                    f"model.class_weights has {len(weights)} values for {num_classes} classes"
                )
        self.weights: Tensor | None
        self.register_buffer("weights", weights, persistent=False)
        self.mix = self._mixing(num_classes) if self.mixup or self.cutmix else None

    def _mixing(self, num_classes: int) -> nn.Module:
        from torchvision.transforms import v2  # a second of start-up

        kinds = ((v2.MixUp, self.mixup), (v2.CutMix, self.cutmix))
        mix: nn.Module = v2.RandomChoice([kind(alpha=alpha, num_classes=num_classes) for kind, alpha in kinds if alpha])
        return mix

    def metrics(self) -> MetricCollection:
        """Accuracy, macro F1 and AUROC, calibration error."""
        num = len(self.classes)
        scores: dict[str, Metric | MetricCollection] = {
            "accuracy": MulticlassAccuracy(num, average="micro"),
            "f1": MacroF1(num),
            "calibration_error": CalibrationError(num_bins=15),
        }
        if num <= RANKED:
            scores["auroc"] = AUROC()
        if num > 5:
            scores["top5_accuracy"] = MulticlassAccuracy(num, top_k=5, average="micro")
        return MetricCollection(scores)

    def forward(self, inputs: Any) -> Tensor:
        """Logits ``(batch, classes)``; in training, those of an ensemble are ``(batch, members, classes)``."""
        logits = run_net(self.net, inputs)
        if self.training:
            return logits
        if self.mirror:
            logits = (logits + run_net(self.net, inputs.flip(-1))) / 2
        return mean_logits(logits)

    def step(self, batch: Batch) -> Step:
        """Cross-entropy of ``(inputs, target)``, target ``(batch)``."""
        inputs, target = batch
        assert target is not None
        mixed = target
        if self.training and self.mix is not None:
            inputs, mixed = self.mix(inputs, target)
        logits = self(inputs)
        if not self.training:
            loss, compared = F.cross_entropy(logits, target), Compared(logits.float(), target)
            return Step(loss, len(target), compared.outputs.softmax(1), target, compared)
        loss = smoothed_cross_entropy(*for_each_member(logits, mixed), self.weights, self.label_smoothing)
        # The mean is over the examples' weights; of mixed classes it is over the examples.
        return Step(loss, len(target) if self.weights is None or mixed is not target else self.weights[target].sum())

    def predict_step(self, batch: Batch, batch_idx: int) -> list[Row]:
        """The most probable classes by name; with a calibration, of scaled probability, and the ``set`` of classes."""
        logits, calibration = self(batch[0]).float(), self.calibration
        if calibration is None:
            return probabilities_to_rows(logits.softmax(1), self.classes, self.top_k)
        probabilities = calibration.probabilities(logits)
        rows = probabilities_to_rows(probabilities, self.classes, self.top_k)
        sets = sets_to_texts(calibration.sets(probabilities), probabilities, self.classes)
        return [row | {"set": names} for row, names in zip(rows, sets, strict=True)]

    def calibrator(self, coverage: float) -> ClassCalibrator:
        """Temperature, and sets of classes."""
        return ClassCalibrator(coverage)

    def truth(self, batch: Batch) -> list[Row]:
        """The class by name, as ``truth``."""
        assert batch.target is not None
        return [{"truth": self.classes[index]} for index in batch.target.tolist()]

    def score_rows(self, rows: Sequence[Row]) -> dict[str, float]:
        """``accuracy`` and ``f1``; ``auroc`` too if the rows have the probability of each class."""
        names = sorted({str(row[column]) for row in rows for column in ("truth", "class")})
        number = {name: index for index, name in enumerate(names)}
        target = torch.tensor([number[str(row["truth"])] for row in rows])
        predicted = torch.tensor([number[str(row["class"])] for row in rows])
        f1 = MacroF1(len(names))
        f1.update(F.one_hot(predicted, len(names)), target)
        scores = {"accuracy": float((predicted == target).double().mean()), "f1": float(f1.compute())}
        if all(f"probability_{name}" in row for row in rows for name in names):
            auroc = AUROC()
            shares = [[float(row[f"probability_{name}"]) for name in names] for row in rows]
            auroc.update(torch.tensor(shares, dtype=torch.float64), target)
            scores["auroc"] = float(auroc.compute())
        return scores


def smoothed_cross_entropy(logits: Tensor, target: Tensor, weights: Tensor | None, smoothing: float) -> Tensor:
    """Cross-entropy with class weights and label smoothing, where an example has the weight of its true class.

    PyTorch's own weighs the smoothed share of each class with that class's weight: a rare class with a large weight
    then wins everywhere.

    Args:
        logits: ``(batch, classes)``.
        target: Classes ``(batch)``, or their shares ``(batch, classes)`` in mixed examples.
        weights: Of the classes ``(classes)``.
        smoothing: Probability spread evenly over all classes.

    Returns:
        The mean over the weights of the examples, or over mixed examples; a scalar.
    """
    if weights is None or not smoothing:
        return F.cross_entropy(logits, target, weight=weights, label_smoothing=smoothing)
    surprise = -logits.log_softmax(1)  # (batch, classes)
    if target.ndim == 1:
        weight, own = weights[target], surprise.gather(1, target[:, None])[:, 0]
        return (weight * ((1 - smoothing) * own + smoothing * surprise.mean(1))).sum() / weight.sum()
    shares = target * weights
    return ((1 - smoothing) * (shares * surprise).sum(1) + smoothing * shares.sum(1) * surprise.mean(1)).mean()


def probabilities_to_rows(probabilities: Tensor, classes: list[str], top_k: int) -> list[Row]:
    """Name the most probable class, and give the probability of each.

    Args:
        probabilities: ``(batch, classes)``.
        classes: Name of each class.
        top_k: How many classes to name where there are more than ``EACH``.

    Returns:
        For each example ``class``, its ``probability``, and ``probability_NAME`` for each class; with many classes,
        for the most probable ones, ``class_2``, ``probability_2`` and so on.
    """
    each = len(classes) <= EACH
    best = torch.topk(probabilities, 1 if each else min(top_k, len(classes)), dim=1)
    rows = []
    for values, indices, shares in zip(
        best.values.tolist(), best.indices.tolist(), probabilities.tolist(), strict=True
    ):
        row: Row = {}
        for rank, (value, index) in enumerate(zip(values, indices, strict=True), start=1):
            suffix = "" if rank == 1 else f"_{rank}"
            row[f"class{suffix}"], row[f"probability{suffix}"] = classes[index], round(value, 6)
        if each:
            row |= {f"probability_{name}": round(value, 6) for name, value in zip(classes, shares, strict=True)}
        rows.append(row)
    return rows


def sets_to_texts(sets: Tensor, probabilities: Tensor, classes: list[str]) -> list[str]:
    """Name the classes of each set, the most probable first, with ``|`` between them.

    Args:
        sets: Whether each class is in the set, ``(batch, classes)``.
        probabilities: ``(batch, classes)``.
        classes: Name of each class; if one has a ``|`` in it, the names of a set are written as a JSON list.
    """
    order = probabilities.argsort(dim=1, descending=True, stable=True)
    sizes = sets.sum(1).tolist()
    named = [[classes[index] for index in indices[:size].tolist()] for indices, size in zip(order, sizes, strict=True)]
    if any("|" in name for name in classes):
        return [json.dumps(names, ensure_ascii=False) for names in named]
    return ["|".join(names) for names in named]
