"""What every run shows on the board (TensorBoard), whatever its task."""

from experiments.callbacks.board.curves import Curves
from experiments.callbacks.board.inputs import TrainingInputs

__all__ = ["Curves", "TrainingInputs"]
