"""Networks from one sequence to another: encoder and decoder, attention, search."""

from modules.nets.seq2seq.attention import AdditiveAttention, MultiplicativeAttention
from modules.nets.seq2seq.recurrent import RecurrentSeq2Seq
from modules.nets.seq2seq.transformer import Transformer

__all__ = ["AdditiveAttention", "MultiplicativeAttention", "RecurrentSeq2Seq", "Transformer"]
