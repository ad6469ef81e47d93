"""Tasks and data of the user's own: what is wrong with them is said in one sentence before the first epoch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchmetrics import MetricCollection

from datamodules.data import Data
from datamodules.sampling import BatchIndices
from datamodules.types import Batch, NumberFacts, Row
from modules.task import Step, Task

FACTS = {"num_inputs": 2, "targets": ["y"], "target_mean": [0.0], "target_scale": [1.0]}


class Rows:
    def __len__(self) -> int:
        return 12

    def __getitems__(self, indices: BatchIndices) -> Batch:
        inputs = torch.tensor([[float(i), 1.0] for i in indices])
        return Batch(inputs, inputs.sum(1, keepdim=True))


class RowByRow:
    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return torch.ones(2), torch.ones(1)


class OwnData(Data[None, NumberFacts]):
    makes = NumberFacts

    def read(self, split: str) -> None:
        return None

    def read_predict(self, path: Path) -> None:
        return None

    def learn(self, train: None) -> NumberFacts:
        return NumberFacts(**FACTS)  # type: ignore[arg-type]

    def examples(self, raw: None, train: bool) -> Any:
        return Rows()


class OwnTask(Task[NumberFacts]):
    needs = NumberFacts

    def build(self) -> None:
        self.net = nn.Linear(self.facts.num_inputs, 1)

    def metrics(self) -> MetricCollection:
        return MetricCollection({})

    def step(self, batch: Batch) -> Any:
        return Step(nn.functional.mse_loss(self.net(batch.inputs), batch.target), len(batch.inputs))

    def predict_step(self, batch: Batch, batch_idx: int) -> Any:
        assert batch.target is None or not self.trainer.sanity_checking
        return [Row(y=y) for y in self.net(batch.inputs).flatten().tolist()]


class FactsThatAreTensorsOfNumpy(OwnData):
    def learn(self, train: None) -> NumberFacts:
        return NumberFacts(**{**FACTS, "target_mean": [torch.ones(1).numpy()[0]]})  # type: ignore[arg-type]


class NoFacts(OwnData):
    def learn(self, train: None) -> Any:
        return None


class ExamplesOneByOne(OwnData):
    def examples(self, raw: None, train: bool) -> Any:
        return RowByRow()


class PlainLoss(OwnTask):
    def step(self, batch: Batch) -> Any:
        return super().step(batch).loss


class LossOfEach(OwnTask):
    def step(self, batch: Batch) -> Any:
        return Step((self.net(batch.inputs) - batch.target) ** 2, len(batch.inputs))


class PredictsTensor(OwnTask):
    def predict_step(self, batch: Batch, batch_idx: int) -> Any:
        return self.net(batch.inputs)


class PredictsNumbers(OwnTask):
    def predict_step(self, batch: Batch, batch_idx: int) -> Any:
        return self.net(batch.inputs).flatten().tolist()


class PredictsLater(OwnTask):
    def predict_step(self, batch: Batch, batch_idx: int) -> Any:
        raise NotImplementedError


HERE = __name__
FAULTS = {
    "FactsThatAreTensorsOfNumpy": "NumberFacts.target_mean holds a float32, which no checkpoint can hold",
    "NoFacts": "NoFacts.learn returned a NoneType; it makes NumberFacts",
    "ExamplesOneByOne": "ExamplesOneByOne.examples returned a RowByRow, which lacks __len__ or __getitems__",
    "PlainLoss": "PlainLoss.step has to return modules.task.Step(loss, size, preds, target) with a mean loss, a "
    "scalar; it returned a Tensor",
    "LossOfEach": "a scalar; it returned a Tensor of shape [12, 1]",
    "PredictsTensor": "PredictsTensor.predict_step has to return a list of rows, a dictionary of named columns for "
    "each example; it returned a Tensor of shape [12, 1]",
    "PredictsNumbers": "it returned a list of float",
}


def options(task: str = "OwnTask", data: str = "OwnData") -> list[str]:
    return [f"--model={HERE}.{task}", f"--data={HERE}.{data}", "--name=own", "--trainer.max_epochs=1"]


def no_step(self: torch.optim.AdamW, closure: Callable[[], Any]) -> None:
    closure()
    raise AssertionError("the weights have been changed")


@pytest.mark.parametrize("sanity", [2, 0])
@pytest.mark.parametrize(("fault", "sentence"), FAULTS.items())
def test_fault_is_said_in_one_sentence_before_training(
    fault: str,
    sentence: str,
    sanity: int,
    leyden: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "Predicts" in fault and not sanity:
        pytest.skip("is seen in the sanity check")
    kind = "data" if issubclass(globals()[fault], OwnData) else "task"
    monkeypatch.setattr(torch.optim.AdamW, "step", no_step)
    assert leyden("fit", *options(**{kind: fault}), f"--trainer.num_sanity_val_steps={sanity}") == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("leyden: ")]
    assert len(said) == 1
    assert sentence in said[0]
    assert not Path("runs").exists()


def test_wrong_rows_are_also_refused_when_predicting(
    leyden: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leyden("fit", *options("PredictsTensor"), "--trainer.num_sanity_val_steps=0") == 0
    trust = f"--trust={HERE}"
    assert leyden("predict", "--ckpt_path=runs/own/0", f"--data.predict_path={tmp_path}", trust) == 1
    assert "PredictsTensor.predict_step has to return a list of rows" in capsys.readouterr().err


@pytest.mark.parametrize("task", ["OwnTask", "PredictsLater"])
def test_what_is_right_is_trained(task: str, leyden: Callable[..., int]) -> None:
    assert leyden("fit", *options(task)) == 0
