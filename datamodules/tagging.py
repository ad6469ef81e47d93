"""Sentences whose words carry tags: the user's own, Universal Dependencies, WNUT-17, CoNLL-2003."""

from datamodules.tagged_datasets import WNUT17, CoNLL2003, UniversalDependencies
from datamodules.tagged_files import Columns

__all__ = ["WNUT17", "CoNLL2003", "Columns", "UniversalDependencies"]
