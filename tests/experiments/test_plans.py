"""A schedule is planned for the steps that are done, also where a callback decides how many these are."""

import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

CONFIG = """
trainer:
  max_epochs: 4
  callbacks+:
    - class_path: lightning.pytorch.callbacks.{callback}
      init_args: {options}
model:
  init_args:
    scheduler: modules.optimisation.OneCycle
"""


@pytest.mark.parametrize(
    ("callback", "options", "num_steps"),
    [
        # 1,079 images for training, 300 in a batch: 4 batches an epoch.
        ("GradientAccumulationScheduler", "{scheduling: {0: 4}}", 4),
        ("GradientAccumulationScheduler", "{scheduling: {0: 1, 1: 2, 3: 4}}", 4 + 2 + 2 + 1),
        ("BatchSizeFinder", "{mode: power, init_val: 600, max_trials: 1, steps_per_trial: 1}", 4),
    ],
)
def test_the_plan_ends_with_the_training(
    callback: str, options: str, num_steps: int, tmp_path: Path, leyden: Callable[..., int], digits: Path
) -> None:
    more = tmp_path / "more.yaml"
    more.write_text(CONFIG.format(callback=callback, options=options))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert leyden("fit", "--config", digits, "--config", more, "--name=run") == 0
    content = torch.load("runs/run/0/checkpoints/last.ckpt", weights_only=True)
    (scheduler,) = content["lr_schedulers"]
    if callback == "BatchSizeFinder":  # 600, or 1,200 where the finder doubles it once
        assert content["global_step"] in (4, 8)
    else:
        assert content["global_step"] == num_steps
    assert scheduler["total"] == content["global_step"]
