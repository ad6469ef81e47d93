"""Texts to classify: the user's own, the Hugging Face hub's, TREC questions, SST-2, movie reviews."""

from datamodules.hub_texts import HubTexts
from datamodules.own_texts import TextFolder, TextTable
from datamodules.text_datasets import SST2, TREC, MovieReviews

__all__ = ["SST2", "TREC", "HubTexts", "MovieReviews", "TextFolder", "TextTable"]
