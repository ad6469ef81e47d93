"""The same training by a hand-written PyTorch loop and by ``leyden fit``, in turn.

    python -m benchmarks.loop [digits mnist hymenoptera mlp] [--repeats 5]

Both train the same network on the same data with the same batch size and optimizer, and validate after every epoch.
The hand-written loop has nothing else: no metrics but the accuracy, no logging, no progress bar, no checkpoints. Leyden
has all of them on. Reading the data is left out of the time in both. MNIST and hymenoptera_data lie under
``$LEYDEN_DATA`` (MNIST is downloaded if it does not).
"""

import argparse
import contextlib
import io
import os
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import torchvision
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torchvision import transforms

from benchmarks.probes import Clock, Instant, TinyMLP, points
from datamodules.images import Digits
from experiments.program import main as leyden
from modules.nets.images import SmallCNN, TorchvisionModel

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
Loaders = tuple[DataLoader[Any], DataLoader[Any]]


@dataclass
class Case:
    """One training, told twice.

    Attributes:
        options: What ``leyden fit`` is given.
        net: Makes the same network.
        data: Makes plain loaders of the same training and validation examples.
        epochs: Number of epochs.
        rate: Learning rate of AdamW.
        limit: Training and validation batches of an epoch, if not all.
    """

    options: list[str]
    net: Callable[[], nn.Module]
    data: Callable[[], Loaders]
    epochs: int
    rate: float
    limit: tuple[int | None, int | None] = (None, None)


def train_by_hand(case: Case) -> tuple[float, float]:
    """Milliseconds a step of the hand-written loop: on the clock, and of the processor."""
    torch.manual_seed(0)
    train, val = case.data()
    net = case.net()
    optimizer = torch.optim.AdamW(net.parameters(), lr=case.rate)
    steps, started = 0, Instant.now()
    for _ in range(case.epochs):
        net.train()
        for inputs, target in islice(train, case.limit[0]):
            optimizer.zero_grad()
            loss = F.cross_entropy(net(inputs), target)
            loss.backward()
            optimizer.step()
            steps += 1
        net.eval()
        right = total = 0
        with torch.no_grad():
            for inputs, target in islice(val, case.limit[1]):
                right += int((net(inputs).argmax(1) == target).sum())
                total += len(target)
    return Instant.now().since(started, steps)


def train_by_leyden(case: Case) -> tuple[float, float]:
    """Milliseconds a step of ``leyden fit``."""
    said = io.StringIO()
    with tempfile.TemporaryDirectory() as folder:
        words = ["fit", *case.options, "--model.optimizer.lr", str(case.rate), "--trainer.max_epochs", str(case.epochs)]
        for split, limit in zip(("train", "val"), case.limit, strict=True):
            words += [] if limit is None else [f"--trainer.limit_{split}_batches", str(limit)]
        words += ["--trainer.accelerator", "cpu", "--trainer.default_root_dir", folder]
        words += ["--trainer.callbacks+=benchmarks.probes.Clock"]
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = leyden(words)
        if code or not list(Path(folder).glob("*/0/checkpoints/last.ckpt")):
            raise SystemExit(f"leyden {' '.join(words)}\n{said.getvalue()}")
    return Clock.result


# ---- the cases


def plain(train: Dataset[Any], val: Dataset[Any], batch_size: int) -> Loaders:
    return DataLoader(train, batch_size, shuffle=True), DataLoader(val, batch_size)


def digits() -> Loaders:
    splits = {split: Digits().read(split) for split in ("train", "val")}
    pixels = splits["train"].images.float() / 255  # type: ignore[union-attr]

    def dataset(split: str) -> TensorDataset:
        images = splits[split].images.float() / 255  # type: ignore[union-attr]
        labels = torch.tensor([int(name) for name in splits[split].labels or ()])
        return TensorDataset((images - pixels.mean()) / pixels.std(), labels)

    return plain(dataset("train"), dataset("val"), 64)


def mnist() -> Loaders:
    steps = [transforms.ToTensor(), transforms.Normalize((0.1307,), (0.3081,))]
    everything = torchvision.datasets.MNIST(
        os.environ.get("LEYDEN_DATA", "data"), train=True, download=True, transform=transforms.Compose(steps)
    )
    train, val = torch.utils.data.random_split(everything, [55_000, 5_000])
    return plain(train, val, 128)


def hymenoptera() -> Loaders:
    folder = Path(os.environ.get("LEYDEN_DATA", "data")) / "hymenoptera_data"
    last = [transforms.ToTensor(), transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
    augment = transforms.Compose([transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), *last])
    centre = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), *last])
    train = torchvision.datasets.ImageFolder(str(folder / "train"), augment)
    return plain(train, torchvision.datasets.ImageFolder(str(folder / "val"), centre), 32)


def mlp() -> Loaders:
    return plain(TensorDataset(*points("train", 20_000)), TensorDataset(*points("val", 2_000)), 10)


def case(name: str) -> Case:
    images = str(CONFIGS / "image_classification")
    here = str(Path(__file__).parent)
    plain_net = ["--data.train_transforms", "[]", "--model.scheduler", "null"]
    if name == "digits":
        options = ["--config", f"{images}/digits.yaml", *plain_net]
        return Case(options, lambda: SmallCNN(1, 10), digits, epochs=10, rate=0.003)
    if name == "mnist":
        options = ["--config", f"{images}/mnist_cnn.yaml", *plain_net, "--trainer.precision", "32-true"]
        options += [
            "--model.label_smoothing",
            "0",
            "--model.decay_all",
            "true",
            "--model.optimizer.weight_decay",
            "0.01",
        ]
        net = lambda: SmallCNN(1, 10, width=32, num_stages=3, dropout=0.3)  # noqa: E731
        return Case(options, net, mnist, epochs=2, rate=0.003, limit=(50, 10))
    if name == "hymenoptera":
        options = ["--config", f"{here}/hymenoptera.yaml"]
        return Case(options, lambda: TorchvisionModel(3, 2, "squeezenet1_1"), hymenoptera, epochs=1, rate=0.0003)
    return Case(["--config", f"{here}/mlp.yaml"], lambda: TinyMLP(10, 2), mlp, epochs=1, rate=0.001)


NAMES = ("digits", "mnist", "hymenoptera", "mlp")


def main() -> None:
    """Print one line for each case."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loop", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=[], help=f"which of {', '.join(NAMES)}; all if none is given")
    parser.add_argument("--repeats", type=int, default=5, help="how often each is run, in turn")
    given = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {given.repeats} runs of each in turn")
    print("ms per step, median (least to greatest); ratio of the medians, below 1: Leyden is faster")
    for name in given.names or NAMES:
        runs: dict[str, list[tuple[float, float]]] = {"hand": [], "leyden": []}
        for _ in range(given.repeats):
            for key, train in (("hand", train_by_hand), ("leyden", train_by_leyden)):
                runs[key].append(train(case(name)))
        for column, what in enumerate(("clock", "processor")):
            times = {key: [run[column] for run in values] for key, values in runs.items()}
            hand, ours = (statistics.median(times[key]) for key in ("hand", "leyden"))
            spread = {key: f"({min(values):.3f}-{max(values):.3f})" for key, values in times.items()}
            print(
                f"{name:12} {what:10} hand {hand:8.3f} {spread['hand']:18} leyden {ours:8.3f} {spread['leyden']:18} "
                f"ratio {ours / hand:.3f}, {ours - hand:+.3f} ms a step",
                flush=True,
            )


if __name__ == "__main__":
    main()
