"""BiLSTM tagger: word embeddings, characters by a CNN, word shapes, a bidirectional LSTM."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.types import PAD, UNKNOWN, PieceTokens, TaggingFacts, WordTokens
from modules.nets.checks import at_least_one, not_negative
from modules.nets.dropout import Dropout
from modules.nets.recurrent import RecurrentEncoder


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
        self.embedding = nn.Embedding(num_chars, size, padding_idx=PAD)
        self.convolutions = nn.ModuleList(nn.Conv1d(size, num_filters, width, padding=width // 2) for width in widths)
        self.num_features = num_filters * len(widths)

    def forward(self, spelling: Tensor) -> Tensor:
        """``(words, characters)`` to ``(words, features)``; what a word gets does not depend on the longest one."""
        chars = self.embedding(spelling).transpose(1, 2)  # (words, size, characters)
        lengths = (spelling != PAD).sum(1)  # (words)
        maxima = []
        for convolve in self.convolutions:
            found = convolve(chars)  # (words, filters, characters), one more for an even width
            places = torch.arange(found.shape[2], device=found.device)
            beyond = places >= lengths[:, None] + (found.shape[2] - spelling.shape[1])  # (words, characters)
            maxima.append(found.masked_fill(beyond[:, None], -torch.inf).amax(2))
        return F.relu(torch.cat(maxima, 1))


class BiLSTMTagger(nn.Module):
    """Emissions of a tagger from words, their characters and shapes (Ma & Hovy 2016; Lample et al. 2016).

    Args:
        facts: Vocabularies and tags.
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
        facts: TaggingFacts,
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
        at_least_one(word_size=word_size, char_size=char_size, char_filters=char_filters, shape_size=shape_size)
        not_negative(word_dropout=word_dropout)
        self.words = nn.Embedding(facts.num_words, word_size, padding_idx=PAD)
        self.shapes = nn.Embedding(facts.num_shapes, shape_size, padding_idx=PAD)
        self.characters = CharacterCNN(facts.num_chars, char_size, char_filters, char_widths)
        self.dropout, self.word_dropout = Dropout(dropout), word_dropout
        counts = torch.tensor([torch.inf, torch.inf, *facts.word_counts])  # padding and unknown stay what they are
        self.register_buffer("word_counts", counts, persistent=False)
        num_inputs = word_size + shape_size + self.characters.num_features
        self.lstm = RecurrentEncoder(num_inputs, hidden, num_layers, dropout=dropout)
        self.output = nn.Linear(self.lstm.num_features, len(facts.tags))
        for embedding in (self.words, self.shapes):
            nn.init.normal_(embedding.weight, std=embedding.embedding_dim**-0.5)

    def forward(self, inputs: WordTokens | PieceTokens) -> Tensor:
        """Emissions ``(batch, length, tags)``."""
        words = inputs.words
        if self.training and self.word_dropout:
            rate = self.word_dropout / (self.word_dropout + self.word_counts[words])
            words = words.masked_fill(torch.rand_like(rate) < rate, UNKNOWN)
        spelled = self.characters(inputs.spelling)[inputs.spelled]
        vectors = torch.cat([self.words(words), self.shapes(inputs.shapes), spelled], 2)
        states = self.lstm(self.dropout(vectors), (inputs.words != PAD).sum(1))
        emissions: Tensor = self.output(self.dropout(states))
        return emissions
