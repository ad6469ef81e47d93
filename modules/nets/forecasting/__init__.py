"""Networks that forecast series."""

from modules.nets.forecasting.segments import PatchTransformer, SegmentGRU
from modules.nets.forecasting.series import Linear, Recurrent, Recursive

__all__ = ["Linear", "PatchTransformer", "Recurrent", "Recursive", "SegmentGRU"]
