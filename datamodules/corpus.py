"""Plain text as one stream of words, to learn their vectors from; and what people think of pairs of words."""

from datamodules.corpora import Corpus, NLTKCorpora
from datamodules.word_blocks import Blocks, Questions, Stream

__all__ = ["Blocks", "Corpus", "NLTKCorpora", "Questions", "Stream"]
