"""Networks that tag the words of a sentence."""

from modules.nets.tagging.bilstm import BiLSTMTagger
from modules.nets.tagging.pretrained import PretrainedTagger

__all__ = ["BiLSTMTagger", "PretrainedTagger"]
