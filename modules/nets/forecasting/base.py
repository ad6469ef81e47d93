"""What networks that forecast have in common: sizes, normalisation of each context, effect of known covariates.

All of them are made from ``Sizes`` and map what is known at the time of the forecast to the next steps:
``net(history (batch, context, targets + past), known (batch, context + horizon, known))`` gives
``(batch, horizon, targets, outputs)``.
"""

from typing import Literal, NamedTuple

from torch import Tensor, nn

Normalise = Literal["none", "last", "mean", "standard"]


class Sizes(NamedTuple):
    """What the data says about a forecast.

    Attributes:
        targets: Number of series forecast at once.
        past: Number of covariates known until now; in ``history`` they come after the targets.
        known: Number of covariates known for the future too, calendar features among them.
        context: Number of past steps that a forecast looks at.
        horizon: Number of steps forecast.
        outputs: Numbers forecast for each step: 1, or one for each quantile.
        season: Steps of a season, e.g. 24 in hourly data.
    """

    targets: int
    past: int
    known: int
    context: int
    horizon: int
    outputs: int
    season: int


def normalise(series: Tensor, how: Normalise) -> tuple[Tensor, Tensor | float, Tensor | float]:
    """Take level and spread out of each series' own context, so that they need not be like those in training.

    Args:
        series: ``(batch, context, targets)``.
        how: ``last`` subtracts the last value (NLinear, Zeng et al. 2023), ``mean`` the mean of the context, and
            ``standard`` divides by its standard deviation too (RevIN, Kim et al. 2022, without the affine map).

    Returns:
        The series, its level and its spread, each ``(batch, 1, targets)`` or a number.
    """
    if how == "none":
        return series, 0.0, 1.0
    level = series[:, -1:] if how == "last" else series.mean(1, keepdim=True)
    series = series - level
    if how != "standard":
        return series, level, 1.0
    spread = (series.square().mean(1, keepdim=True) + 1e-5).sqrt()
    return series / spread, level, spread


def restore(forecast: Tensor, level: Tensor | float, spread: Tensor | float) -> Tensor:
    """Put level and spread back into a forecast ``(batch, horizon, targets, outputs)``."""
    if isinstance(spread, Tensor):
        forecast = forecast * spread.unsqueeze(-1)
    return forecast + level.unsqueeze(-1) if isinstance(level, Tensor) else forecast


class KnownEffect(nn.Module):
    """Linear effect of the known covariates at a step on the targets at the same step.

    Args:
        sizes: What the data says.
    """

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.effect = nn.Linear(sizes.known, sizes.targets, bias=False)
        nn.init.zeros_(self.effect.weight)  # until shown otherwise

    def forward(self, known: Tensor) -> Tensor:
        """Effect ``(batch, steps, targets)`` of ``known`` (batch, steps, known)."""
        effect: Tensor = self.effect(known)
        return effect
