"""Parallel text: the user's own, Multi30k."""

from datamodules.multi30k import Multi30k
from datamodules.parallel_text import ParallelText

__all__ = ["Multi30k", "ParallelText"]
