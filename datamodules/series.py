"""Series in time: the user's own, the electricity transformers, and short classics."""

from datamodules.own_series import Series
from datamodules.series_datasets import ETT, Univariate

__all__ = ["ETT", "Series", "Univariate"]
