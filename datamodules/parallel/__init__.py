"""Parallel text: the user's own, Multi30k."""

from datamodules.parallel.own import ParallelText
from datamodules.parallel.public import Multi30k

__all__ = ["Multi30k", "ParallelText"]
