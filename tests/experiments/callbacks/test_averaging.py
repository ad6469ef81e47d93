from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.demos.boring_classes import BoringDataModule, BoringModel
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.optim.swa_utils import AveragedModel

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


def test_averages_lie_where_the_module_will_be() -> None:
    """The hook runs before the module is moved to its device."""
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    trainer.strategy._root_device = torch.device("meta")
    callback, module = EMA(), BoringModel()
    callback.setup(trainer, module, "fit")
    assert module.layer.weight.device.type == "cpu"
    assert callback._average_model is not None
    assert {tensor.device.type for tensor in callback._average_model.state_dict().values()} == {"meta"}


def test_whole_numbers_are_taken_over() -> None:
    module = torch.nn.BatchNorm1d(2)
    average = AveragedModel(module, use_buffers=True, **EMA(decay=0.5)._kwargs)
    for count in (3, 5):
        module.num_batches_tracked.fill_(count)
        module.running_mean.fill_(count)
        average.update_parameters(module)
    assert average.module.num_batches_tracked.tolist() == 5
    # The first update copies; in the second the average weighs (1 + 1) / (10 + 1).
    torch.testing.assert_close(average.module.running_mean, torch.full((2,), 2 / 11 * 3 + 9 / 11 * 5))
