"""Plain text as one stream of words, to learn their vectors from; and what people think of pairs of words."""

from datamodules.corpus.examples import Blocks, Questions, Stream
from datamodules.corpus.own import Corpus, NLTKCorpora

__all__ = ["Blocks", "Corpus", "NLTKCorpora", "Questions", "Stream"]
