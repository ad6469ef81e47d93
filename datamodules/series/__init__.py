"""Series in time: the user's own, the electricity transformers, and short classics."""

from datamodules.series.own import Series
from datamodules.series.public import ETT, Univariate

__all__ = ["ETT", "Series", "Univariate"]
