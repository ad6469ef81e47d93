"""The seasonal naive forecast."""

from torch import Tensor, nn

from modules.nets.forecasting.base import Sizes


class SeasonalNaive(nn.Module):
    """Seasonal naive forecast: repeats the last season. Has nothing to train; every other must beat it.

    Args:
        sizes: What the data says; its ``season`` is at most its ``context``.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.sizes = sizes

    def forward(self, history: Tensor, known: Tensor) -> Tensor:
        """Forecast ``(batch, horizon, targets, outputs)``."""
        last = history[:, -self.sizes.season :, : self.sizes.targets]
        times = -(-self.sizes.horizon // self.sizes.season)
        forecast = last.repeat(1, times, 1)[:, : self.sizes.horizon]
        return forecast.unsqueeze(-1).expand(-1, -1, -1, self.sizes.outputs)
