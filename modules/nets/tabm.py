"""TabM: an ensemble for tables whose members share their weights, over piecewise-linear embeddings of numbers."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from datamodules.types import TableFacts
from modules.nets.checks import at_least_one, probability
from modules.nets.tabular import TableNet

MANY = 1024  # features of a row that each member looks at; what a wider table is made of is looked at for all of them
MOST_BINS = 64
SOFT = 3.0  # standard deviations at which a number begins to count less
TINY = 1e-12  # width of a bin that could not be divided by


class NumberEmbedding(nn.Module):
    """One vector for each number of a row, a piecewise-linear function of it (Gorishniy et al. 2022, section 3.2).

    A bin is 0 for numbers below it, 1 for those above it, and rises in a straight line within; each has a vector. What
    is learned of the bins is added to a linear function of the number, from which training starts. Far from the mean
    that one is nearly flat, so that no single number can rule a row (Holzmueller et al. 2024).

    Args:
        edges: Ascending edges of the bins of each number; equal ones count once.
        width: Length of the vectors.
    """

    low: Tensor
    slope: Tensor

    def __init__(self, edges: list[Tensor], width: int) -> None:
        super().__init__()
        edges = [one.unique() for one in edges]
        # Numbers of few values have fewer bins: the others stay 0.
        low, slope = torch.zeros(2, len(edges), max(1, *(one.numel() - 1 for one in edges)))
        for k, one in enumerate(edges):
            low[k, : one.numel() - 1] = one[:-1]
            slope[k, : one.numel() - 1] = 1 / one.diff().clamp(min=TINY)
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("slope", slope, persistent=False)
        self.bins = nn.Parameter(torch.zeros(*low.shape, width))
        # Each is one vector, which weight decay leaves alone where it does so with biases.
        self.weight, self.bias = (nn.Parameter(torch.empty(len(edges) * width).uniform_(-1, 1)) for _ in range(2))

    def forward(self, numbers: Tensor) -> Tensor:
        """``(batch, numbers)`` to ``(batch, numbers * width)``."""
        bins = ((numbers[:, :, None] - self.low) * self.slope).clamp(0, 1)  # (batch, numbers, bins)
        curves = torch.einsum("bnt,ntd->bnd", bins, self.bins).flatten(1)
        lines = (soften(numbers)[:, :, None] * self.weight.view(numbers.shape[1], -1)).flatten(1)
        return curves + lines + self.bias


def soften(numbers: Tensor) -> Tensor:
    """Numbers as they are near 0, and never beyond ``SOFT``, smoothly."""
    return numbers * (1 + (numbers / SOFT).square()).rsqrt()


class MemberLinear(nn.Module):
    """A linear layer for each member of an ensemble.

    Args:
        members: Number of members.
        num_inputs: Features of a member.
        num_outputs: Outputs of a member.
    """

    def __init__(self, members: int, num_inputs: int, num_outputs: int) -> None:
        super().__init__()
        bound = num_inputs**-0.5
        self.weight = nn.Parameter(torch.empty(members, num_inputs, num_outputs).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(members * num_outputs).uniform_(-bound, bound))

    def forward(self, features: Tensor) -> Tensor:
        """``(batch, members, features)`` to ``(batch, members, outputs)``."""
        outputs = torch.einsum("bmi,mio->bmo", features, self.weight)
        return outputs + self.bias.view(self.weight.shape[0], -1)


class TabM(TableNet):
    """An ensemble of multilayer perceptrons that share all weights but two: TabM-mini (Gorishniy et al. 2025).

    A member scales the features of a row by weights of its own, and has an output layer of its own. Numbers and days
    are embedded, in bins that hold equally many training rows. If that would make more than 1,024 features, numbers
    are taken as they are; and if a table is wider still, as one of thousands of columns, a linear layer that all
    members share brings it down to ``width`` features before they part.

    Args:
        num_inputs: Number of inputs.
        num_outputs: Number of outputs.
        width: Features of a hidden layer.
        num_blocks: Number of hidden layers.
        members: Number of members.
        num_bins: Bins of a number, at most 64; fewer for a number of few values.
        embedding: Length of the vector of a number.
        dropout: Probability of dropping a hidden feature.
    """

    numbers: Tensor
    others: Tensor

    def __init__(
        self,
        num_inputs: int,
        num_outputs: int,
        width: int = 192,
        num_blocks: int = 2,
        members: int = 16,
        num_bins: int = 64,
        embedding: int = 16,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        at_least_one(width=width, num_blocks=num_blocks, members=members, num_bins=num_bins, embedding=embedding)
        probability(dropout=dropout)
        if num_bins > MOST_BINS:
            raise ValueError(f"num_bins is {num_bins}; the data knows the edges of at most {MOST_BINS}")
        self.num_inputs, self.width, self.members = num_inputs, width, members
        self.num_bins, self.embedding = num_bins, embedding
        hidden = [nn.ReLU(), nn.Dropout(dropout)]
        for _ in range(num_blocks - 1):
            hidden += [nn.Linear(width, width), nn.ReLU(), nn.Dropout(dropout)]
        self.hidden = nn.Sequential(*hidden)
        self.head = MemberLinear(members, width, num_outputs)
        self._take({})

    def prepare(self, facts: TableFacts) -> None:
        """Embed the numbers of the table, in bins of its training rows."""
        place = facts.input_columns.index  # of a column's number: its indicator, and the waves of a date, come behind
        self._take({place(k): self._edges(c) for k, c in enumerate(facts.columns) if c["kind"] != "category"})

    def _edges(self, column: Mapping[str, Any]) -> Tensor:
        if "quantiles" not in column:  # facts of a version that did not learn them
            raise ValueError(f"the data does not know the quantiles of `{column.get('name')}`; train anew")
        known = torch.tensor(column["quantiles"], dtype=torch.float64)
        some = torch.linspace(0, known.numel() - 1, min(self.num_bins + 1, known.numel())).round().long()
        edges: Tensor = ((known[some] - column["mean"]) / column["scale"]).float()
        return edges

    def _take(self, edges: Mapping[int, Tensor]) -> None:
        """Make the layers up to the first that all members share; ``edges`` are those of the inputs to be embedded."""
        features = len(edges) * self.embedding + self.num_inputs - len(edges)
        if features > MANY:
            edges, features = {}, self.num_inputs
        others = [k for k in range(self.num_inputs) if k not in edges]
        self.register_buffer("numbers", torch.tensor(list(edges), dtype=torch.long), persistent=False)
        self.register_buffer("others", torch.tensor(others, dtype=torch.long), persistent=False)
        self.embed = NumberEmbedding(list(edges.values()), self.embedding) if edges else None
        self.shared = nn.Linear(features, self.width) if features > MANY else nn.Identity()
        features = self.width if features > MANY else features
        self.scale = nn.Parameter(torch.randn(self.members * features))  # one vector, as the biases are
        self.first = nn.Linear(features, self.width)

    def forward(self, inputs: Tensor) -> Tensor:
        """``(batch, inputs)`` to ``(batch, members, outputs)``."""
        features = soften(inputs.index_select(1, self.others))
        if self.embed is not None:
            features = torch.cat([self.embed(inputs.index_select(1, self.numbers)), features], dim=1)
        features = self.shared(features)
        parted = features[:, None] * self.scale.view(self.members, -1)  # (batch, members, features)
        outputs: Tensor = self.head(self.hidden(self.first(parted)))
        return outputs
