"""Networks for texts."""

from modules.nets.text.classifiers import BagOfEmbeddings, TextCNN, TextRNN
from modules.nets.text.sentence import SentenceLSTM

__all__ = ["BagOfEmbeddings", "SentenceLSTM", "TextCNN", "TextRNN"]
