"""Networks compiled by ``torch.compile``."""

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import nn

from modules.translation import Translator


class Compile(Callback):
    """Compiles the network of a task when it is first used: ``--compile true``.

    The weights keep their names, so that checkpoints are the same with it and without. The first batch, and the first
    ones of other sizes, take seconds to minutes.

    Args:
        dynamic: Whether one program is made for all sizes; if None, for the first size by itself, and for all others
            when there are others.
    """

    def __init__(self, dynamic: bool | None = None) -> None:
        self.dynamic = dynamic
        self.done = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compile, unless that is done."""
        if not self.done:
            # With the random numbers of PyTorch itself, so that dropout is the same with it and without.
            network_of(pl_module).compile(dynamic=self.dynamic, options={"fallback_random": True})
        self.done = True

    on_validation_start = on_test_start = on_predict_start = on_fit_start


def network_of(task: LightningModule) -> nn.Module:
    """The network of a task that is called as a whole.

    Raises:
        MisconfigurationException: If there is none, so that nothing would be compiled.
    """
    net = dict(task.named_children()).get("net")
    name = type(task).__name__
    if net is None or type(net).forward is nn.Module.forward:
        raise MisconfigurationException(f"--compile true: {name} has no network of layers that could be compiled")
    if isinstance(task, Translator):
        raise MisconfigurationException(
            f"--compile true: {name} encodes and decodes in parts, of lengths that change with every batch, which "
            "torch.compile would compile again and again"
        )
    if not torch._dynamo.is_dynamo_supported():
        raise MisconfigurationException("--compile true: torch.compile does not support this machine")
    return net
