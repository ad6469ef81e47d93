"""Networks that forecast series: seasonal naive, linear, recurrent, and any of them step by step.

All of them are made from ``Sizes`` and map what is known at the time of the forecast to the next steps:
``net(history (batch, context, targets + past), known (batch, context + horizon, known))`` gives
``(batch, horizon, targets, outputs)``.
"""

from collections.abc import Callable
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.nets.forecasting.base import Normalise, Sizes, normalise, restore


class KnownEffect(nn.Module):
    """A linear effect of the known covariates at a step on the targets at the same step.

    Args:
        sizes: What the data says.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.targets, self.outputs = sizes.targets, sizes.outputs
        self.effect = nn.Linear(sizes.known, sizes.targets, bias=False)
        nn.init.zeros_(self.effect.weight)  # until shown otherwise

    def forward(self, known: Tensor) -> Tensor:
        """Effect ``(batch, steps, targets)`` of ``known`` (batch, steps, known)."""
        effect: Tensor = self.effect(known)
        return effect


class SeasonalNaive(nn.Module):
    """Repeats the last season; what every forecast must beat. Has nothing to train.

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


class Linear(nn.Module):
    """One linear map from the context to the horizon, shared by all series (Zeng et al. 2023).

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
        self.sizes, self.kernel, self.normalise = sizes, kernel, normalise
        maps = (2 if kernel else 1) * (sizes.targets if individual else 1)
        # Starting from the mean of the context: a smooth map that training sharpens.
        self.weight = nn.Parameter(torch.full((maps, sizes.context, sizes.horizon * sizes.outputs), 1 / sizes.context))
        self.bias = nn.Parameter(torch.zeros(maps, 1, sizes.horizon * sizes.outputs))
        self.known = KnownEffect(sizes) if sizes.known else None
        self.past = nn.Linear(sizes.context * sizes.past, sizes.horizon * sizes.targets) if sizes.past else None

    def forward(self, history: Tensor, known: Tensor) -> Tensor:
        """Forecast ``(batch, horizon, targets, outputs)``."""
        batch, context, horizon, targets = len(history), *self.sizes[3:5], self.sizes.targets
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


class Recurrent(nn.Module):
    """A recurrent network reads the context; its last state gives all steps of the horizon at once.

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
        forecast = forecast.view(len(history), self.sizes.horizon, targets, self.sizes.outputs)
        if self.known is not None:
            forecast = forecast + self.known(known[:, context:]).unsqueeze(-1)
        return restore(forecast, level, spread)


class Recursive(nn.Module):
    """Forecasts a few steps, takes them for true, and goes on from there until the horizon.

    In training the network forecasts its few steps only; the loss compares just those.

    Args:
        sizes: What the data says; there can be no covariates that are not known for the future.
        net: Makes the network from ``Sizes`` whose horizon is ``step``.
        step: Steps it forecasts at a time.
    """

    def __init__(self, sizes: Sizes, net: Callable[[Sizes], nn.Module], step: int = 1) -> None:
        super().__init__()
        if sizes.past:
            raise ValueError("a recursive forecast needs the future of all covariates: move data.past to data.known")
        self.sizes, self.step = sizes, step
        self.net = net(sizes._replace(horizon=step))

    def forward(self, history: Tensor, known: Tensor) -> Tensor:
        """Forecast ``(batch, horizon, targets, outputs)``; in training ``(batch, step, targets, outputs)``."""
        context, horizon, step = self.sizes.context, self.sizes.horizon, self.step
        if self.training:
            first: Tensor = self.net(history, known[:, : context + step])
            return first
        known = F.pad(known, (0, 0, 0, -horizon % step))
        parts: list[Tensor] = []
        for start in range(0, horizon, step):
            parts.append(self.net(history, known[:, start : start + context + step]))
            middle = parts[-1][..., parts[-1].shape[-1] // 2]  # of the quantiles
            history = torch.cat([history, middle], 1)[:, -context:]
        return torch.cat(parts, 1)[:, :horizon]
