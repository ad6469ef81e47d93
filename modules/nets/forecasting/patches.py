"""Forecasts by overlapping patches of the series."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.nets.forecasting.base import KnownEffect, Normalise, Sizes, normalise, restore


class PatchTransformer(nn.Module):
    """PatchTST (Nie et al. 2023): a Transformer encoder over overlapping patches of the context, series by series, and
    one linear map from all of its outputs to the horizon. Layers normalize first.

    Args:
        sizes: What the data says.
        patch: Steps in a patch.
        stride: Steps from one patch to the next; the last value is repeated so that the last patch is full.
        hidden: Features of a patch.
        heads: Number of attention heads.
        layers: Number of layers.
        feedforward: Features inside the feed-forward part of a layer.
        dropout: Dropout in the layers and before the last map.
        normalise: What is taken out of each context and put back.
    """

    def __init__(
        self,
        sizes: Sizes,
        patch: int = 16,
        stride: int = 8,
        hidden: int = 16,
        heads: int = 4,
        layers: int = 3,
        feedforward: int = 128,
        dropout: float = 0.3,
        normalise: Normalise = "standard",
    ) -> None:
        super().__init__()
        if not 1 <= patch <= sizes.context:
            raise ValueError(f"a context of {sizes.context} steps holds no patch of {patch} (net.patch)")
        if hidden % heads:
            raise ValueError(f"{hidden} features cannot be shared out over {heads} heads (net.hidden, net.heads)")
        self.sizes, self.patch, self.stride, self.normalise = sizes, patch, stride, normalise
        self.padding = stride + (-(sizes.context - patch)) % stride
        count = (sizes.context + self.padding - patch) // stride + 1
        self.embed = nn.Linear(patch, hidden)
        others = patch * (sizes.past + sizes.known)
        self.embed_others = nn.Linear(others, hidden, bias=False) if others else None
        self.position = nn.Parameter(0.02 * torch.randn(count, hidden))
        layer = nn.TransformerEncoderLayer(
            hidden, heads, feedforward, dropout, "gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, layers, nn.LayerNorm(hidden), enable_nested_tensor=False)
        self.head = nn.Sequential(
            nn.Flatten(1), nn.Dropout(dropout), nn.Linear(count * hidden, sizes.horizon * sizes.outputs)
        )
        self.known = KnownEffect(sizes) if sizes.known else None

    def _patches(self, series: Tensor) -> Tensor:
        series = F.pad(series.transpose(1, 2), (0, self.padding), mode="replicate")
        return series.unfold(2, self.patch, self.stride)  # (batch, series, patches, patch)

    def forward(self, history: Tensor, known: Tensor) -> Tensor:
        """Forecast ``(batch, horizon, targets, outputs)``."""
        targets, context = self.sizes.targets, self.sizes.context
        series, level, spread = normalise(history[..., :targets], self.normalise)
        inputs = self.embed(self._patches(series)) + self.position  # (batch, targets, patches, hidden)
        if self.embed_others is not None:
            others = self._patches(torch.cat([history[..., targets:], known[:, :context]], 2))
            inputs = inputs + self.embed_others(others.transpose(1, 2).flatten(2)).unsqueeze(1)
        forecast = self.head(self.encoder(inputs.flatten(0, 1)))
        forecast = forecast.view(history.shape[0], targets, self.sizes.horizon, -1).transpose(1, 2)
        if self.known is not None:
            forecast = forecast + self.known(known[:, context:]).unsqueeze(-1)
        return restore(forecast, level, spread)
