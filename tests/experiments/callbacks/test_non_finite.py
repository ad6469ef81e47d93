from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from modules.classification import Classifier
from modules.task import Step


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("nth", [5, 7])  # in the middle and at the end of the second epoch
def test_stops_naming_step_examples_and_checkpoint(
    nth: int,
    value: float,
    leyden: Callable[..., int],
    digits: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    step = Classifier.step

    def spoiled(self: Classifier, batch: Any) -> Step:
        output = step(self, batch)
        return output._replace(loss=output.loss * value) if self.training and self.global_step == nth else output

    monkeypatch.setattr(Classifier, "step", spoiled)
    assert leyden("fit", "--config", digits, "--checkpoint.every_n_train_steps=1") == 1
    said = capsys.readouterr().err
    assert f"the loss is {value} at step {nth + 1} (epoch 1, batch {nth - 4}, training examples " in said
    assert "runs/digits/0" in said
    content = torch.load("runs/digits/0/checkpoints/last.ckpt", weights_only=True)
    assert all(torch.isfinite(tensor).all() for tensor in content["state_dict"].values())
