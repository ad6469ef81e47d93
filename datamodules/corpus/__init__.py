"""Plain text as one stream of words, to learn their vectors from."""

from datamodules.corpus.own import Corpus
from datamodules.corpus.public import NLTKCorpora

__all__ = ["Corpus", "NLTKCorpora"]
