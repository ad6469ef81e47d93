"""Forecasts by segments of the series."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.nets.forecasting.base import Normalise, Sizes, normalise, restore


class SegmentGRU(nn.Module):
    """SegRNN (Lin et al. 2023): a GRU over segments of the context, series by series; each segment of the horizon is
    one step from the last state, all of them in parallel.

    Args:
        sizes: What the data says.
        segment: Steps in a segment; a season is a good choice. The oldest steps that fill no segment are not looked at.
        hidden: Size of the state.
        dropout: Dropout before the last map.
        normalise: What is taken out of each context and put back.
        highway: Whether the level of the forecast comes from a linear map of the context as it is, to which the GRU
            adds (LSTNet, Lai et al. 2018), in place of the level that was taken out.
    """

    def __init__(
        self,
        sizes: Sizes,
        segment: int = 24,
        hidden: int = 128,
        dropout: float = 0.5,
        normalise: Normalise = "last",
        highway: bool = False,
    ) -> None:
        super().__init__()
        if not 1 <= segment <= sizes.context:
            raise ValueError(f"a context of {sizes.context} steps holds no segment of {segment} (net.segment)")
        self.sizes, self.segment, self.normalise = sizes, segment, normalise
        self.count = -(-sizes.horizon // segment)  # segments in the horizon
        self.embed = nn.Linear(segment, hidden)
        others = segment * (sizes.past + sizes.known)
        self.embed_past = nn.Linear(others, hidden, bias=False) if others else None
        self.gru = nn.GRU(hidden, hidden, batch_first=True)
        self.position = nn.Parameter(torch.randn(self.count, hidden // 2))
        self.channel = nn.Parameter(torch.randn(sizes.targets, hidden - hidden // 2))
        self.embed_known = nn.Linear(segment * sizes.known, hidden, bias=False) if sizes.known else None
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, segment * sizes.outputs)
        self.highway = nn.Linear(sizes.context, sizes.horizon * sizes.outputs) if highway else None
        if self.highway is not None:  # starting from the mean of the context, as ``LinearForecaster`` does
            nn.init.constant_(self.highway.weight, 1 / sizes.context)

    def forward(self, history: Tensor, known: Tensor) -> Tensor:
        """Forecast ``(batch, horizon, targets, outputs)``."""
        targets, past, num_known, context, horizon, outputs, _ = self.sizes
        batch, segment, count = history.shape[0], self.segment, self.count
        series, level, spread = normalise(history[..., :targets], self.normalise)
        first = context % segment
        segments = series[:, first:].transpose(1, 2).reshape(batch * targets, -1, segment)
        inputs = self.embed(segments)  # (batch x targets, segments, hidden)
        if self.embed_past is not None:
            others = torch.cat([history[..., targets:], known[:, :context]], 2)[:, first:]
            shared = self.embed_past(others.reshape(batch, -1, segment * (past + num_known)))
            inputs = inputs + shared.repeat_interleave(targets, 0)
        _, state = self.gru(inputs.relu())  # (1, batch x targets, hidden)
        queries = torch.cat(
            [self.position.expand(targets, -1, -1), self.channel.unsqueeze(1).expand(-1, count, -1)], 2
        ).repeat(batch, 1, 1)  # (batch x targets, count, hidden)
        if self.embed_known is not None:
            ahead = F.pad(known[:, context:], (0, 0, 0, count * segment - horizon))
            shared = self.embed_known(ahead.reshape(batch, count, -1))
            queries = queries + shared.repeat_interleave(targets, 0)
        state = state.repeat_interleave(count, 1)  # (1, batch x targets x count, hidden)
        steps, _ = self.gru(queries.reshape(-1, 1, queries.shape[-1]), state)
        forecast = self.head(self.dropout(steps)).view(batch, targets, count * segment, outputs)[:, :, :horizon]
        if self.highway is None:
            return restore(forecast.transpose(1, 2), level, spread)
        linear: Tensor = self.highway(history[..., :targets].transpose(1, 2)).view(batch, targets, horizon, outputs)
        return restore(forecast.transpose(1, 2), 0.0, spread) + linear.transpose(1, 2)
