"""Every optimizer and scheduler that the command line offers, on a line and on iris."""

import inspect

import lightning.pytorch as pl
import pytest
import torch
from jsonargparse import ArgumentParser
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import nn

from datamodules.tables.public import Iris, Line
from experiments import cli  # noqa: F401 - sets jsonargparse up
from modules.regression import Regressor
from modules.task import Task

OPTIMIZERS = {  # options with which 180 steps find the line
    "Adadelta": {"lr": 30.0},
    "Adafactor": {"lr": 1.0},
    "Adagrad": {"lr": 1.0},
    "Adam": {"lr": 0.3},
    "AdamW": {"lr": 0.3, "weight_decay": 0.0},
    "Adamax": {"lr": 0.5},
    "ASGD": {"lr": 0.3},
    "LBFGS": {"lr": 1.0},
    "NAdam": {"lr": 0.3},
    "RAdam": {"lr": 0.5},
    "RMSprop": {"lr": 0.3},
    "Rprop": {"lr": 0.3},
    "SGD": {"lr": 0.3},
}
SPECIAL = {"Muon", "SparseAdam"}  # they train only matrices, and only sparse gradients

SCHEDULERS = {
    "StepLR": {"step_size": 3},
    "MultiStepLR": {"milestones": [2, 5]},
    "ConstantLR": {"factor": 0.5, "total_iters": 4},
    "LinearLR": {"start_factor": 0.2, "total_iters": 4},
    "ExponentialLR": {"gamma": 0.9},
    "PolynomialLR": {"total_iters": 9, "power": 2.0},
    "CosineAnnealingLR": {"T_max": 8},
    "CosineAnnealingWarmRestarts": {"T_0": 3},
    "CyclicLR": {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3},
    "OneCycleLR": {"max_lr": 0.5, "total_steps": 30},
    "LambdaLR": {"lr_lambda": "math.exp"},
    "MultiplicativeLR": {"lr_lambda": "math.cos"},
}
NOT_OFFERED = {"SequentialLR", "ChainedScheduler"}  # they are made from other schedulers, not from options


def parse(**options) -> Task:
    """A task as the command line makes it."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Task, "model")
    return parser.instantiate(parser.parse_object({"model": options})).model


def regressor(**options) -> Task:
    return parse(class_path="modules.regression.Regressor", init_args={"net": "torch.nn.Linear", **options})


def train(task, data, epochs, **options):
    pl.seed_everything(0, verbose=False)
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        **{"limit_val_batches": 0, **options},
    )
    trainer.fit(task, data)
    return trainer


def test_no_optimizer_or_scheduler_is_forgotten():
    known = {name for name, kind in vars(torch.optim).items() if inspect.isclass(kind) and name != "Optimizer"}
    assert known == set(OPTIMIZERS) | SPECIAL
    schedulers = {
        name
        for name, kind in vars(torch.optim.lr_scheduler).items()
        if inspect.isclass(kind)
        and issubclass(kind, torch.optim.lr_scheduler.LRScheduler)
        and "LRScheduler" not in name
    }
    assert schedulers == set(SCHEDULERS) | NOT_OFFERED | {"ReduceLROnPlateau"}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_finds_the_line(name):
    optimizer = {"class_path": f"torch.optim.{name}", "init_args": OPTIMIZERS[name]}
    task = regressor(optimizer=optimizer, scheduler="modules.optimisation.Cosine", interval="step")
    trainer = train(task, Line(), epochs=18)
    assert type(trainer.optimizers[0]).__name__ == name
    assert task.net.weight.item() == pytest.approx(2, abs=2e-3)
    assert task.net.bias.item() == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_learns_iris(name):
    net = {"class_path": "modules.nets.mlp.MLP", "init_args": {"hidden": [8], "norm": "batch"}}
    options = {"lr": {"Adadelta": 1.0, "LBFGS": 0.1, "RAdam": 0.1}.get(name, 0.02)}
    optimizer = {"class_path": f"torch.optim.{name}", "init_args": options}
    task = parse(class_path="modules.classification.Classifier", init_args={"net": net, "optimizer": optimizer})
    trainer = train(task, Iris(), epochs=6, limit_val_batches=1.0, check_val_every_n_epoch=6)
    assert trainer.callback_metrics["val/accuracy"] > 0.6  # a third by chance


def test_muon_trains_matrices_only():
    optimizer = {"class_path": "torch.optim.Muon", "init_args": {"lr": 0.3, "weight_decay": 0.0}}
    net = {"class_path": "torch.nn.Linear", "init_args": {"bias": False}}
    task = regressor(net=net, optimizer=optimizer, scheduler="modules.optimisation.Cosine", interval="step")
    train(task, Line(intercept=0.0), epochs=18)
    assert task.net.weight.item() == pytest.approx(2, abs=2e-3)
    with pytest.raises(MisconfigurationException, match="2D parameters"):
        train(regressor(optimizer=optimizer), Line(), epochs=1)


def test_sparse_adam_trains_sparse_gradients():
    class Lookup(nn.Module):
        def __init__(self, num_inputs: int, num_outputs: int) -> None:
            super().__init__()
            self.table = nn.Embedding(2, num_outputs, sparse=True)

        def forward(self, inputs):
            return self.table((inputs[:, 0] > 0).long())

    task = Regressor(Lookup, optimizer=lambda parameters: torch.optim.SparseAdam(list(parameters), lr=0.3))
    train(task, Line(slope=0.0, intercept=1.5, noise=0.001), epochs=18)
    assert task.net.table.weight.flatten().tolist() == pytest.approx([1.5, 1.5], abs=0.02)


@pytest.mark.parametrize("interval", ["step", "epoch"])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_rate_follows_the_scheduler(name, interval):
    scheduler = {"class_path": f"torch.optim.lr_scheduler.{name}", "init_args": SCHEDULERS[name]}
    task = regressor(optimizer="torch.optim.SGD", scheduler=scheduler, interval=interval)
    trainer = train(task, Line(batch_size=80), epochs=4)  # 4 steps an epoch
    reference = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1e-3)
    options = {key: eval(value, {"math": __import__("math")}) if key == "lr_lambda" else value
               for key, value in SCHEDULERS[name].items()}  # fmt: skip
    schedule = getattr(torch.optim.lr_scheduler, name)(reference, **options)
    for _ in range(16 if interval == "step" else 4):
        reference.step()
        schedule.step()
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(reference.param_groups[0]["lr"])


@pytest.mark.parametrize("name", ["Cosine", "Linear", "InverseSquareRoot", "OneCycle"])
@pytest.mark.parametrize(("interval", "total"), [("step", 16), ("epoch", 4)])
def test_planned_over_the_whole_training(name, interval, total):
    task = regressor(optimizer="torch.optim.SGD", scheduler=f"modules.optimisation.{name}", interval=interval)
    trainer = train(task, Line(batch_size=80), epochs=4)
    schedule = trainer.lr_scheduler_configs[0].scheduler
    assert (schedule.total, schedule.last_epoch) == (total, total)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(
        1e-3 * schedule.factor(total, schedule.warmup * total)
    )


def test_plateau_halves_the_rate_when_the_score_stands_still():
    options = {"monitor": "val/loss", "factor": 0.5, "patience": 0}
    scheduler = {"class_path": "lightning.pytorch.cli.ReduceLROnPlateau", "init_args": options}
    optimizer = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.0001}}
    scheduler["init_args"]["threshold"] = 0.5  # the loss never halves within an epoch
    task = regressor(optimizer=optimizer, scheduler=scheduler)
    trainer = train(task, Line(), epochs=4, limit_val_batches=1.0)
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.0001 / 8)


def test_norms_biases_and_embeddings_are_not_decayed():
    net = {"class_path": "modules.nets.mlp.MLP", "init_args": {"hidden": [8], "norm": "layer"}}
    optimizer = {"class_path": "torch.optim.AdamW", "init_args": {"weight_decay": 0.5}}
    task = regressor(net=net, optimizer=optimizer, decay_all=False)
    trainer = train(task, Line(), epochs=1, limit_train_batches=1)
    decayed, free = trainer.optimizers[0].param_groups
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.5, 0.0)
    names = {id(parameter): name for name, parameter in task.named_parameters()}
    assert {names[id(p)] for p in decayed["params"]} == {"net.0.weight", "net.3.weight"}
    assert {names[id(p)] for p in free["params"]} == {"net.0.bias", "net.1.weight", "net.1.bias", "net.3.bias"}


def test_lbfgs_says_that_it_takes_no_groups():
    with pytest.raises(MisconfigurationException, match="per-parameter options"):
        train(regressor(optimizer="torch.optim.LBFGS", decay_all=False), Line(), epochs=1)


def test_accumulation_of_four_batches_is_a_batch_four_times_as_large():
    def weights(batch_size, accumulate):
        task = regressor(optimizer="torch.optim.SGD")
        train(task, Line(batch_size=batch_size), epochs=1, accumulate_grad_batches=accumulate)
        return torch.cat([p.detach().flatten() for p in task.parameters()])

    assert torch.allclose(weights(20, 4), weights(80, 1), atol=1e-6)


def test_clipping_bounds_the_step():
    optimizer = {"class_path": "torch.optim.SGD", "init_args": {"lr": 1.0}}
    task = regressor(optimizer=optimizer)
    before = {}
    task.on_train_start = lambda: before.update({n: p.detach().clone() for n, p in task.named_parameters()})
    train(task, Line(intercept=100.0), epochs=1, limit_train_batches=1, gradient_clip_val=0.25)
    moved = torch.stack([(p.detach() - before[n]).square().sum() for n, p in task.named_parameters()]).sum().sqrt()
    assert moved.item() == pytest.approx(0.25, rel=1e-4)
