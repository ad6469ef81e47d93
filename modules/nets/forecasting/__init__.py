"""Networks that forecast series."""

from modules.nets.forecasting.base import Sizes
from modules.nets.forecasting.linear import LinearForecaster
from modules.nets.forecasting.naive import SeasonalNaive
from modules.nets.forecasting.patches import PatchTransformer
from modules.nets.forecasting.recurrent import RecurrentForecaster
from modules.nets.forecasting.segments import SegmentGRU

__all__ = ["LinearForecaster", "PatchTransformer", "RecurrentForecaster", "SeasonalNaive", "SegmentGRU", "Sizes"]
