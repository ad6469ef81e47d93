"""What happens around the training loop."""

from experiments.callbacks.calibration import Calibrate

__all__ = ["Calibrate"]
