"""The Transformer."""

import math
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.types import PAD
from modules.nets.dropout import Dropout
from modules.nets.seq2seq.attention import MultiHeadAttention
from modules.nets.seq2seq.encoder_decoder import EncoderDecoder, Tensors, Tied, embeddings


class FeedForward(nn.Module):
    """Two layers on each position.

    Args:
        size: Features.
        hidden: Features between the layers.
        dropout: Probability of dropping one of those.
    """

    def __init__(self, size: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.widen, self.narrow = nn.Linear(size, hidden), nn.Linear(hidden, size)
        self.dropout = Dropout(dropout)
        for linear in (self.widen, self.narrow):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(self, features: Tensor) -> Tensor:
        """``(batch, length, size)`` to the same."""
        hidden = self.dropout(F.relu(self.widen(features)))  # (batch, length, hidden)
        changed: Tensor = self.narrow(hidden)  # (batch, length, size)
        return changed


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward network, each normalised before and added to what came in.

    Args:
        size: Features.
        num_heads: Heads of the attention.
        hidden: Features inside the feed-forward network.
        dropout: Probability of dropping a value of what is added.
        inner_dropout: Probability of dropping a weight of the attention or a value inside the feed-forward network.
    """

    def __init__(self, size: int, num_heads: int, hidden: int, dropout: float, inner_dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)
        self.attention = MultiHeadAttention(size, num_heads, inner_dropout)
        self.feed_forward = FeedForward(size, hidden, inner_dropout)
        self.dropout = Dropout(dropout)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """``(batch, source, size)`` to the same; ``mask`` is true at the padding, ``(batch, 1, 1, source)``."""
        normed = self.norm1(features)  # (batch, source, size)
        keys, values = self.attention.keys_values(normed)  # (batch, heads, source, head size)
        features = features + self.dropout(self.attention(normed, keys, values, mask))  # (batch, source, size)
        changed: Tensor = features + self.dropout(self.feed_forward(self.norm2(features)))  # (batch, source, size)
        return changed


class DecoderLayer(nn.Module):
    """Attention to the words before, attention to the source and a feed-forward network.

    Args:
        size: Features.
        num_heads: Heads of each attention.
        hidden: Features inside the feed-forward network.
        dropout: Probability of dropping a value of what is added.
        inner_dropout: Probability of dropping a weight of an attention or a value inside the feed-forward network.
    """

    def __init__(self, size: int, num_heads: int, hidden: int, dropout: float, inner_dropout: float) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(size), nn.LayerNorm(size), nn.LayerNorm(size)
        self.self_attention = MultiHeadAttention(size, num_heads, inner_dropout)
        self.cross_attention = MultiHeadAttention(size, num_heads, inner_dropout)
        self.feed_forward = FeedForward(size, hidden, inner_dropout)
        self.dropout = Dropout(dropout)

    def look_back(
        self, features: Tensor, past: tuple[Tensor, Tensor] | None, mask: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Add what was written before; the keys and values of all words so far come back with it.

        Args:
            features: ``(batch, target, size)``.
            past: Keys and values of earlier words, each ``(batch, heads, earlier, head size)``.
            mask: True where a word must not look, ``(target, target)``.
        """
        normed = self.norm1(features)  # (batch, target, size)
        keys, values = self.self_attention.keys_values(normed)  # (batch, heads, target, head size)
        if past is not None:  # (batch, heads, earlier + target, head size)
            keys, values = torch.cat([past[0], keys], 2), torch.cat([past[1], values], 2)
        return features + self.dropout(self.self_attention(normed, keys, values, mask)), keys, values

    def read_source(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the source, each ``(batch, heads, source, head size)``.

        Args:
            features: What the encoder made of it, ``(batch, source, size)``.
        """
        # A method of the layer: where layers are shared out to processes, these bring the weights together.
        return self.cross_attention.keys_values(features)

    def look_at_source(self, features: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
        """Add what the source says and what follows from all that, ``(batch, target, size)``.

        Args:
            features: ``(batch, target, size)``.
            keys: ``(batch, heads, source, head size)``.
            values: ``(batch, heads, source, head size)``.
            mask: True at the padding, ``(batch, 1, 1, source)``.
        """
        read = self.cross_attention(self.norm2(features), keys, values, mask)  # (batch, target, size)
        features = features + self.dropout(read)  # (batch, target, size)
        changed: Tensor = features + self.dropout(self.feed_forward(self.norm3(features)))  # (batch, target, size)
        return changed


class Transformer(EncoderDecoder):
    """Encoder and decoder of attention (Vaswani et al. 2017), normalised before each part (Xiong et al. 2020).

    Args:
        num_source: Tokens of the source vocabulary.
        num_target: Tokens of the target vocabulary.
        size: Features of a token.
        num_layers: Layers of the encoder and of the decoder.
        num_heads: Heads of each attention.
        hidden: Features inside the feed-forward networks.
        dropout: Probability of dropping a value of the embeddings and of what each part adds to them.
        inner_dropout: Probability of dropping an attention weight or a value inside the feed-forward networks; that
            of ``dropout`` if None. Small data wants much of the one and little of the other.
        tied: Which embeddings are one: the target's and the output's weight, these and the source's (``all``, for a
            vocabulary that both languages share), or none.
    """

    def __init__(
        self,
        num_source: int,
        num_target: int,
        size: int = 256,
        num_layers: int = 3,
        num_heads: int = 4,
        hidden: int = 512,
        dropout: float = 0.3,
        tied: Tied = "target",
        inner_dropout: float | None = None,
    ) -> None:
        super().__init__()
        self.size = size
        inner = dropout if inner_dropout is None else inner_dropout
        sizes = size, num_heads, hidden, dropout, inner
        self.source_embedding, self.target_embedding, self.output = embeddings(num_source, num_target, size, tied)
        self.encoder = nn.ModuleList(EncoderLayer(*sizes) for _ in range(num_layers))
        self.decoder = nn.ModuleList(DecoderLayer(*sizes) for _ in range(num_layers))
        self.encoder_norm, self.decoder_norm = nn.LayerNorm(size), nn.LayerNorm(size)
        self.dropout = Dropout(dropout)

    def encode(self, source: Tensor) -> Tensors:
        """Keys and values of the sources for each layer of the decoder, ``(batch, heads, source, head size)``."""
        padding = (source == PAD)[:, None, None]  # (batch, 1, 1, source)
        features = self._embed(self.source_embedding, source)  # (batch, source, size)
        for layer in self.encoder:
            features = layer(features, padding)  # (batch, source, size)
        features = self.encoder_norm(features)  # (batch, source, size)
        memory = {"padding": padding}
        for number, layer in enumerate(self._decoder_layers()):
            memory[f"keys{number}"], memory[f"values{number}"] = layer.read_source(features)
        return memory

    def decode(self, target: Tensor, memory: Tensors, weights: list[Tensor] | None = None) -> Tensor:
        """Features ``(batch, target, size)``; the weights of each layer's attention are added to ``weights``."""
        length = target.shape[1]
        # A word must not look at later ones. Padding comes last, so nothing that counts looks at it.
        mask = torch.ones(length, length, dtype=torch.bool, device=target.device).triu(1)  # (target, target)
        features = self._embed(self.target_embedding, target)  # (batch, target, size)
        for number, layer in enumerate(self._decoder_layers()):
            keys, values = memory[f"keys{number}"], memory[f"values{number}"]
            features, _, _ = layer.look_back(features, None, mask)  # (batch, target, size)
            if weights is not None:  # (batch, target, source)
                weights.append(layer.cross_attention.weights(layer.norm2(features), keys, memory["padding"]))
            features = layer.look_at_source(features, keys, values, memory["padding"])  # (batch, target, size)
        normed: Tensor = self.decoder_norm(features)  # (batch, target, size)
        return normed

    def start(self, memory: Tensors, width: int) -> Tensors:
        """Keys and values of no words yet, ``(batch * width, heads, 0, head size)``."""
        batch, heads, _, head_size = memory["keys0"].shape
        nothing = memory["keys0"].new_zeros(batch * width, heads, 0, head_size)
        names = [f"{name}{number}" for number in range(len(self.decoder)) for name in ("keys", "values")]
        return dict.fromkeys(names, nothing)

    def step(self, tokens: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """Features ``(batch, width, size)`` and the keys and values with these words added."""
        batch, width = tokens.shape
        new: Tensors = {}
        before = state["keys0"].shape[2]
        features = self._embed(self.target_embedding, tokens.reshape(-1, 1), before)  # (batch * width, 1, size)
        for number, layer in enumerate(self._decoder_layers()):
            past = state[f"keys{number}"], state[f"values{number}"]
            # (batch * width, 1, size), and (batch * width, heads, before + 1, head size) twice
            features, new[f"keys{number}"], new[f"values{number}"] = layer.look_back(features, past, None)
            # The hypotheses of a source are so many queries to it: its memory need not be repeated for each.
            together = features.view(batch, width, -1)  # (batch, width, size)
            keys, values = memory[f"keys{number}"], memory[f"values{number}"]
            together = layer.look_at_source(together, keys, values, memory["padding"])  # (batch, width, size)
            features = together.view(batch * width, 1, -1)  # (batch * width, 1, size)
        return self.decoder_norm(features).view(batch, width, -1), new  # (batch, width, size)

    def attention(self, source: Tensor, target: Tensor) -> Tensor:
        """Weights ``(batch, target, source)``, the mean of all heads and layers."""
        weights: list[Tensor] = []
        self.decode(target, self.encode(source), weights)
        return torch.stack(weights).mean(0)  # (layers, batch, target, source) to (batch, target, source)

    def _decoder_layers(self) -> list[DecoderLayer]:
        return cast(list[DecoderLayer], list(self.decoder))

    def _embed(self, embedding: nn.Embedding, tokens: Tensor, first: int = 0) -> Tensor:
        places = positions(first, tokens.shape[1], self.size, tokens.device)  # (length, size)
        features: Tensor = self.dropout(embedding(tokens) * math.sqrt(self.size) + places)  # (batch, length, size)
        return features


def positions(first: int, length: int, size: int, device: torch.device) -> Tensor:
    """Sines and cosines of the positions from ``first`` on, ``(length, size)`` (Vaswani et al. 2017, section 3.5)."""
    position = torch.arange(first, first + length, device=device, dtype=torch.float)[:, None]  # (length, 1)
    rate = torch.exp(torch.arange(0, size, 2, device=device) * (-math.log(10000) / size))  # (size / 2)
    angles = position * rate  # (length, size / 2)
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)  # (length, size)
