"""Recurrent forecasts."""

from typing import Literal

import torch
from torch import Tensor, nn

from modules.nets.forecasting.base import KnownEffect, Normalise, Sizes, normalise, restore


class RecurrentForecaster(nn.Module):
    """RNN, LSTM or GRU over the context, whose last state gives all steps of the horizon at once.

    Args:
        sizes: What the data says.
        cell: Kind of recurrent cell.
        hidden: Size of its state.
        layers: Number of layers.
        bidirectional: Whether another network reads the context backwards.
        dropout: Dropout between the layers and before the last map.
        normalise: What is taken out of each context and put back.
    """

    def __init__(
        self,
        sizes: Sizes,
        cell: Literal["rnn", "lstm", "gru"] = "lstm",
        hidden: int = 64,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        normalise: Normalise = "last",
    ) -> None:
        super().__init__()
        self.sizes, self.normalise = sizes, normalise
        kind = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[cell]
        self.encoder = kind(
            sizes.targets + sizes.past + sizes.known,
            hidden,
            layers,
            batch_first=True,
            dropout=dropout if layers > 1 else 0.0,
            bidirectional=bidirectional,
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden * (1 + bidirectional), sizes.horizon * sizes.targets * sizes.outputs)
        self.known = KnownEffect(sizes) if sizes.known else None

    def forward(self, history: Tensor, known: Tensor) -> Tensor:
        """Forecast ``(batch, horizon, targets, outputs)``."""
        targets, context = self.sizes.targets, self.sizes.context
        series, level, spread = normalise(history[..., :targets], self.normalise)
        _, state = self.encoder(torch.cat([series, history[..., targets:], known[:, :context]], 2))
        hidden = state[0] if isinstance(state, tuple) else state  # (layers x directions, batch, hidden)
        last = hidden[-2:] if self.encoder.bidirectional else hidden[-1:]
        forecast = self.head(self.dropout(last.transpose(0, 1).flatten(1)))
        forecast = forecast.view(history.shape[0], self.sizes.horizon, targets, self.sizes.outputs)
        if self.known is not None:
            forecast = forecast + self.known(known[:, context:]).unsqueeze(-1)
        return restore(forecast, level, spread)
