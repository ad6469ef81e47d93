"""What is explained of each task: one number for each example."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor

from datamodules.types import Row
from modules.classification import Classifier
from modules.multilabel import MultiLabelClassifier
from modules.regression import Regressor
from modules.task import Task

EXPLAINED = (Classifier, MultiLabelClassifier, Regressor)


class Quantity(NamedTuple):
    """What is explained of each example of a batch.

    Attributes:
        name: What the names of the columns of the answer end with; empty where there is but one.
        answers: What the model said of each example, for people.
        columns: Further columns of the answer for each example.
        score: The number to explain ``(examples)``, of inputs ``(examples, ...)`` in place of those of some examples,
            and of which examples of the batch ``(examples)``.
    """

    name: str
    answers: list[str]
    columns: list[Row]
    score: Callable[[object, Tensor], Tensor]


def check_task(task: Task) -> None:
    """Refuse a task that nothing is explained of.

    Raises:
        MisconfigurationException: If it is one.
    """
    if not isinstance(task, EXPLAINED):
        raise MisconfigurationException(
            f"the predictions of {type(task).__name__} cannot be explained: classes, labels and numbers that are "
            "predicted from tables, images or texts can"
        )


def quantities(task: Task, outputs: Tensor) -> list[Quantity]:
    """What to explain of a batch.

    Of a class it is the log-odds: the logarithm of its probability divided by that of all others. Of several labels,
    the log-odds of the likeliest; of numbers, each of them in its units.

    Args:
        task: The task, in evaluation mode.
        outputs: What it returned for the batch ``(batch, outputs)``.
    """
    if isinstance(task, Regressor):
        return [_number(task, outputs, k) for k in range(task.num_outputs)]
    chosen = outputs.argmax(1)
    if isinstance(task, Classifier):
        # Probabilities are those of the calibration, if there is one.
        heat = 1.0 if task.calibration is None else float(task.calibration.values["temperature"])

        def of_class(inputs: object, rows: Tensor) -> Tensor:
            return log_odds(task(inputs).float() / heat, chosen[rows])

        names = [task.classes[k] for k in chosen.tolist()]
        return [Quantity("", names, [{} for _ in names], of_class)]
    assert isinstance(task, MultiLabelClassifier)

    def of_label(inputs: object, rows: Tensor) -> Tensor:
        logits: Tensor = task(inputs)
        return logits.float().gather(1, chosen[rows, None])[:, 0]

    names = [task.labels[k] for k in chosen.tolist()]
    return [Quantity("", names, [{"explained": name} for name in names], of_label)]


def _number(task: Regressor, outputs: Tensor, k: int) -> Quantity:
    target, scale, mean = task.targets[k], task.facts.target_scale[k], task.facts.target_mean[k]

    def of_number(inputs: object, rows: Tensor) -> Tensor:
        standardized: Tensor = task(inputs)
        return standardized[:, k].float() * scale

    answers = [f"{target} {value * scale + mean:.4g}" for value in outputs[:, k].tolist()]
    return Quantity("" if task.num_outputs == 1 else f"_{target}", answers, [{} for _ in answers], of_number)


def log_odds(logits: Tensor, chosen: Tensor) -> Tensor:
    """Logarithm of the probability of a class divided by that of all others ``(batch)``.

    Args:
        logits: ``(batch, classes)``.
        chosen: The class of each example ``(batch)``.
    """
    own = torch.zeros_like(logits, dtype=torch.bool).scatter(1, chosen[:, None], True)
    return logits[own] - logits.masked_fill(own, -torch.inf).logsumexp(1)
