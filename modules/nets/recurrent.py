"""LSTM and GRU encoders over padded sequences."""

from typing import Literal

import torch
from torch import Tensor, nn

from modules.nets.checks import at_least_one
from modules.nets.dropout import Dropout


class RecurrentEncoder(nn.Module):
    """LSTM (Hochreiter & Schmidhuber 1997) or GRU (Cho et al. 2014) layers over padded sequences, one or both ways.

    The backward direction reads each sequence reversed, so in both directions padding comes last and has no influence
    on the states before it. Packed sequences would do the same, but take twice as long on a CPU.

    Args:
        num_inputs: Features of an input.
        hidden: Features of a state, in each direction.
        num_layers: Layers.
        cell: ``lstm`` or ``gru``.
        bidirectional: Whether a second network reads from the end (Graves & Schmidhuber 2005).
        dropout: Probability of dropping a value between layers; the last states are left as they are.
    """

    def __init__(
        self,
        num_inputs: int,
        hidden: int = 200,
        num_layers: int = 1,
        cell: Literal["lstm", "gru"] = "lstm",
        bidirectional: bool = True,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        at_least_one(hidden=hidden, num_layers=num_layers)
        make: type[nn.LSTM] | type[nn.GRU] = nn.LSTM if cell == "lstm" else nn.GRU
        self.hidden, self.num_features = hidden, hidden * (1 + bidirectional)
        sizes = [num_inputs] + [self.num_features] * (num_layers - 1)
        self.forwards, self.backwards = nn.ModuleList(), nn.ModuleList()
        for size in sizes:
            self.forwards.append(make(size, hidden, batch_first=True))
            if bidirectional:
                self.backwards.append(make(size, hidden, batch_first=True))
        self.dropout = Dropout(dropout)

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """States ``(batch, length, num_features)``.

        Args:
            inputs: ``(batch, length, num_inputs)``.
            lengths: Inputs that are no padding ``(batch)``.
        """
        steps = torch.arange(inputs.shape[1], device=inputs.device)
        mirror = lengths[:, None] - 1 - steps  # (batch, length)
        mirror = torch.where(mirror < 0, mirror + inputs.shape[1], mirror)  # padding stays in the padding
        rows = torch.arange(inputs.shape[0], device=inputs.device)[:, None]
        for number, ahead in enumerate(self.forwards):
            inputs = self.dropout(inputs) if number else inputs
            states = [ahead(inputs)[0]]
            if self.backwards:
                states.append(self.backwards[number](inputs[rows, mirror])[0][rows, mirror])
            inputs = torch.cat(states, 2)
        return inputs

    def last(self, states: Tensor, lengths: Tensor) -> Tensor:
        """The state of each direction that has read everything ``(batch, num_features)``."""
        rows = torch.arange(states.shape[0], device=states.device)
        ahead = states[rows, lengths.clamp(min=1) - 1, : self.hidden]
        return torch.cat([ahead, states[:, 0, self.hidden :]], 1)
