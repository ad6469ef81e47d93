"""Recurrent networks over sentences: word embeddings, characters by a CNN, a bidirectional LSTM."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.nets.dropout import Dropout


class Words(Protocol):
    """A batch of sentences; 0 is padding everywhere.

    Attributes:
        words: ``(batch, length)``.
        shapes: ``(batch, length)``.
        spelled: ``(batch, length)``, the row of ``spelling`` for each word.
        spelling: ``(distinct words, characters)``.
    """

    words: Tensor
    shapes: Tensor
    spelled: Tensor
    spelling: Tensor


class CharacterCNN(nn.Module):
    """A vector for each word from its characters: convolutions of several widths, each with the maximum over the word.

    After Ma & Hovy (2016) and Kim et al. (2016).

    Args:
        num_chars: Number of characters, padding and unknown included.
        size: Length of a character's vector.
        num_filters: Outputs of each convolution.
        widths: Widths of the convolutions, in characters.
    """

    def __init__(self, num_chars: int, size: int = 32, num_filters: int = 50, widths: Sequence[int] = (3,)) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_chars, size, padding_idx=0)
        self.convolutions = nn.ModuleList(nn.Conv1d(size, num_filters, width, padding=width // 2) for width in widths)
        self.num_features = num_filters * len(widths)

    def forward(self, spelling: Tensor) -> Tensor:
        """``(words, characters)`` to ``(words, features)``."""
        chars = self.embedding(spelling).transpose(1, 2)  # (words, size, characters)
        return torch.cat([F.relu(convolve(chars)).amax(2) for convolve in self.convolutions], 1)


class BiLSTM(nn.Module):
    """LSTM layers that read a sentence in both directions (Graves & Schmidhuber 2005).

    The backward direction starts at a sentence's own last word, so padding has no influence, and yet both directions
    run on whole, unpacked batches, which the fast kernels want.

    Args:
        num_inputs: Length of a word's vector.
        hidden: Units of each direction.
        num_layers: Number of layers.
        dropout: Share of the outputs of each layer set to zero.
    """

    def __init__(self, num_inputs: int, hidden: int = 200, num_layers: int = 1, dropout: float = 0.5) -> None:
        super().__init__()
        sizes = [num_inputs] + [2 * hidden] * (num_layers - 1)
        self.forwards = nn.ModuleList(nn.LSTM(size, hidden, batch_first=True) for size in sizes)
        self.backwards = nn.ModuleList(nn.LSTM(size, hidden, batch_first=True) for size in sizes)
        self.dropout = Dropout(dropout)
        self.num_features = 2 * hidden

    def forward(self, inputs: Tensor, lengths: Tensor) -> Tensor:
        """``(batch, length, inputs)`` and ``(batch)`` to ``(batch, length, 2 * hidden)``."""
        steps = torch.arange(inputs.shape[1], device=inputs.device)
        mirror = (lengths[:, None] - 1 - steps) % inputs.shape[1]  # (batch, length); padding stays in the padding
        rows = torch.arange(len(inputs), device=inputs.device)[:, None]
        for ahead, back in zip(self.forwards, self.backwards, strict=True):
            left, _ = ahead(inputs)
            right, _ = back(inputs[rows, mirror])
            inputs = self.dropout(torch.cat([left, right[rows, mirror]], 2))
        return inputs


class BiLSTMTagger(nn.Module):
    """Emissions of a tagger from words, their characters and shapes (Ma & Hovy 2016; Lample et al. 2016).

    Args:
        num_words: Number of words, padding and unknown included; a fact, as are the next three.
        num_chars: Number of characters.
        num_shapes: Number of word shapes.
        num_tags: Number of tags.
        word_size: Length of a word's vector.
        char_size: Length of a character's vector.
        char_filters: Filters of each width over the characters.
        char_widths: Widths of these filters.
        shape_size: Length of a shape's vector.
        hidden: Units of the LSTM in each direction.
        num_layers: Layers of the LSTM.
        dropout: Share of the inputs and outputs of the LSTM set to zero.
        word_dropout: Training takes a word that it has ``n`` times for unknown with probability
            ``word_dropout / (word_dropout + n)``, so that it learns what to do with such (Kiperwasser & Goldberg 2016).
    """

    word_counts: Tensor

    def __init__(
        self,
        num_words: int,
        num_chars: int,
        num_shapes: int,
        num_tags: int,
        word_size: int = 100,
        char_size: int = 32,
        char_filters: int = 50,
        char_widths: Sequence[int] = (3,),
        shape_size: int = 16,
        hidden: int = 200,
        num_layers: int = 1,
        dropout: float = 0.5,
        word_dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(num_words, word_size, padding_idx=0)
        self.shapes = nn.Embedding(num_shapes, shape_size, padding_idx=0)
        self.characters = CharacterCNN(num_chars, char_size, char_filters, char_widths)
        self.dropout, self.word_dropout = Dropout(dropout), word_dropout
        self.register_buffer("word_counts", torch.full((num_words,), torch.inf), persistent=False)
        num_inputs = word_size + shape_size + self.characters.num_features
        self.lstm = BiLSTM(num_inputs, hidden, num_layers, dropout)
        self.output = nn.Linear(self.lstm.num_features, num_tags)
        for embedding in (self.words, self.shapes):
            nn.init.normal_(embedding.weight, std=embedding.embedding_dim**-0.5)

    def use_facts(self, fact: Callable[[str], Any]) -> None:
        """Take the counts of the words; without them none is taken for unknown."""
        self.word_counts[2:] = torch.tensor(fact("word_counts"))

    def forward(self, inputs: Words) -> Tensor:
        """Emissions ``(batch, length, tags)``."""
        words = inputs.words
        if self.training and self.word_dropout:
            rate = self.word_dropout / (self.word_dropout + self.word_counts[words])
            words = words.masked_fill(torch.rand_like(rate) < rate, 1)
        spelled = self.characters(inputs.spelling)[inputs.spelled]
        vectors = torch.cat([self.words(words), self.shapes(inputs.shapes), spelled], 2)
        hidden = self.lstm(self.dropout(vectors), (inputs.words != 0).sum(1))
        emissions: Tensor = self.output(hidden)
        return emissions
