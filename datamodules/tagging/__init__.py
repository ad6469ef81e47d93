"""Sentences whose words carry tags: the user's own, Universal Dependencies, WNUT-17, CoNLL-2003."""

from datamodules.tagging.own import Columns
from datamodules.tagging.public import WNUT17, CoNLL2003, UniversalDependencies

__all__ = ["WNUT17", "CoNLL2003", "Columns", "UniversalDependencies"]
