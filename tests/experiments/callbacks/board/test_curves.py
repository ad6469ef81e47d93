"""Curves and inputs of training on the board."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from datamodules.types import Batch
from experiments.callbacks.board.curves import Curves, gradient_norm, num_examples


def test_norm_is_that_of_all_gradients() -> None:
    module = nn.ModuleDict(
        {"dense": nn.Linear(3, 2), "sparse": nn.Embedding(5, 3, sparse=True), "idle": nn.Linear(1, 1)}
    )
    loss = module["dense"](module["sparse"](torch.tensor([1, 1, 4]))).square().sum()
    loss.backward()
    every = [parameter.grad.to_dense().flatten() for parameter in module.parameters() if parameter.grad is not None]
    assert float(gradient_norm(module)) == pytest.approx(float(torch.cat(every).norm()), rel=1e-6)  # type: ignore[arg-type]


def test_examples_are_counted() -> None:
    assert num_examples(Batch(torch.zeros(7, 3), torch.zeros(5))) == 5
    assert num_examples(Batch({"a": torch.zeros(4, 2)}, None)) == 4
    assert num_examples([1]) == 0


def test_curves_of_a_run(leyden: Callable[..., int], digits: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(10_000))
    monkeypatch.setattr("experiments.callbacks.board.curves.time.perf_counter", lambda: float(next(clock)))
    options = ["--trainer.log_every_n_steps=2", "--trainer.max_epochs=1", "--data.batch_size=200"]
    options += ["--model.scheduler=torch.optim.lr_scheduler.ExponentialLR", "--model.scheduler.gamma=0.5"]
    assert leyden("fit", "--config", digits, *options, "--model.interval=step") == 0
    events = EventAccumulator("runs/digits/0").Reload()
    points = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    assert points["train/lr"] == [(1, pytest.approx(0.005)), (3, pytest.approx(0.00125)), (5, pytest.approx(0.01 / 32))]
    clocked = [(e.step, e.tensor_proto.float_val[0]) for e in events.Tensors("train/throughput")]
    assert clocked == [(1, 200), (3, 200), (5, pytest.approx((200 + 79) / 2))]  # of 1,079 images
    assert [step for step, _ in points["train/grad_norm"]] == [step for step, _ in points["train/loss"]] == [1, 3, 5]
    text = events.Tensors("run/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "| classes | 10: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 |" in text
    assert "1,079 train, 359 val" in text
    assert "`leyden fit --trainer.enable_progress_bar=false" in text
    assert b"^(train|val)/loss$" in events.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0]


def test_groups_with_rates_of_their_own() -> None:
    logged: dict[str, float] = {}
    module = nn.Linear(1, 1)
    logger = SimpleNamespace(log_metrics=lambda points, step: logged.update(points))
    trainer = SimpleNamespace(global_step=0, log_every_n_steps=1, loggers=[logger])
    groups = [{"params": [module.weight], "lr": 0.1}, {"params": [module.bias], "lr": 0.001}]
    module(torch.ones(1, 1)).sum().backward()
    Curves().on_before_optimizer_step(trainer, module, torch.optim.SGD(groups))  # type: ignore[arg-type]
    assert (logged["train/lr"], logged["lr/largest"], logged["lr/smallest"]) == (0.1, 0.1, 0.001)
