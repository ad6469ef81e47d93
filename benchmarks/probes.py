"""What the benchmarks share: clocks, plain training, comparing in turns, and data that cost nothing to load."""

import statistics
import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from datamodules.data import Data
from datamodules.tables.examples import TensorExamples
from datamodules.types import ClassFacts
from experiments.lightning_patches import forget_missing_gpus, make_lean
from modules.task import Task


class Instant(NamedTuple):
    """A moment, on the clock and in processor time (of all threads), in seconds."""

    clock: float
    processor: float

    @classmethod
    def now(cls) -> "Instant":
        return cls(time.perf_counter(), time.process_time())

    def since(self, start: "Instant", steps: int) -> tuple[float, float]:
        """Milliseconds a step, by the clock and by the processor."""
        return 1000 * (self.clock - start.clock) / steps, 1000 * (self.processor - start.processor) / steps


class Clock(Callback):
    """Measures training: from before the first batch until the last checkpoint is written."""

    result: tuple[float, float]

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.started = Instant.now()

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        Clock.result = Instant.now().since(self.started, trainer.global_step)


class Stopwatch(Callback):
    """Seconds of training, by the clock and of the processor."""

    def on_train_start(self, *args: Any) -> None:
        self.started = Instant.now()

    def on_train_end(self, *args: Any) -> None:
        now = Instant.now()
        self.seconds, self.processor = now.clock - self.started.clock, now.processor - self.started.processor


class Steps(Callback):
    """Seconds of each step, from the end of the one before."""

    last: list[float]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        Steps.last = []
        self.before = _synchronized()

    def on_train_batch_end(self, *args: object) -> None:
        now = _synchronized()
        Steps.last.append(now - self.before)
        self.before = now


def _synchronized() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def fit(trainer: Trainer, task: Task[Any], data: Data) -> None:
    """Train as ``leyden fit`` does."""
    forget_missing_gpus()
    make_lean(trainer, task, data)
    trainer.fit(task, datamodule=data)


def train(
    task: Task[Any],
    data: Data,
    callbacks: list[Callback],
    max_steps: int = -1,
    max_epochs: int = -1,
    precision: Literal["32-true", "bf16-mixed"] = "32-true",
) -> Trainer:
    """Train on the CPU as ``leyden fit`` does, but without validation, logging and checkpoints."""
    trainer = Trainer(
        accelerator="cpu",
        precision=precision,
        max_steps=max_steps,
        max_epochs=max_epochs,
        callbacks=callbacks,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    fit(trainer, task, data)
    return trainer


def compare(name: str, ways: dict[str, Callable[[], float]], repeats: int, unit: str) -> None:
    """Run the ways in turn, several times, and print the medians of their rates; the first way is Leyden's."""
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(repeats):
        for way, run in ways.items():
            rates[way].append(run())
    first, *_ = rates
    for way, found in rates.items():
        ratio = statistics.median(rates[first]) / statistics.median(found)
        print(
            f"{name}: {way}: {statistics.median(found):,.0f} {unit} ({min(found):,.0f} to {max(found):,.0f})"
            + (f"; {first} is {ratio:.2f} times as fast" if way != first else ""),
            flush=True,
        )


def points(split: str, size: int) -> tuple[Tensor, Tensor]:
    """Random inputs ``(size, 10)`` and a target ``(size)`` that depends on them."""
    generator = torch.Generator().manual_seed(len(split))
    inputs = torch.randn(size, 10, generator=generator)
    return inputs, (inputs.sum(1) > 0).long()


class Points(Data[tuple[Tensor, Tensor], ClassFacts]):
    """Points in ten dimensions, of two classes.

    Args:
        size: Number of training points; a tenth as many are for validation.
        batch_size: Points in a batch, per process.
        **kwargs: Workers and the like: see ``datamodules.data.Data``.
    """

    makes = ClassFacts

    def __init__(self, size: int, batch_size: int = 10, **kwargs: Any) -> None:
        super().__init__(batch_size=batch_size, **kwargs)
        self.size = size

    def read(self, split: str) -> tuple[Tensor, Tensor]:
        """Draw the points."""
        return points(split, self.size if split == "train" else self.size // 10)

    def learn(self, train: tuple[Tensor, Tensor]) -> ClassFacts:
        """Two classes, ten inputs."""
        counts = train[1].bincount(minlength=2).tolist()
        return ClassFacts(classes=["left", "right"], class_counts=counts, num_inputs=10)

    def examples(self, raw: tuple[Tensor, Tensor], train: bool) -> TensorExamples:
        """The points in memory."""
        return TensorExamples(*raw)


class TinyMLP(nn.Module):
    """One hidden layer of five units.

    Args:
        num_inputs: Number of inputs.
        num_classes: Number of classes.
    """

    def __init__(self, num_inputs: int, num_classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(num_inputs, 5), nn.ReLU(), nn.Linear(5, num_classes))

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, inputs)`` to logits ``(batch, classes)``."""
        logits: Tensor = self.layers(inputs)
        return logits
