"""Attention: additive, multiplicative and with several heads."""

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modules.nets.dropout import Dropout


class Attention(nn.Module, ABC):
    """Base of the attentions with one head; a subclass makes ``key``, and scores."""

    key: nn.Linear

    def keys(self, memory: Tensor) -> Tensor:
        """What the queries are compared with, ``(batch, source, key size)``; the same at every step."""
        keys: Tensor = self.key(memory)  # (batch, source, key size)
        return keys

    @abstractmethod
    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """How well queries and keys go together, ``(batch, queries, source)``."""

    def forward(self, query: Tensor, keys: Tensor, memory: Tensor, padding: Tensor) -> tuple[Tensor, Tensor]:
        """Contexts ``(batch, queries, memory_size)`` and weights ``(batch, queries, source)``.

        Args:
            query: ``(batch, queries, query_size)``.
            keys: ``(batch, source, key size)``.
            memory: ``(batch, source, memory_size)``.
            padding: ``(batch, source)``, true where there is nothing.
        """
        scores = self.scores(query, keys).float().masked_fill(padding[:, None], -math.inf)  # (batch, queries, source)
        weights = scores.softmax(2).to(memory.dtype)  # (batch, queries, source)
        return weights @ memory, weights  # (batch, queries, memory_size)


class AdditiveAttention(Attention):
    """Scores by a small network, ``v tanh(W q + U k)`` (Bahdanau et al. 2015).

    Args:
        query_size: Features of a query.
        memory_size: Features of what is attended to.
        size: Features in which they are compared.
    """

    def __init__(self, query_size: int, memory_size: int, size: int) -> None:
        super().__init__()
        self.query = nn.Linear(query_size, size, bias=False)
        self.key = nn.Linear(memory_size, size)
        self.score = nn.Linear(size, 1, bias=False)

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """``(batch, queries, source)`` of ``(batch, queries, query_size)`` and ``(batch, source, size)``."""
        compared = torch.tanh(self.query(query)[:, :, None] + keys[:, None])  # (batch, queries, source, size)
        scores: Tensor = self.score(compared).squeeze(3)  # (batch, queries, source)
        return scores


class MultiplicativeAttention(Attention):
    """Scores by a bilinear form, ``q W k`` (Luong et al. 2015, "general").

    Args:
        query_size: Features of a query.
        memory_size: Features of what is attended to.
        size: Not used; both attentions are made alike.
    """

    def __init__(self, query_size: int, memory_size: int, size: int = 0) -> None:
        super().__init__()
        self.key = nn.Linear(memory_size, query_size, bias=False)

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """``(batch, queries, source)`` of ``(batch, queries, query_size)`` and ``(batch, source, query_size)``."""
        return query @ keys.transpose(1, 2)


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention with several heads (Vaswani et al. 2017).

    Args:
        size: Features of queries, keys and values.
        num_heads: Heads that share them out.
        dropout: Probability of dropping a weight.
    """

    def __init__(self, size: int, num_heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        if size % num_heads:
            raise ValueError(f"{size} features cannot be shared out over {num_heads} heads")
        self.num_heads = num_heads
        self.query = nn.Linear(size, size)
        self.key_value = nn.Linear(size, 2 * size)
        self.out = nn.Linear(size, size)
        self.dropout = Dropout(dropout)
        for linear in (self.query, self.key_value, self.out):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def keys_values(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values, ``(batch, heads, source, head size)``, of what is attended to, ``(batch, source, size)``."""
        keys, values = self.key_value(memory).chunk(2, dim=2)  # (batch, source, size) each
        return self._split(keys), self._split(values)

    def forward(self, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        """What the queries read, ``(batch, queries, size)``.

        Args:
            query: ``(batch, queries, size)``.
            keys: ``(batch, heads, source, head size)``.
            values: ``(batch, heads, source, head size)``.
            mask: True where a query must not look; broadcast to ``(batch, heads, queries, source)``.
        """
        queries = self._split(self.query(query))  # (batch, heads, queries, head size)
        if query.device.type == "cpu":
            # PyTorch's fused kernel is slower on a CPU for sentences, and its backward pass in bfloat16 much slower.
            weights = self.dropout(self._weights(queries, keys, mask))  # (batch, heads, queries, source)
            heads = weights @ values  # (batch, heads, queries, head size)
        else:
            dropout = self.dropout.p if self.training else 0.0
            seen = None if mask is None else ~mask
            # (batch, heads, queries, head size)
            heads = F.scaled_dot_product_attention(queries, keys, values, seen, dropout)
        read: Tensor = self.out(heads.transpose(1, 2).flatten(2))  # (batch, queries, size)
        return read

    def weights(self, query: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor:
        """Mean of the heads' weights, ``(batch, queries, source)``, for pictures."""
        queries = self._split(self.query(query))  # (batch, heads, queries, head size)
        return self._weights(queries, keys, mask).mean(1)  # (batch, queries, source)

    def _weights(self, queries: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor:
        scores = queries * queries.shape[-1] ** -0.5 @ keys.transpose(2, 3)  # (batch, heads, queries, source)
        if mask is not None:
            scores = scores.masked_fill(mask, -math.inf)  # (batch, heads, queries, source)
        # softmax computes in float32 under autocast; the products want what they were given.
        weights: Tensor = scores.softmax(3).to(keys.dtype)  # (batch, heads, queries, source)
        return weights

    def _split(self, features: Tensor) -> Tensor:
        heads: Tensor = features.unflatten(2, (self.num_heads, -1))  # (batch, length, heads, head size)
        return heads.transpose(1, 2)  # (batch, heads, length, head size)
