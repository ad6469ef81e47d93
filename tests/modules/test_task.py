from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import nn

from datamodules.types import Batch, ClassFacts, NumberFacts
from modules.classification import Classifier, probabilities_to_rows

COUNTS = [1, 2, 5]


def built(net: Any, classes: list[str], **options: Any) -> Classifier:
    task = Classifier(net, **options)
    task.use(ClassFacts(classes=classes, num_inputs=4, class_counts=COUNTS[: len(classes)]))
    task.configure_model()
    return task


class Net(nn.Sequential):
    def __init__(self, num_inputs: int, num_classes: int) -> None:
        super().__init__(nn.Linear(num_inputs, 8), nn.BatchNorm1d(8), nn.Linear(8, num_classes))
        self.words = nn.Embedding(3, 2)


def test_data_with_other_facts_is_refused_by_name() -> None:
    facts = NumberFacts(num_inputs=1, targets=["y"], target_mean=[0.0], target_scale=[1.0])
    with pytest.raises(MisconfigurationException, match="Classifier needs classes, and Line has numbers to predict"):
        Classifier(nn.Linear).use(facts, "Line")


def test_scores_say_their_directions() -> None:
    directions = built(nn.Linear, ["a", "b", "c"]).directions
    assert directions["val/loss"] is False
    assert directions["val/calibration_error"] is False
    assert directions["val/accuracy"] is directions["val/auroc"] is directions["val/f1"] is True


def test_a_loss_that_is_no_number_is_not_left_out() -> None:
    task = built(nn.Linear, ["a", "b", "c"])
    inputs = torch.ones(2, 4)
    inputs[1] *= torch.nan
    for row, size in zip(inputs.split(1), (3, 1), strict=True):
        step = task.eval().step(Batch(row, torch.tensor([0])))
        task.val_loss.update(step.loss, size)
    assert task.val_loss.compute().isnan()
    task.val_loss.reset()
    task.val_loss.update(torch.tensor(1.0), 3)
    task.val_loss.update(torch.tensor(5.0), 1)
    assert task.val_loss.compute() == 2


def test_network_is_built_once_from_the_facts() -> None:
    task = built(nn.Linear, ["a", "b", "c"])
    net = task.net
    task.configure_model()
    assert task.net is net
    assert (net.in_features, net.out_features) == (4, 3)


def test_decay_spares_norms_biases_and_embeddings_if_asked() -> None:
    task = built(Net, ["a", "b"], decay_all=False)
    task.trainer = SimpleNamespace()  # type: ignore[assignment]
    groups = task.configure_optimizers().param_groups
    decayed = {id(p) for group in groups if group["weight_decay"] > 0 for p in group["params"]}
    assert decayed == {id(task.net[0].weight), id(task.net[2].weight)}  # type: ignore[index]
    assert sum(len(group["params"]) for group in groups) == len(list(task.parameters()))


def test_class_weights_balance_and_smoothing_only_in_training() -> None:
    task = built(nn.Linear, ["a", "b", "c"], class_weights="balanced", label_smoothing=0.1)
    inputs, target = torch.randn(6, 4), torch.tensor([0, 1, 1, 2, 2, 2])
    weights = torch.tensor([8 / 3, 4 / 3, 8 / 15])
    logits = task.net(inputs)
    each = nn.functional.cross_entropy(logits, target, label_smoothing=0.1, reduction="none")
    wanted = (weights[target] * each).sum() / weights[target].sum()  # an example has the weight of its true class
    torch.testing.assert_close(task.train().step((inputs, target)).loss, wanted)
    output = task.eval().step((inputs, target))
    torch.testing.assert_close(output.loss, nn.functional.cross_entropy(logits, target))
    torch.testing.assert_close(output.preds, logits.softmax(1))


def test_wrong_number_of_class_weights() -> None:
    with pytest.raises((ValueError, MisconfigurationException), match="2 values for 3 classes"):
        built(nn.Linear, ["a", "b", "c"], class_weights=[1.0, 2.0])


def test_rows_have_the_probability_of_each_class() -> None:
    rows = probabilities_to_rows(torch.tensor([[0.1, 0.7, 0.2]]), ["ant", "bee", "cat"], top_k=2)
    fixed = {"probability_ant": 0.1, "probability_bee": 0.7, "probability_cat": 0.2}
    assert rows == [{"class": "bee", "probability": 0.7, **fixed}]


def test_rows_name_the_most_probable_of_many_classes() -> None:
    names = [f"c{k}" for k in range(21)]
    rows = probabilities_to_rows(torch.arange(21.0)[None] / 210, names, top_k=2)
    assert rows == [{"class": "c20", "probability": 0.095238, "class_2": "c19", "probability_2": 0.090476}]
    assert len(probabilities_to_rows(torch.ones(1, 21) / 21, names, top_k=99)[0]) == 42


def test_scores_keep_their_precision() -> None:
    task = built(Net, ["a", "b"])
    names = [name for name, _ in task.named_children()]
    task.to(dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in task.parameters()} == {torch.bfloat16}
    assert [name for name, _ in task.named_children()] == names
    for _ in range(1000):  # in bfloat16 a sum of ones ends at 256
        task.val_loss.update(torch.tensor(1.0))
    task.val_loss.update(torch.tensor(2.0), 1000)
    assert task.val_loss.compute() == 1.5
    assert task.to("cpu", torch.float32) is task
