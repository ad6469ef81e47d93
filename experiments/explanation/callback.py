"""Explaining what is predicted: ``leyden predict --explain``."""

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.data import Data, data_of
from datamodules.types import Batch, Row
from experiments.callbacks.figures.base import show_figure
from experiments.explanation.base import Explanation
from experiments.explanation.choice import explainer_of, find_explainer
from modules.distributed import from_all
from modules.task import Task


class Explain(Callback):
    """Adds to each prediction what decided it, and draws that for the first inputs.

    Args:
        num_pictures: How many inputs to draw.
    """

    def __init__(self, num_pictures: int = 12) -> None:
        self.num_pictures = num_pictures

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """See to it, before anything is predicted, that it can be explained."""
        assert isinstance(pl_module, Task)
        data = data_of(trainer)
        self.explainer = explainer_of(pl_module, data)
        self.batches = data.batches("predict")
        self.kept: dict[str, dict[int, Explanation]] = {}  # by quantity and input

    def on_predict_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: list[Row], batch: Batch, batch_idx: int, *_: object
    ) -> None:
        """Explain, and put the columns into the rows that were predicted."""
        if batch_idx >= self.batches.counted:
            return
        indices = self.batches[batch_idx]
        with trainer.precision_plugin.forward_context(), torch.no_grad():
            found = pl_module(batch.inputs)
        for name, explained in self.explainer.complete(outputs, batch.inputs, found, indices).items():
            pairs = zip(indices, explained, strict=True)
            self.kept.setdefault(name, {}).update({k: one for k, one in pairs if k < self.num_pictures})

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the first inputs; all processes come here together."""
        everyones = from_all(self.kept, trainer.world_size)
        if not trainer.is_global_zero:
            return
        for name in dict.fromkeys(name for kept in everyones for name in kept):
            found = {index: one for kept in everyones for index, one in kept.get(name, {}).items()}
            if found:
                drawn = self.explainer.draw([found[index] for index in sorted(found)])
                show_figure(trainer, f"predict/because{name}", drawn)


def explaining(subcommand: str, is_compiled: bool, draws: bool, task: Task, data: Data) -> list[Callback]:
    """The callback of ``--explain``.

    Args:
        subcommand: What ``leyden`` does.
        is_compiled: Whether the network is to be compiled.
        draws: Whether to draw.
        task: The task, before it has a network.
        data: Its data.

    Raises:
        MisconfigurationException: If it does not predict, the network is to be compiled, or nothing is explained of
            such a task and data.
    """
    if subcommand != "predict":
        raise MisconfigurationException(f"--explain is of predictions, not of {subcommand}: leyden predict --explain")
    if is_compiled:
        raise MisconfigurationException(
            "--explain looks into the network, which --compile hides: leave one of them out"
        )
    find_explainer(task, data.makes)
    return [Explain() if draws else Explain(num_pictures=0)]
