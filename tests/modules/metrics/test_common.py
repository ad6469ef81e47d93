import pytest
import torch
from torch import Tensor
from torchmetrics import MeanAbsoluteError, Metric, MetricCollection
from torchmetrics.classification import BinaryAccuracy

from modules.metrics.common import directions


class Several(Metric):
    full_state_update = False
    higher_is_better = True

    def update(self, preds: Tensor, target: Tensor) -> None:
        pass

    def compute(self) -> dict[str, Tensor]:
        return {"a": torch.zeros(()), "b": torch.ones(())}


class Told(Several):
    higher_is_better = {"a": False, "b": None}  # type: ignore[assignment]  # noqa: RUF012


SINGLE = {"val/mae": False, "val/accuracy": True}


@pytest.mark.parametrize(
    ("several", "before", "after"),
    [
        (Several, {"val/several": True}, {"val/a": True, "val/b": True}),
        (Told, {"val/a": False, "val/b": None}, {"val/a": False, "val/b": None}),
    ],
)
def test_each_score_says_its_direction(several: type[Metric], before: dict[str, bool], after: dict[str, bool]) -> None:
    metrics: dict[str, Metric] = {"mae": MeanAbsoluteError(), "accuracy": BinaryAccuracy(), "several": several()}
    collection = MetricCollection(metrics, prefix="val/")  # type: ignore[arg-type]
    assert directions(collection) == {**SINGLE, **before}
    collection.update(torch.rand(4), torch.ones(4))
    scores = collection.compute()
    assert directions(collection, computed=True) == {**SINGLE, **after}
    assert directions(collection, computed=True).keys() == scores.keys()
