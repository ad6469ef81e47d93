"""What every run shows on the board (TensorBoard), whatever its task."""

from experiments.callbacks.board.curves import Curves

__all__ = ["Curves"]
