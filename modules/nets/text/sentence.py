"""Sentence encoders: one vector for a whole text."""

import torch
from torch import Tensor, nn

from modules.nets.dropout import Dropout
from modules.nets.recurrent import RecurrentEncoder


class SentenceLSTM(nn.Module):
    """A bidirectional LSTM, the maximum of its states over the text, and a linear layer (Conneau et al. 2017).

    Args:
        num_inputs: Number of tokens.
        num_features: Length of the vector.
        size: Length of a token's vector.
        hidden: Units of the LSTM in each direction.
        num_layers: Layers of the LSTM.
        dropout: Share of the LSTM's inputs and outputs set to zero in training.
    """

    def __init__(
        self,
        num_inputs: int,
        num_features: int,
        size: int = 256,
        hidden: int = 256,
        num_layers: int = 1,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_inputs, size, padding_idx=0)
        nn.init.normal_(self.embedding.weight, std=size**-0.5)
        with torch.no_grad():
            self.embedding.weight[0] = 0
        self.embedding_dropout, self.dropout = nn.Dropout(dropout), Dropout(dropout)
        self.lstm = RecurrentEncoder(size, hidden, num_layers, dropout=dropout)
        self.output = nn.Linear(self.lstm.num_features, num_features)

    def forward(self, tokens: Tensor) -> Tensor:
        """Vectors ``(batch, features)`` of token ids ``(batch, length)``, 0 for padding."""
        lengths = (tokens != 0).sum(1)
        vectors = self.embedding_dropout(self.embedding(tokens))
        states = self.dropout(self.lstm(vectors, lengths))  # (batch, length, 2 * hidden)
        beyond = torch.arange(tokens.shape[1], device=tokens.device) >= lengths.clamp(min=1)[:, None]
        found: Tensor = self.output(states.masked_fill(beyond[:, :, None], -torch.inf).amax(1))
        return found
