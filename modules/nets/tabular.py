"""Networks for tables: a transformer over the columns."""

from abc import ABC, abstractmethod

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from datamodules.types import Facts, TableFacts
from modules.nets.checks import at_least_one


class TableNet(nn.Module, ABC):
    """Base of the networks that need to know more of a table than the numbers of inputs and outputs."""

    @abstractmethod
    def prepare(self, facts: TableFacts) -> None:
        """Take what is needed from the facts; called once, before the weights are used."""


def prepare(net: nn.Module, facts: Facts) -> None:
    """Give a network for tables the facts of its table; nothing is done to any other network.

    Raises:
        MisconfigurationException: If the data is no table.
    """
    if isinstance(net, TableNet):
        if not isinstance(facts, TableFacts):
            raise MisconfigurationException(
                f"{type(net).__name__} is a network for tables, and the data has {facts.what}"
            )
        net.prepare(facts)


class ColumnEmbedding(nn.Module):
    """One vector for each column of the table.

    The inputs of a column (a number and its missing indicator; the one-hot inputs of a category; the waves of a date)
    are multiplied by a vector each and added up, with a bias per column. For one-hot inputs that is an embedding.

    Args:
        num_inputs: Number of inputs.
        columns: For each input, the column it comes from; if None, each is a column of its own.
        width: Length of the vectors.
    """

    columns: Tensor

    def __init__(self, num_inputs: int, columns: list[int] | None, width: int) -> None:
        super().__init__()
        columns = list(range(num_inputs)) if columns is None else columns
        self.register_buffer("columns", torch.tensor(columns), persistent=False)
        self.num_columns = max(columns) + 1
        bound = width**-0.5
        self.weight = nn.Parameter(torch.empty(num_inputs, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(self.num_columns, width).uniform_(-bound, bound))

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, inputs)`` to ``(batch, columns, width)``."""
        parts = inputs.unsqueeze(2) * self.weight  # (batch, inputs, width)
        vectors = parts.new_zeros(inputs.shape[0], self.num_columns, parts.shape[2])
        return vectors.index_add(1, self.columns, parts) + self.bias


class FTTransformer(TableNet):
    """A transformer over embedded columns, read out at an extra first vector (Gorishniy et al. 2021, section 3.3).

    Args:
        num_inputs: Number of inputs.
        num_outputs: Number of outputs.
        width: Length of the vectors.
        num_blocks: Number of transformer blocks (normalized before attention and feed-forward).
        num_heads: Attention heads; they divide ``width``.
        expansion: Width of the feed-forward layer, as a multiple of ``width``.
        dropout: Probability of dropping a feature.
    """

    def __init__(
        self,
        num_inputs: int,
        num_outputs: int,
        width: int = 64,
        num_blocks: int = 2,
        num_heads: int = 4,
        expansion: float = 2.0,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        at_least_one(width=width, num_blocks=num_blocks, num_heads=num_heads, expansion_times_width=width * expansion)
        self.num_inputs, self.width = num_inputs, width
        self.embed = ColumnEmbedding(num_inputs, None, width)
        self.readout = nn.Parameter(torch.empty(1, 1, width).uniform_(-(width**-0.5), width**-0.5))
        layer = nn.TransformerEncoderLayer(
            width, num_heads, int(width * expansion), dropout, "gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(layer, num_blocks, nn.LayerNorm(width), enable_nested_tensor=False)
        self.head = nn.Linear(width, num_outputs)

    def prepare(self, facts: TableFacts) -> None:
        """Embed the columns of the table instead of its single inputs."""
        self.embed = ColumnEmbedding(self.num_inputs, facts.input_columns, self.width)

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, inputs)`` to ``(batch, outputs)``."""
        vectors = torch.cat([self.readout.expand(inputs.shape[0], -1, -1), self.embed(inputs)], dim=1)
        vectors = self.blocks(vectors)  # (batch, 1 + columns, width)
        outputs: Tensor = self.head(vectors[:, 0])
        return outputs
