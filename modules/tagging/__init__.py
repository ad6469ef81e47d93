"""Sequence labelling: a tag for every word."""

from modules.tagging.hmm_tagger import HMMTagger
from modules.tagging.tagger import Tagger

__all__ = ["HMMTagger", "Tagger"]
