import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning.pytorch import Callback, Trainer, seed_everything
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from datamodules.data import Data
from datamodules.tables.examples import TensorExamples
from datamodules.types import ClassFacts
from experiments.callbacks.checkpointing import RunCheckpoint
from experiments.callbacks.finetuning import FineTuning, find_stages
from experiments.callbacks.signals import Interrupted
from modules.classification import Classifier
from modules.nets.images import TorchvisionModel
from modules.nets.loading import PretrainedNet

ROOT = Path(__file__).parents[3]


class Points(Data[Tensor, ClassFacts]):
    makes = ClassFacts

    def read(self, split: str) -> Tensor:
        return torch.randn(24, 3, generator=torch.Generator().manual_seed(len(split)))

    def learn(self, train: Tensor) -> ClassFacts:
        return ClassFacts(classes=["a", "b"], class_counts=[20, 20], num_inputs=3)

    def examples(self, raw: Tensor, train: bool) -> TensorExamples:
        return TensorExamples(raw, (raw.sum(1) > 0).long())


class Net(nn.Module):
    """Three stages and the head."""

    def __init__(self, num_inputs: int, num_classes: int) -> None:
        super().__init__()
        sizes = [num_inputs, 6, 6, 6]
        self.body = nn.Sequential(
            *(nn.Sequential(nn.Linear(a, b), nn.BatchNorm1d(b), nn.Tanh()) for a, b in itertools.pairwise(sizes))
        )
        self.head = nn.Linear(6, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.head(self.body(inputs))


class Untrained(Net, PretrainedNet):
    """May have pretrained weights, and was asked for none."""

    is_pretrained = False

    def load_pretrained(self) -> None:
        """Nothing."""


class Watch(Callback):
    """Notes, for each epoch, which stages changed and whose statistics did."""

    def __init__(self) -> None:
        self.trained: list[list[bool]] = []
        self.adapted: list[list[bool]] = []

    def parts(self, task) -> list[nn.Module]:
        return [*task.net.body, task.net.head]

    def on_train_epoch_start(self, trainer, task) -> None:
        self.before = [part.state_dict() | {} for part in self.parts(task)]
        self.before = [{k: v.clone() for k, v in state.items()} for state in self.before]

    def on_train_epoch_end(self, trainer, task) -> None:
        after = [part.state_dict() for part in self.parts(task)]
        changed = [{k: not torch.equal(b[k], a[k]) for k in a} for a, b in zip(after, self.before, strict=False)]
        self.trained.append([all(c[k] for k in c if k.endswith("weight")) for c in changed])
        assert [any(c[k] for k in c if k.endswith(("weight", "bias"))) for c in changed] == self.trained[-1]
        self.adapted.append([c["1.running_mean"] for c in changed[:-1]])


def fit(folder, *callbacks, epochs=4, lr=0.1, ckpt_path=None, optimizer=torch.optim.SGD, batch_size=8, net=Net):
    seed_everything(0)
    task = Classifier(net, optimizer=lambda parameters: optimizer(parameters, lr=lr))
    trainer = Trainer(
        max_epochs=epochs, callbacks=list(callbacks), logger=False, accelerator="cpu",
        enable_checkpointing=any(isinstance(c, RunCheckpoint) for c in callbacks),
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder, num_sanity_val_steps=2,
    )  # fmt: skip
    trainer.fit(task, Points(batch_size=batch_size), ckpt_path=ckpt_path, weights_only=True)
    return task, trainer


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"policy": "head_only"}, ["0001", "0001", "0001", "0001", "0001"]),
        ({"policy": "all"}, ["1111"] * 5),
        ({"policy": "unfreeze_at", "epoch": 2}, ["0001", "0001", "1111", "1111", "1111"]),
        ({"policy": "gradual", "epoch": 1}, ["0001", "0011", "0111", "1111", "1111"]),
        ({"policy": "gradual", "epoch": 0, "interval": 2}, ["0011", "0011", "0111", "0111", "1111"]),
        ({"policy": "gradual", "epoch": 1, "stages": ["body.0", "body.2"]}, ["0001", "0011", "1111", "1111", "1111"]),
    ],
)
def test_each_policy_trains_what_it_says_in_each_epoch(tmp_path, options, expected) -> None:
    watch = Watch()
    # The observer comes first, so that it sees the network before an epoch's unfreezing.
    fit(tmp_path, watch, FineTuning(**options), epochs=5)
    assert ["".join(str(int(stage)) for stage in epoch) for epoch in watch.trained] == expected


def test_it_stays_out_where_there_is_nothing_to_fine_tune(tmp_path) -> None:
    watch, options = Watch(), {"policy": "unfreeze_at", "epoch": 2, "factor": 0.1, "batch_norm": "frozen"}
    with pytest.warns(UserWarning, match="FineTuning stays out: the network has no pretrained weights"):
        task, _ = fit(tmp_path, watch, FineTuning(**options), net=Untrained)
    assert watch.trained == [[True] * 4] * 4
    assert watch.adapted == [[True] * 3] * 4
    for name, value in fit(tmp_path, net=Untrained)[0].state_dict().items():
        assert torch.equal(task.state_dict()[name], value)


@pytest.mark.parametrize(
    ("batch_norm", "expected"),
    [("with_stage", [[0, 0, 0], [1, 1, 1]]), ("frozen", [[0] * 3] * 2), ("adapting", [[1] * 3] * 2)],
)  # fmt: skip
def test_batch_norm_statistics(tmp_path, batch_norm, expected) -> None:
    watch = Watch()
    fit(tmp_path, watch, FineTuning("unfreeze_at", 1, batch_norm=batch_norm), epochs=2)
    assert watch.adapted == [[bool(x) for x in epoch] for epoch in expected]


@pytest.mark.parametrize("factor", [0.5, [0.125, 0.25, 0.5]])
def test_discriminative_rates(tmp_path, factor) -> None:
    task, trainer = fit(tmp_path, FineTuning("unfreeze_at", 1, factor=factor), epochs=2)
    rates = {id(p): group["lr"] for group in trainer.optimizers[0].param_groups for p in group["params"]}
    for stage, rate in zip([*task.net.body, task.net.head], [0.0125, 0.025, 0.05, 0.1], strict=True):
        assert {rates[id(p)] for p in stage.parameters()} == {rate}


def test_the_rate_is_what_the_optimizer_steps_by(tmp_path) -> None:
    steps = {}
    for factor in (1.0, 0.5):
        before = None

        class First(Callback):
            def on_train_start(self, trainer, task) -> None:
                nonlocal before
                before = [p.detach().clone() for p in task.net.parameters()]

        task, _ = fit(tmp_path, First(), FineTuning("all", factor=factor), epochs=1, batch_size=24)  # one step
        steps[factor] = [p - b for p, b in zip(task.net.parameters(), before, strict=False)]
    for i, ratio in ((0, 0.125), (4, 0.25), (8, 0.5), (12, 1.0)):
        torch.testing.assert_close(steps[0.5][i], ratio * steps[1.0][i], atol=1e-7, rtol=1e-3)


class StopAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer, *args) -> None:
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize("step", [2, 3, 4, 6, 8])  # three steps an epoch: within epochs and between them
def test_resumed_run_is_equal_to_the_last_bit(tmp_path, step: int) -> None:
    def tuning() -> FineTuning:
        return FineTuning("gradual", 1, factor=0.5)

    whole, _ = fit(tmp_path / "a", RunCheckpoint(), tuning(), optimizer=torch.optim.AdamW)
    with pytest.raises(Interrupted):
        fit(tmp_path / "b", RunCheckpoint(), tuning(), StopAt(step), optimizer=torch.optim.AdamW)
    last = tmp_path / "b" / "checkpoints" / "last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == step
    resumed, _ = fit(tmp_path / "b", RunCheckpoint(), tuning(), optimizer=torch.optim.AdamW, ckpt_path=last)
    for (name, ours), theirs in zip(resumed.state_dict().items(), whole.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), name


def test_stages_of_known_networks() -> None:
    with torch.device("meta"):
        squeezenet, resnet = TorchvisionModel(3, 2, "squeezenet1_1"), TorchvisionModel(3, 2, "resnet18")
        transformer = TorchvisionModel(3, 2, "vit_b_32")
    assert [len(find_stages(net)) for net in (squeezenet, resnet, transformer)] == [10, 6, 15]
    stages = find_stages(resnet)
    assert stages[0] == [resnet.model.conv1, resnet.model.bn1]
    assert stages[-1] == [resnet.model.fc]
    for net in (squeezenet, resnet, transformer):  # each parameter in exactly one stage
        held = [id(p) for stage in find_stages(net) for module in stage for p in module.parameters(recurse=False)]
        assert sorted(held) == sorted(id(p) for p in net.parameters())
    named = find_stages(resnet, ["model.layer3", "model.layer4"])
    assert [resnet.model.layer2[0].conv1 in stage for stage in named] == [True, False, False, False]
    assert [resnet.model.layer3[0].conv1 in stage for stage in named] == [False, True, False, False]


def test_wrong_stages_and_factors_are_named(tmp_path) -> None:
    with pytest.raises(MisconfigurationException, match=r"no module body\.7.*body\.\d"):
        fit(tmp_path, FineTuning(stages=["body.7"]))
    with pytest.raises(MisconfigurationException, match="2 values for 3 stages"):
        fit(tmp_path, FineTuning(factor=[0.1, 0.2]))
    with pytest.raises(MisconfigurationException, match="interval"):
        FineTuning(interval=0)


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path) -> None:
    """Gradients of stages that are unfrozen later are averaged too, without looking for unused parameters."""
    config = str(ROOT / "configs/transfer_learning/hymenoptera_squeezenet.yaml")
    states = []
    for devices in (1, 2):
        command = [
            sys.executable, "-m", "experiments", "fit", "--config", config, "--name", str(devices),
            "--trainer.default_root_dir", str(tmp_path), "--trainer.devices", str(devices),
            "--trainer.accelerator", "cpu", "--trainer.precision", "32", "--trainer.max_epochs", "3",
            "--trainer.enable_progress_bar", "false",
            "--data.batch_size", str(4 // devices), "--data.num_workers", "0", "--model.net.dropout", "0",
            "--data.eval_transforms", "[{class_path: torchvision.transforms.v2.Resize, init_args: {size: [48, 48]}}]",
            "--data.train_transforms", "[{class_path: torchvision.transforms.v2.Resize, init_args: {size: [48, 48]}}]",
            "--trainer.callbacks", "[{class_path: experiments.callbacks.finetuning.FineTuning, "
            "init_args: {policy: gradual, epoch: 1, factor: 0.5}}]",
            # The weights of the sample are random: clipped, or they run away.
            "--model.optimizer", "torch.optim.SGD", "--model.optimizer.lr", "1e-3", "--trainer.gradient_clip_val", "1",
            "--trainer.limit_train_batches", "2",  # whole ones: of the last, two processes may leave one image out
            *(["--trainer.strategy", "ddp"] if devices == 2 else []),
        ]  # fmt: skip
        environment = os.environ | {"LEYDEN_DATA": str(ROOT / "tests/samples"), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
        last = tmp_path / str(devices) / "0" / "checkpoints" / "last.ckpt"
        states.append(torch.load(last, weights_only=True)["state_dict"])
    start = TorchvisionModel(3, 2, "squeezenet1_1", str(ROOT / "tests/samples/pretrained/squeezenet1_1_features.pth"))
    start.load_pretrained()
    begun = {f"net.{name}": value for name, value in start.state_dict().items()}
    for name, value in states[0].items():
        torch.testing.assert_close(states[1][name], value, atol=1e-5, rtol=1e-4)
    for fire, trained in (("11", True), ("12", True), ("10", False)):
        name = f"net.model.features.{fire}.squeeze.weight"
        assert torch.equal(states[1][name], begun[name]) != trained
