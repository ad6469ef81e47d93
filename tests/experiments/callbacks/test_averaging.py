from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.demos.boring_classes import BoringDataModule, BoringModel
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from experiments.callbacks.averaging import EMA


class Weights(Callback):
    """Keeps the weights after each step."""

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *args: Any) -> None:
        self.seen.append(pl_module.layer.weight.detach().clone())


def averaged(num_steps: int, **options: Any) -> tuple[list[torch.Tensor], torch.Tensor]:
    torch.manual_seed(0)
    weights, module = Weights(), BoringModel()
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    trainer = Trainer(
        accelerator="cpu", max_epochs=1, limit_train_batches=num_steps, limit_val_batches=0, logger=False,
        callbacks=[weights, EMA(**options)], **quiet,
    )  # fmt: skip
    trainer.fit(module, datamodule=BoringDataModule())
    return weights.seen, module.layer.weight


def test_average_warms_up_to_its_decay() -> None:
    seen, result = averaged(40, decay=0.5)
    expected = seen[0]
    for number, weight in enumerate(seen[1:], start=1):
        expected = torch.lerp(expected, weight, 1 - min(0.5, (1 + number) / (10 + number)))
    torch.testing.assert_close(result, expected)


def test_a_short_training_is_not_held_at_its_start() -> None:
    seen, result = averaged(40, decay=0.999)
    assert (result - seen[-1]).norm() < 0.75 * (seen[0] - seen[-1]).norm()


def test_only_steps_from_the_start_on_count() -> None:
    seen, result = averaged(12, decay=0.9, update_every_n_steps=5, update_starting_at_step=10)
    assert any(torch.equal(result, weight) for weight in seen[9:])


@pytest.mark.parametrize("options", [{"decay": 1.5}, {"decay": -0.1}, {"update_every_n_steps": 0}])
def test_options_out_of_range_are_named(options: dict[str, Any]) -> None:
    with pytest.raises(MisconfigurationException, match=next(iter(options))):
        EMA(**options)
