"""Images per second of fine-tuning SqueezeNet 1.1 on ants and bees: leyden against a plain PyTorch-tutorial script.

Both train all layers at 224 pixels with batches of 16, from two workers, in turn. The plain script decodes with PIL,
augments with torchvision and trains in float32, as the tutorial does.

    LEYDEN_DATA=... python -m benchmarks.transfer
"""

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Literal

import torch
import torchvision
from lightning.pytorch import Callback, Trainer, seed_everything
from torch import nn
from torchvision import datasets, transforms
from torchvision.transforms import v2

from benchmarks.probes import train
from datamodules.images import Hymenoptera
from experiments.callbacks.finetuning import FineTuning
from modules.classification import Classifier
from modules.nets.images import TorchvisionModel

BATCH, WORKERS = 16, 2


class Clock(Callback):
    """The time of each epoch, from the first batch on."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_epoch_start(self, trainer: Trainer, pl_module: object) -> None:
        self.start = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: object) -> None:
        self.seconds.append(time.perf_counter() - self.start)


def leyden(root: Path, epochs: int, policy: Literal["all", "head_only"]) -> list[float]:
    """Seconds of each epoch."""
    seed_everything(0, verbose=False)
    transforms = [v2.RandomResizedCrop([224, 224], scale=(0.35, 1.0)), v2.RandomHorizontalFlip()]
    data = Hymenoptera(
        root=str(root),
        batch_size=BATCH,
        num_workers=WORKERS,
        train_transforms=transforms,
        weights="SqueezeNet1_1_Weights.DEFAULT",
        cache_size=256,
    )
    task = Classifier(lambda channels, classes: TorchvisionModel(channels, classes, "squeezenet1_1"))
    clock = Clock()
    train(task, data, [FineTuning(policy), clock], max_epochs=epochs, precision="bf16-mixed")
    assert len(data.datasets["train"]) == 195
    return clock.seconds


def plain(root: Path, epochs: int) -> list[float]:
    """Seconds of each epoch; as many images as leyden trains on."""
    torch.manual_seed(0)
    normalize = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    augment = transforms.Compose(
        [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), transforms.ToTensor(), normalize]
    )
    images = datasets.ImageFolder(str(root / "hymenoptera_data" / "train"), augment)
    part = torch.utils.data.Subset(images, torch.randperm(len(images))[:195].tolist())
    loader = torch.utils.data.DataLoader(part, batch_size=BATCH, shuffle=True, num_workers=WORKERS)
    model = torchvision.models.squeezenet1_1()
    model.classifier[1] = nn.Conv2d(512, 2, kernel_size=1)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    seconds = []
    for _ in range(epochs):
        start = time.perf_counter()
        model.train()
        running_loss, running_corrects = 0.0, 0
        for inputs, labels in loader:
            optimizer.zero_grad()
            outputs = model(inputs)
            _, preds = torch.max(outputs, 1)
            loss = criterion(outputs, labels)
            loss.backward()
            optimizer.step()
            running_loss += loss.item() * inputs.size(0)
            running_corrects += int((preds == labels).sum())
        seconds.append(time.perf_counter() - start)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=Path, default=None, help="folder of datasets; $LEYDEN_DATA if not given")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--epochs", type=int, default=3, help="of a round; the first, with the workers' start, is left out"
    )
    options = parser.parse_args()
    root = options.root or Hymenoptera().root
    rates: dict[str, list[float]] = {"plain": [], "leyden": [], "leyden, head_only": []}
    for _ in range(options.rounds):
        for name, run in (
            ("plain", lambda: plain(root, options.epochs)),
            ("leyden", lambda: leyden(root, options.epochs, "all")),
            ("leyden, head_only", lambda: leyden(root, options.epochs, "head_only")),
        ):
            rates[name] += [195 / seconds for seconds in run()[1:]]
    middle = {name: round(statistics.median(values), 1) for name, values in rates.items()}
    ratio = {name: round(value / middle["plain"], 2) for name, value in middle.items()}
    print(json.dumps({"images_per_second": middle, "ratio": ratio, "all": rates}))


if __name__ == "__main__":
    main()
