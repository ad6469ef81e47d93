"""A text that says what a run is."""

import shlex
from collections.abc import Sequence

import torch
from lightning.pytorch import Trainer
from torch import nn

from datamodules.data import data_of
from datamodules.types import ClassFacts
from experiments import __version__
from experiments.commands.configs import CONFIGS


def card(trainer: Trainer, task: nn.Module, words: Sequence[str], config: str) -> str:
    """Markdown: the command, the sizes of data and network, where it runs, and the whole configuration.

    Args:
        trainer: About to train.
        task: What it trains.
        words: The command line.
        config: The configuration, as YAML.
    """
    data = data_of(trainer)
    sizes = [f"{len(data.datasets[split]):,} {split}" for split in ("train", "val", "test") if split in data.datasets]
    total = sum(parameter.numel() for parameter in task.parameters())
    trained = sum(parameter.numel() for parameter in task.parameters() if parameter.requires_grad)
    rows = {"task": type(task).__name__, "data": f"{type(data).__name__}: {', '.join(sizes)}"}
    if isinstance(data.facts, ClassFacts):
        classes = data.facts.classes
        rows["classes"] = f"{len(classes)}: {', '.join(classes[:20])}{', ...' if len(classes) > 20 else ''}"
    parts = [type(part).__name__ for name, part in task.named_children() if name == "net"]
    share = "all" if trained == total else f"{trained:,}"
    rows["network"] = ", ".join([*parts, f"{total:,} parameters, {share} of them trained"])
    devices = f"{trainer.num_devices * trainer.num_nodes} x {trainer.strategy.root_device.type}"
    rows["computed on"] = f"{devices}, precision {trainer.precision}"
    rows["versions"] = f"leyden {__version__}, torch {torch.__version__}"
    head, *lines = (f"| {name} | {value.replace('|', '&#124;')} |" for name, value in rows.items())
    table = "\n".join([head, "|---|---|", *lines])  # a table has a head
    typed = shlex.join(words).replace(f"{CONFIGS.parent}/", "")
    return f"`leyden {typed}`\n\n{table}\n\n```yaml\n{config}```\n"
