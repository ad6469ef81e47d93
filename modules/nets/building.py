"""Making a network of what the data knows, and asking it."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from datamodules.types import InputFacts
from modules.nets.tabular import prepare


def build_net(make: Callable[[int, int], nn.Module], facts: InputFacts, num_outputs: int) -> nn.Module:
    """The network for some inputs.

    Args:
        make: Makes it from the number of inputs (channels of images, inputs of table rows, rows of a text's embedding)
            and the number of outputs.
        facts: What the data knows of its inputs.
        num_outputs: Number of classes, labels or numbers.
    """
    net = make(facts.num_inputs, num_outputs)
    if not any(map(is_lazy, net.parameters())):  # some have a size only when their checkpoint is loaded
        net = net.to(memory_format=torch.channels_last)
    prepare(net, facts)
    return net


def run_net(net: nn.Module, inputs: object) -> Tensor:
    """Outputs ``(batch, outputs)`` of a network; images lie channels last in memory: convolutions are faster so."""
    if isinstance(inputs, Tensor) and inputs.ndim == 4:
        inputs = inputs.contiguous(memory_format=torch.channels_last)
    outputs: Tensor = net(inputs)
    return outputs
