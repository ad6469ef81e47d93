"""How far predictions can be trusted."""

from experiments.callbacks.calibration.calibrate import Calibrate

__all__ = ["Calibrate"]
