"""Running experiments: the command ``leyden``, and ``load`` for notebooks."""

from experiments.checkpoint import load

__all__ = ["load"]
