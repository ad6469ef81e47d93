"""Vectors of words, spelled by their character n-grams or not."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Inputs = Tensor | tuple[Tensor, Tensor]


UNKNOWN = 1  # id of an unknown word


class WordEmbedding(nn.Module):
    """Vectors of words. A word's character n-grams, if there are any, add the mean of their own vectors.

    Args:
        num_inputs: Number of words and n-grams.
        size: Length of a vector.
        dropout: Probability with which a feature of a vector is left out in training.
        word_dropout: Probability with which a word is taken for an unknown one in training, which is how the vector of
            an unknown word is learned; its n-grams stay.
    """

    def __init__(self, num_inputs: int, size: int, dropout: float = 0.0, word_dropout: float = 0.0) -> None:
        super().__init__()
        self.words = nn.Embedding(num_inputs, size, padding_idx=0)
        # Of the size of trained word vectors; nn.Embedding's own spread of 1 would drown the n-grams.
        nn.init.normal_(self.words.weight, std=0.1)
        with torch.no_grad():
            self.words.weight[0] = 0
        self.dropout, self.word_dropout = nn.Dropout(dropout), word_dropout

    def forward(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Vectors ``(batch, length, size)`` and mask ``(batch, length)``, true where there is a word."""
        if isinstance(inputs, Tensor):
            mask = inputs != 0
            vectors = self.words(self._forget(inputs))
        else:
            tokens, spelling = inputs
            mask = tokens != 0
            grams = F.embedding_bag(spelling[:, 1:], self.words.weight, mode="mean", padding_idx=0)  # (words, size)
            if self.training and self.word_dropout:
                ids = self._forget(spelling[:, 0][tokens])
                vectors = self.words(ids) + F.embedding(tokens, grams)
            else:
                vectors = F.embedding(tokens, self.words(spelling[:, 0]) + grams)
        return self.dropout(vectors), mask

    def _forget(self, tokens: Tensor) -> Tensor:
        if not self.training or not self.word_dropout:
            return tokens
        forgotten = torch.rand(tokens.shape, device=tokens.device) < self.word_dropout
        return tokens.masked_fill(forgotten & (tokens != 0), UNKNOWN)
