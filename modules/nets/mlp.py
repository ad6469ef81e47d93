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


def make_norm(norm: Norm | None, width: int) -> nn.Module:
    """Batch normalization (Ioffe & Szegedy 2015), layer normalization (Ba et al. 2016), or nothing."""
    return {"batch": BatchNorm, "layer": nn.LayerNorm}[norm](width) if norm else nn.Identity()


class MLP(nn.Sequential):
    """Linear layers, each but the last one followed by a norm, an activation and dropout.

    Args:
        num_inputs: Number of inputs.
        num_outputs: Number of outputs.
        hidden: Widths of the hidden layers; none makes a linear model.
        norm: ``batch`` or ``layer`` normalization.
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
                layers.append(make_norm(norm, width))
            layers.append(activation())
            if dropout:
                layers.append(nn.Dropout(dropout))
            num_inputs = width
        super().__init__(*layers, nn.Linear(num_inputs, num_outputs))


class ResidualMLP(nn.Module):
    """Blocks around shortcuts: the ResNet for tables of Gorishniy et al. 2021, "Revisiting Deep Learning Models for
    Tabular Data", section 3.3.

    Args:
        num_inputs: Number of inputs.
        num_outputs: Number of outputs.
        width: Features between the blocks.
        num_blocks: Number of blocks.
        expansion: Width inside a block, as a multiple of ``width``.
        norm: ``batch`` or ``layer`` normalization.
        dropout: Probability of dropping a feature inside a block.
        residual_dropout: Probability of dropping what a block adds to a feature.
    """

    def __init__(
        self,
        num_inputs: int,
        num_outputs: int,
        width: int = 128,
        num_blocks: int = 2,
        expansion: float = 2.0,
        norm: Norm | None = "batch",
        dropout: float = 0.1,
        residual_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        inner = int(width * expansion)
        at_least_one(width=width, num_blocks=num_blocks, expansion_times_width=inner)
        self.first = nn.Linear(num_inputs, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                make_norm(norm, width),
                nn.Linear(width, inner),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(inner, width),
                nn.Dropout(residual_dropout),
            )
            for _ in range(num_blocks)
        )
        self.head = nn.Sequential(make_norm(norm, width), nn.ReLU(), nn.Linear(width, num_outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, inputs)`` to ``(batch, outputs)``."""
        features = self.first(inputs)  # (batch, width)
        for block in self.blocks:
            features = features + block(features)
        outputs: Tensor = self.head(features)
        return outputs
