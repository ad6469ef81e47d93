"""A learning rate that falls on a plateau, when validation comes at other times than after every epoch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modules.classification import Classifier

PLATEAU = [
    "--model.scheduler=lightning.pytorch.cli.ReduceLROnPlateau",
    "--model.scheduler.monitor=val/loss",
    "--model.scheduler.patience=0",
    "--model.scheduler.factor=0.5",
    "--model.scheduler.threshold=10",  # no validation is any better
]


@pytest.mark.parametrize(
    ("options", "halvings"),  # before each of the 4 steps of each of 4 epochs
    [
        ([], [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4),
        (["--trainer.check_val_every_n_epoch=2"], [0] * 8 + [1] * 8),
        (["--trainer.check_val_every_n_epoch=2", "--model.interval=step"], [0] * 8 + [1] * 8),
        (["--trainer.val_check_interval=2"], [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4),
        (["--trainer.val_check_interval=2", "--model.interval=step"], [n // 2 for n in range(16)]),
        (["--trainer.val_check_interval=6", "--trainer.check_val_every_n_epoch=null"], [0] * 8 + [1] * 4 + [2] * 4),
    ],
)
def test_rate_falls_after_validations_only(
    options: list[str],
    halvings: list[int],
    leyden: Callable[..., int],
    digits: Path,
    monkeypatch: pytest.MonkeyPatch,
    recwarn: pytest.WarningsRecorder,
) -> None:
    seen: list[float] = []
    step = Classifier.training_step

    def recorded(self: Classifier, batch: Any, batch_idx: int) -> Any:
        seen.append(self.trainer.optimizers[0].param_groups[0]["lr"])
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Classifier, "training_step", recorded)
    assert leyden("fit", "--config", digits, "--trainer.max_epochs=4", *PLATEAU, *options) == 0
    assert seen == pytest.approx([0.01 * 0.5**n for n in halvings])
    assert not [warning for warning in recwarn if "ReduceLROnPlateau" in str(warning.message)]
