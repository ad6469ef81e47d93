"""Multilayer perceptrons, ``(batch, inputs)`` to ``(batch, outputs)``."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from modules.nets.checks import at_least_one

Norm = Literal["batch", "layer"]


class BatchNorm(nn.BatchNorm1d):
    """Batch normalization that passes a training batch of one row, which has no variance, by the running statistics."""

    def forward(self, features: Tensor) -> Tensor:
        """``(batch, features)`` to the same."""
        if self.training and len(features) == 1:
            return F.batch_norm(features, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(features)


class MLP(nn.Sequential):
    """Linear layers, each but the last one followed by a norm, an activation and dropout.

    Args:
        num_inputs: Number of inputs.
        num_outputs: Number of outputs.
        hidden: Widths of the hidden layers; none makes a linear model.
        norm: ``batch`` (Ioffe & Szegedy 2015) or ``layer`` (Ba et al. 2016) normalization.
        dropout: Probability of dropping a hidden unit.
        activation: Makes the activation.
    """

    def __init__(
        self,
        num_inputs: int,
        num_outputs: int,
        hidden: Sequence[int] = (64, 64),
        norm: Norm | None = None,
        dropout: float = 0.0,
        activation: Callable[[], nn.Module] = nn.ReLU,
    ) -> None:
        layers: list[nn.Module] = []
        for width in hidden:
            at_least_one(hidden=width)
            layers.append(nn.Linear(num_inputs, width))
            if norm:
                layers.append({"batch": BatchNorm, "layer": nn.LayerNorm}[norm](width))
            layers.append(activation())
            if dropout:
                layers.append(nn.Dropout(dropout))
            num_inputs = width
        super().__init__(*layers, nn.Linear(num_inputs, num_outputs))
