"""Linear forecasts."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.nets.forecasting.base import KnownEffect, Normalise, Sizes, normalise, restore


class LinearForecaster(nn.Module):
    """DLinear and NLinear (Zeng et al. 2023): one linear map from the context to the horizon, shared by all series.

    Known covariates enter as in a regression: their effect is taken off the context and added to the forecast.

    Args:
        sizes: What the data says.
        kernel: Odd width of the moving average that parts trend from remainder, each mapped on its own (DLinear);
            0 maps the series as it is.
        normalise: What is taken out of each context and put back; ``last`` with kernel 0 is NLinear.
        individual: Whether each series has a map of its own.
    """

    def __init__(self, sizes: Sizes, kernel: int = 25, normalise: Normalise = "none", individual: bool = False) -> None:
        super().__init__()
        if kernel < 0 or (kernel and kernel % 2 == 0):
            raise ValueError(
                f"a moving average of {kernel} steps has no middle: it must be odd, or 0 for none (net.kernel)"
            )
        self.sizes, self.kernel, self.normalise = sizes, kernel, normalise
        maps = (2 if kernel else 1) * (sizes.targets if individual else 1)
        # Starting from the mean of the context: a smooth map that training sharpens.
        self.weight = nn.Parameter(torch.full((maps, sizes.context, sizes.horizon * sizes.outputs), 1 / sizes.context))
        self.bias = nn.Parameter(torch.zeros(maps, 1, sizes.horizon * sizes.outputs))
        self.known = KnownEffect(sizes) if sizes.known else None
        self.past = nn.Linear(sizes.context * sizes.past, sizes.horizon * sizes.targets) if sizes.past else None

    def forward(self, history: Tensor, known: Tensor) -> Tensor:
        """Forecast ``(batch, horizon, targets, outputs)``."""
        batch, context, horizon, targets = history.shape[0], *self.sizes[3:5], self.sizes.targets
        series = history[..., :targets]
        if self.known is not None:
            effect = self.known(known)
            series = series - effect[:, :context]
        series, level, spread = normalise(series, self.normalise)
        parts = [series.transpose(1, 2)]  # (batch, targets, context)
        if self.kernel:
            ends = F.pad(parts[0], (self.kernel // 2, self.kernel // 2), mode="replicate")
            trend = F.avg_pool1d(ends, self.kernel, stride=1)
            parts = [trend, parts[0] - trend]
        if len(self.weight) == len(parts):  # shared: (batch x targets, context) @ (context, horizon x outputs)
            mapped = [p.reshape(-1, context) @ w + b for p, w, b in zip(parts, self.weight, self.bias, strict=True)]
        else:  # individual: (targets, batch, context) @ (targets, context, horizon x outputs)
            weights, biases = self.weight.split(targets), self.bias.split(targets)
            mapped = [
                torch.baddbmm(b, p.transpose(0, 1), w).transpose(0, 1)
                for p, w, b in zip(parts, weights, biases, strict=True)
            ]
        forecast = torch.stack(mapped).sum(0).reshape(batch, targets, horizon, -1).transpose(1, 2)
        forecast = restore(forecast, level, spread)
        if self.known is not None:
            forecast = forecast + effect[:, context:].unsqueeze(-1)
        if self.past is not None:
            forecast = forecast + self.past(history[..., targets:].flatten(1)).view(batch, horizon, targets, 1)
        return forecast
