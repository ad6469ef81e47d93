"""Texts to classify: the user's own, the Hugging Face hub's, TREC questions, SST-2."""

from datamodules.text.hub import HubTexts
from datamodules.text.own import TextFolder, TextTable
from datamodules.text.public import SST2, TREC

__all__ = ["SST2", "TREC", "HubTexts", "TextFolder", "TextTable"]
