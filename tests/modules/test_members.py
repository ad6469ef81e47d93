"""Ensembles: each member learns by itself, and the prediction is their mean."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from datamodules.types import Batch, ClassFacts, NumberFacts
from modules.classification import Classifier
from modules.regression import Regressor

CLASSES = ClassFacts(classes=["a", "b", "c"], class_counts=[5, 3, 2], num_inputs=4)
NUMBERS = NumberFacts(num_inputs=4, targets=["x", "y"], target_mean=[0.0, 1.0], target_scale=[1.0, 2.0])


class Members(nn.Module):
    """Three linear members."""

    def __init__(self, num_inputs, num_outputs):
        super().__init__()
        self.each = nn.ModuleList(nn.Linear(num_inputs, num_outputs) for _ in range(3))

    def forward(self, inputs):
        return torch.stack([member(inputs) for member in self.each], dim=1)


def built(task, facts):
    task.use(facts)
    task.configure_model()
    return task


@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.2, "class_weights": [1.0, 2.0, 5.0]}])
def test_the_loss_of_classes_is_the_mean_of_the_members(options):
    torch.manual_seed(0)
    task = built(Classifier(Members, **options), CLASSES)
    batch = Batch(torch.randn(6, 4), torch.tensor([0, 1, 2, 0, 0, 1]))
    alone = []
    for member in task.net.each:
        single = built(Classifier(lambda i, o, member=member: member, **options), CLASSES)
        alone.append(single.step(batch))
    step = task.step(batch)
    torch.testing.assert_close(step.loss, torch.stack([one.loss for one in alone]).mean())
    assert step.size == alone[0].size


def test_classes_are_told_by_the_mean_probability():
    torch.manual_seed(0)
    task = built(Classifier(Members), CLASSES).eval()
    inputs, target = torch.randn(6, 4), torch.tensor([0, 1, 2, 0, 0, 1])
    mean = torch.stack([member(inputs).softmax(1) for member in task.net.each]).mean(0)
    step = task.step(Batch(inputs, target))
    torch.testing.assert_close(step.preds, mean)
    torch.testing.assert_close(step.loss, F.nll_loss(mean.log(), target))
    rows = task.predict_step(Batch(inputs, None), 0)
    assert [row["probability_b"] for row in rows] == pytest.approx(mean[:, 1].tolist(), abs=1e-6)


@pytest.mark.parametrize("loss", [None, nn.L1Loss()])
def test_the_loss_of_numbers_is_the_mean_of_the_members(loss):
    torch.manual_seed(0)
    task = built(Regressor(Members, loss), NUMBERS)
    inputs, target = torch.randn(6, 4), torch.randn(6, 2)
    each = torch.stack([task.loss(member(inputs), target) for member in task.net.each])
    torch.testing.assert_close(task.step(Batch(inputs, target)).loss, each.mean())
    mean = torch.stack([member(inputs) for member in task.net.each]).mean(0)
    step = task.eval().step(Batch(inputs, target))
    torch.testing.assert_close(step.loss, task.loss(mean, target))
    torch.testing.assert_close(step.preds, mean * torch.tensor([1.0, 2.0]))
    assert task.predict_step(Batch(inputs, None), 0)[0]["prediction_y"] == pytest.approx(
        2 * mean[0, 1].item() + 1, rel=1e-5
    )
