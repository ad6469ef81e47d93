"""Word embeddings, with or without subword n-grams."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.types import UNKNOWN, SegmentTokens, SubwordTokens
from modules.nets.checks import at_least_one, probability

TextInputs = Tensor | SegmentTokens | SubwordTokens


class WordEmbedding(nn.Module):
    """Word embedding to which, with subword n-grams, the mean of their embeddings is added (Bojanowski et al. 2017).

    Args:
        num_inputs: Number of words and n-grams.
        size: Length of a vector.
        dropout: Probability with which a feature of a vector is left out in training.
        word_dropout: Probability with which a word is taken for an unknown one in training, which is how the vector of
            an unknown word is learned; its n-grams stay.
    """

    def __init__(self, num_inputs: int, size: int, dropout: float = 0.0, word_dropout: float = 0.0) -> None:
        super().__init__()
        at_least_one(size=size)
        probability(dropout=dropout)
        if not 0 <= word_dropout <= 1:
            raise ValueError(f"word_dropout is {word_dropout}; it must be from 0 to 1")
        self.words = nn.Embedding(num_inputs, size, padding_idx=0)
        # Of the size of trained word vectors; nn.Embedding's own spread of 1 would drown the n-grams.
        nn.init.normal_(self.words.weight, std=0.1)
        with torch.no_grad():
            self.words.weight[0] = 0
        self.dropout, self.word_dropout = nn.Dropout(dropout), word_dropout

    def forward(self, inputs: TextInputs) -> tuple[Tensor, Tensor]:
        """Vectors ``(batch, length, size)`` and mask ``(batch, length)``, true where there is a word.

        Args:
            inputs: Token ids ``(batch, length)``, 0 for padding; or words with their n-grams.
        """
        if isinstance(inputs, SegmentTokens):
            inputs = inputs.tokens  # a token stands between the two texts
        if isinstance(inputs, Tensor):
            vectors = self.words(self._forget(inputs))
            return self.dropout(vectors), inputs != 0
        words, ngrams = inputs.subwords[:, 0], self._ngrams(inputs.subwords[:, 1:])
        if self.training and self.word_dropout:
            ids = self._forget(words[inputs.tokens])
            vectors = self.words(ids) + F.embedding(inputs.tokens, ngrams)
        else:
            vectors = F.embedding(inputs.tokens, self.words(words) + ngrams)
        return self.dropout(vectors), inputs.tokens != 0

    def _ngrams(self, ids: Tensor) -> Tensor:
        """Mean of the n-grams' vectors ``(words, size)`` of ``(words, n-grams)``; zero for a word without any."""
        if not ids.shape[1]:  # no word of the batch has three letters; embedding_bag takes no empty bags
            return self.words.weight.new_zeros(len(ids), self.words.embedding_dim)
        if torch.compiler.is_exporting():  # other programs have no bags of embeddings
            mask = ids != 0
            count = mask.sum(1, keepdim=True).clamp(min=1)
            return (F.embedding(ids, self.words.weight) * mask[:, :, None]).sum(1) / count
        return F.embedding_bag(ids, self.words.weight, mode="mean", padding_idx=0)

    def _forget(self, tokens: Tensor) -> Tensor:
        if not self.training or not self.word_dropout:
            return tokens
        forgotten = torch.rand(tokens.shape, device=tokens.device) < self.word_dropout
        return tokens.masked_fill(forgotten & (tokens != 0), UNKNOWN)
