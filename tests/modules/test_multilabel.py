"""Multi-label classification: loss, scores and rows."""

import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import nn

from datamodules.types import Batch, ClassFacts, LabelFacts
from modules.classification import Classifier
from modules.members import mean_binary_logits
from modules.multilabel import MultiLabelClassifier


def facts(labels=("red", "round"), between=";"):
    return LabelFacts(
        labels=list(labels), label_counts=[3] * len(labels), num_examples=9, between=between, num_inputs=2
    )


def built(net=nn.Linear, known=None, **options):
    task = MultiLabelClassifier(net, **options)
    task.use(known or facts())
    task.configure_model()
    return task.eval()


class Fixed(nn.Module):
    """Logits of a half, of almost one, and of almost zero."""

    def __init__(self, num_inputs, num_outputs):
        super().__init__()
        self.logits = nn.Parameter(torch.tensor([[0.0, 9.0], [-9.0, -9.0], [-9.0, 9.0]])[:, :num_outputs])

    def forward(self, inputs):
        return self.logits[: len(inputs)]


def test_loss_is_the_mean_over_labels_and_examples():
    task, inputs = built(), torch.randn(5, 2)
    target = torch.tensor([[0, 1], [1, 1], [0, 0], [1, 0], [0, 0]], dtype=torch.uint8)
    share = task(inputs).sigmoid()
    by_hand = -torch.where(target == 1, share, 1 - share).log().mean()
    output = task.step(Batch(inputs, target))
    assert output.size == 5
    torch.testing.assert_close(output.loss, by_hand)
    torch.testing.assert_close(output.preds, share)


@pytest.mark.parametrize(
    ("between", "written"), [(";", ["red;round", "", "round"]), ("", ['["red", "round"]', "[]", '["round"]'])]
)
def test_rows_have_the_labels_as_they_were_written(between, written):
    task = built(Fixed, facts(between=between))
    rows = task.predict_step(Batch(torch.zeros(3, 2), None), 0)
    assert [row["prediction"] for row in rows] == written
    assert rows[0] == {"prediction": written[0], "probability_red": 0.5, "probability_round": 0.999877}


def test_rows_of_several_models_are_scored_together():
    task = built(Fixed)
    target = torch.tensor([[1, 1], [1, 0], [0, 1]], dtype=torch.uint8)
    batch = Batch(torch.zeros(3, 2), target)
    rows = [a | b for a, b in zip(task.predict_step(batch, 0), task.truth(batch), strict=True)]
    assert [row["truth"] for row in rows] == ["red;round", "red", "round"]
    output = task.step(batch)
    task.val_metrics.update(output.preds, output.target)
    scores = {name.removeprefix("val/"): float(value) for name, value in task.val_metrics.compute().items()}
    together = task.score_rows(rows)
    assert together == {name: scores[name] for name in ("f1", "micro_f1", "subset_accuracy")}
    assert together["subset_accuracy"] == pytest.approx(2 / 3)


def test_all_scores_say_which_way_is_better():
    task = built()
    directions = {"f1", "micro_f1", "subset_accuracy", "mean_average_precision"}
    assert task.directions == {"val/loss": False, **{f"val/{name}": True for name in directions}}


def test_threshold():
    assert built(Fixed, threshold=0.6).predict_step(Batch(torch.zeros(3, 2), None), 0)[0]["prediction"] == "round"
    with pytest.raises(MisconfigurationException, match="threshold is 1"):
        built(threshold=1.0)


def test_members_of_an_ensemble_learn_alone_and_predict_together():
    logits = torch.tensor([[[0.0, 90.0], [2.0, -90.0]]])  # (1, members, labels)
    mean = torch.stack([logits[:, 0].sigmoid(), logits[:, 1].sigmoid()]).mean(0)
    torch.testing.assert_close(mean_binary_logits(logits).sigmoid(), mean)

    class Both(nn.Module):
        def __init__(self, num_inputs, num_outputs):
            super().__init__()
            self.logits = nn.Parameter(logits)

        def forward(self, inputs):
            return self.logits

    task, target = built(Both), torch.tensor([[1.0, 0.0]])
    each = [F.binary_cross_entropy_with_logits(logits[:, k], target) for k in range(2)]
    torch.testing.assert_close(task.train().step(Batch(torch.zeros(1, 2), target)).loss, (each[0] + each[1]) / 2)
    torch.testing.assert_close(task.eval().step(Batch(torch.zeros(1, 2), target)).preds, mean)


def test_tasks_of_one_class_and_of_several_labels_refuse_each_others_data():
    with pytest.raises(MisconfigurationException, match="needs classes, and the data has several labels an example"):
        Classifier(nn.Linear).use(facts())
    with pytest.raises(MisconfigurationException, match="needs several labels an example, and the data has classes"):
        MultiLabelClassifier(nn.Linear).use(ClassFacts(classes=["a", "b"], class_counts=[1, 1], num_inputs=1))
