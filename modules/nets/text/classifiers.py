"""Networks that classify texts: a bag of embeddings, convolutions, a recurrent network.

Each takes token ids ``(batch, length)``, 0 for padding; or ``SubwordTokens``, words with their n-grams; a pair of
texts is one text with a token between the two. What they
return for a text does not depend on the other texts of its batch.
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.nets.recurrent import RecurrentEncoder
from modules.nets.text.embedding import TextInputs, WordEmbedding


class BagOfEmbeddings(nn.Module):
    """Bag of embeddings: the mean of the words' vectors, and a linear layer (Joulin et al. 2017, fastText).

    Args:
        num_inputs: Number of words and n-grams.
        num_classes: Number of classes.
        size: Length of a word's vector.
        dropout: Probability with which a feature is left out in training.
        word_dropout: Probability with which a word is taken for an unknown one in training.
    """

    def __init__(
        self, num_inputs: int, num_classes: int, size: int = 100, dropout: float = 0.3, word_dropout: float = 0.05
    ) -> None:
        super().__init__()
        self.embedding = WordEmbedding(num_inputs, size, dropout, word_dropout)
        self.output = nn.Linear(size, num_classes)

    def forward(self, inputs: TextInputs) -> Tensor:
        """Logits ``(batch, classes)``."""
        vectors, mask = self.embedding(inputs)
        logits: Tensor = self.output(mean(vectors, mask))
        return logits


class TextCNN(nn.Module):
    """Convolutional network: filters of several widths, the maximum of each over the text, a linear layer (Kim 2014).

    Args:
        num_inputs: Number of words and n-grams.
        num_classes: Number of classes.
        size: Length of a word's vector.
        widths: Words that the convolutions span.
        num_filters: Convolutions of each width.
        dropout: Probability with which a maximum is left out in training.
        embedding_dropout: Probability with which a feature of a word's vector is left out in training.
        word_dropout: Probability with which a word is taken for an unknown one in training.
    """

    def __init__(
        self,
        num_inputs: int,
        num_classes: int,
        size: int = 300,
        widths: Sequence[int] = (3, 4, 5),
        num_filters: int = 100,
        dropout: float = 0.5,
        embedding_dropout: float = 0.0,
        word_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = WordEmbedding(num_inputs, size, embedding_dropout, word_dropout)
        # Padded on both sides, so that every word is at every place of a window, and short texts have windows too.
        self.convolutions = nn.ModuleList(nn.Conv1d(size, num_filters, width, padding=width - 1) for width in widths)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(num_filters * len(widths), num_classes)

    def forward(self, inputs: TextInputs) -> Tensor:
        """Logits ``(batch, classes)``."""
        vectors, mask = self.embedding(inputs)
        vectors = vectors.transpose(1, 2)  # (batch, size, length)
        length = mask.sum(1).clamp(min=1)
        maxima = []
        for convolution in self.convolutions:
            found = convolution(vectors)  # (batch, filters, length + width - 1)
            windows = length + found.shape[2] - mask.shape[1]  # those with a word of this text in them
            beyond = torch.arange(found.shape[2], device=found.device) >= windows[:, None]
            maxima.append(found.masked_fill(beyond[:, None], -torch.inf).amax(2))
        logits: Tensor = self.output(self.dropout(F.relu(torch.cat(maxima, 1))))
        return logits


class TextRNN(nn.Module):
    """Recurrent network (LSTM or GRU) that reads the text one or both ways, and a linear layer on its pooled states.

    Args:
        num_inputs: Number of words and n-grams.
        num_classes: Number of classes.
        size: Length of a word's vector.
        hidden: Length of a state, in each direction.
        num_layers: Layers.
        cell: ``lstm`` (Hochreiter & Schmidhuber 1997) or ``gru`` (Cho et al. 2014).
        bidirectional: Whether a second network reads from the end.
        pooling: One vector of all states: the ``last`` one of each direction, their ``mean`` or ``max``, or
            ``attention``, a mean with weights that are learned (Yang et al. 2016).
        dropout: Probability with which a feature is left out in training: of the words, between layers, of the text.
        word_dropout: Probability with which a word is taken for an unknown one in training.
    """

    def __init__(
        self,
        num_inputs: int,
        num_classes: int,
        size: int = 100,
        hidden: int = 100,
        num_layers: int = 1,
        cell: Literal["lstm", "gru"] = "lstm",
        bidirectional: bool = True,
        pooling: Literal["last", "mean", "max", "attention"] = "max",
        dropout: float = 0.5,
        word_dropout: float = 0.05,
    ) -> None:
        super().__init__()
        self.pooling = pooling
        self.embedding = WordEmbedding(num_inputs, size, dropout, word_dropout)
        self.recurrent = RecurrentEncoder(size, hidden, num_layers, cell, bidirectional, dropout)
        features = self.recurrent.num_features
        if pooling == "attention":
            self.attention = nn.Sequential(nn.Linear(features, features), nn.Tanh(), nn.Linear(features, 1, bias=False))
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(features, num_classes)

    def forward(self, inputs: TextInputs) -> Tensor:
        """Logits ``(batch, classes)``."""
        vectors, mask = self.embedding(inputs)
        lengths = mask.sum(1).clamp(min=1)  # an empty text is one word of padding
        states = self.recurrent(vectors, lengths)
        logits: Tensor = self.output(self.dropout(self._pool(states, lengths)))
        return logits

    def _pool(self, states: Tensor, lengths: Tensor) -> Tensor:
        """One vector ``(batch, features)`` of the states ``(batch, length, features)``."""
        if self.pooling == "last":
            return self.recurrent.last(states, lengths)
        mask = torch.arange(states.shape[1], device=states.device) < lengths[:, None]
        if self.pooling == "mean":
            return mean(states, mask)
        if self.pooling == "max":
            return states.masked_fill(~mask[:, :, None], -torch.inf).amax(1)
        scores = self.attention(states).squeeze(2).masked_fill(~mask, -torch.inf)  # (batch, length)
        return torch.einsum("bl,blf->bf", scores.softmax(1), states)


def mean(vectors: Tensor, mask: Tensor) -> Tensor:
    """Mean ``(batch, features)`` of the vectors ``(batch, length, features)`` under the mask ``(batch, length)``."""
    return (vectors * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
