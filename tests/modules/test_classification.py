"""Classification: what the loss weighs, and which options are refused."""

import math

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import nn

from datamodules.types import Batch, ClassFacts, ImageClassFacts
from modules.classification import Classifier, smoothed_cross_entropy

FACTS = ClassFacts(classes=["usual", "rare"], class_counts=[100, 4], num_inputs=1)


def built(facts=FACTS, net=nn.Linear, **options):
    task = Classifier(net, **options)
    task.use(facts)
    task.configure_model()
    return task


def test_weights_and_smoothing_together_by_hand():
    torch.manual_seed(0)
    logits, target, weights = torch.randn(7, 3), torch.tensor([0, 1, 2, 0, 0, 1, 2]), torch.tensor([0.2, 3.0, 9.0])
    total = norm = 0.0
    for row, k in zip(logits.double(), target.tolist(), strict=True):
        logs = row - row.exp().sum().log()
        smooth = 0.7 * logs[k] + 0.3 * logs.mean()
        total, norm = total - weights[k].item() * smooth, norm + weights[k].item()
    assert smoothed_cross_entropy(logits, target, weights, 0.3).item() == pytest.approx(float(total / norm), rel=1e-5)


def test_each_alone_is_pytorchs():
    torch.manual_seed(0)
    logits, target, weights = torch.randn(7, 3), torch.tensor([0, 1, 2, 0, 0, 1, 2]), torch.tensor([0.2, 3.0, 9.0])
    mixed = 0.25 * F.one_hot(target, 3) + 0.75 * F.one_hot(target.flip(0), 3)
    for truth in (target, mixed):
        alone = smoothed_cross_entropy(logits, truth, None, 0.3)
        assert alone.equal(F.cross_entropy(logits, truth, label_smoothing=0.3))
        alone = smoothed_cross_entropy(logits, truth, weights, 0.0)
        assert alone.equal(F.cross_entropy(logits, truth, weight=weights))
    # of whole examples the mixed form is the other one, but for the mean over the examples
    whole = smoothed_cross_entropy(logits, F.one_hot(target, 3).float(), weights, 0.3) * 7 / weights[target].sum()
    torch.testing.assert_close(whole, smoothed_cross_entropy(logits, target, weights, 0.3))


def test_a_rare_class_does_not_win_everywhere():
    torch.manual_seed(0)
    inputs = torch.cat([torch.randn(100, 1), 20 + torch.randn(4, 1)])
    target = torch.tensor([0] * 100 + [1] * 4)
    task = built(class_weights="balanced", label_smoothing=0.1)
    optimizer = torch.optim.Adam(task.parameters(), lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        task.step(Batch(inputs, target)).loss.backward()
        optimizer.step()
    assert (task(inputs).argmax(1) == target).all()


def test_scores_are_over_the_classes_that_are_there():
    task = built(ClassFacts(classes=list("abcdefg"), class_counts=[5] * 7, num_inputs=1))
    preds = torch.eye(7)[[0, 0, 1, 1]] * 0.9 + 0.1 / 7
    task.val_metrics.update(preds, torch.tensor([0, 0, 1, 1]))
    scores = task.val_metrics.compute()
    assert scores["val/auroc"] == scores["val/f1"] == scores["val/accuracy"] == scores["val/top5_accuracy"] == 1


def test_many_classes_do_without_the_scores_that_keep_everything():
    many = ClassFacts(classes=[str(k) for k in range(1001)], class_counts=[1] * 1001, num_inputs=1)
    assert set(built(many).val_metrics.keys()) == {
        "val/accuracy", "val/f1", "val/calibration_error", "val/top5_accuracy",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"label_smoothing": -1}, "label_smoothing is -1"),
        ({"label_smoothing": 1.0}, "label_smoothing is 1.0"),
        ({"mixup": -0.1}, "mixup is -0.1"),
        ({"cutmix": -0.1}, "cutmix is -0.1"),
        ({"top_k": 0}, "top_k is 0"),
        ({"class_weights": [1.0, -1.0]}, "class_weights must be numbers of at least 0"),
        ({"class_weights": [1.0, math.nan]}, "class_weights must be numbers of at least 0"),
        ({"mixup": 0.2}, "model.mixup is for images, and the data has none"),
        ({"cutmix": 0.2}, "model.cutmix is for images"),
        ({"mirror": True}, "model.mirror is for images"),
    ],
)
def test_options_out_of_range_or_without_effect_are_refused(options, message):
    with pytest.raises(MisconfigurationException, match=message):
        built(**options)


def test_images_are_mixed_and_mirrored():
    images = ImageClassFacts(
        classes=["a", "b"], class_counts=[5, 5], num_inputs=1, mean=[0.0], std=[1.0], preset={}, size=[4, 4]
    )
    net = lambda channels, classes: nn.Sequential(nn.Flatten(), nn.Linear(16, classes))  # noqa: E731
    task = built(images, net, mixup=0.4, cutmix=1.0, mirror=True)
    inputs, target = torch.randn(4, 1, 4, 4), torch.tensor([0, 1, 0, 1])
    assert task.train().step(Batch(inputs, target)).size == 4
    task.eval()
    torch.testing.assert_close(task(inputs), task(inputs.flip(-1)))
