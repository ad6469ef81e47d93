"""Recurrent encoder and decoder with attention."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from datamodules.types import PAD
from modules.nets.dropout import Dropout
from modules.nets.seq2seq.attention import AdditiveAttention, MultiplicativeAttention
from modules.nets.seq2seq.encoder_decoder import EncoderDecoder, Tensors, Tied, embeddings


class RecurrentSeq2Seq(EncoderDecoder):
    """A bidirectional recurrent encoder, a recurrent decoder and attention between them.

    At each step the decoder's state attends to the source; state and context together make the *attentional vector*
    ``tanh(W [state; context])`` that the next token follows from (Luong et al. 2015).

    Args:
        num_source: Tokens of the source vocabulary.
        num_target: Tokens of the target vocabulary.
        size: Features of a token and of the attentional vector.
        hidden: Features of the decoder's state, and of both directions of the encoder together.
        num_layers: Recurrent layers of the encoder and of the decoder.
        cell: Gated recurrent units (Cho et al. 2014) or long short-term memory (Hochreiter & Schmidhuber 1997).
        attention: Makes the attention from the sizes of state, memory and comparison: ``AdditiveAttention`` (Bahdanau)
            or ``MultiplicativeAttention`` (Luong).
        input_feeding: Whether each step also gets the attentional vector of the one before.
        dropout: Probability of dropping a value of embeddings, states and attentional vectors.
        tied: Which embeddings are one: the target's and the output's weight, these and the source's (``all``, for a
            vocabulary that both languages share), or none.
    """

    def __init__(
        self,
        num_source: int,
        num_target: int,
        size: int = 256,
        hidden: int = 512,
        num_layers: int = 1,
        cell: Literal["gru", "lstm"] = "gru",
        attention: Callable[[int, int, int], AdditiveAttention | MultiplicativeAttention] = AdditiveAttention,
        input_feeding: bool = True,
        dropout: float = 0.3,
        tied: Tied = "target",
    ) -> None:
        super().__init__()
        if hidden % 2:
            raise ValueError(f"hidden is {hidden}; two directions of the encoder share it, so it must be even")
        self.size, self.hidden, self.num_layers, self.is_lstm = size, hidden, num_layers, cell == "lstm"
        self.source_embedding, self.target_embedding, self.output = embeddings(num_source, num_target, size, tied)
        recurrent, one_step = (nn.LSTM, nn.LSTMCell) if self.is_lstm else (nn.GRU, nn.GRUCell)
        between = dropout if num_layers > 1 else 0.0
        self.encoder = recurrent(size, hidden // 2, num_layers, batch_first=True, dropout=between, bidirectional=True)
        self.open = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(num_layers))
        self.input_feeding = input_feeding
        inputs = [size + size * input_feeding] + [hidden] * (num_layers - 1)
        self.cells = nn.ModuleList(one_step(width, hidden) for width in inputs)
        self.attend = attention(hidden, hidden, size)
        self.combine = nn.Linear(2 * hidden, size)
        self.dropout = Dropout(dropout)

    def encode(self, source: Tensor) -> Tensors:
        """What the encoder read at each token, and the decoder's first state."""
        embedded = self.dropout(self.source_embedding(source))  # (batch, source, size)
        if torch.compiler.is_exporting():  # no other program has packed sequences
            values, last = self._read_padded(embedded, (source != PAD).sum(1))
            return self._memory(values, last, source)
        lengths = (source != PAD).sum(1).cpu()  # (batch)
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        read, last = self.encoder(packed)  # packed, (layers * 2, batch, hidden / 2)
        values, _ = pad_packed_sequence(read, batch_first=True)  # (batch, source, hidden)
        return self._memory(self.dropout(values), last[0] if self.is_lstm else last, source)

    def _read_padded(self, embedded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The same without packing: each direction by itself, the second one over reversed sequences."""
        rows, steps = torch.arange(embedded.shape[0])[:, None], torch.arange(embedded.shape[1])
        mirror = lengths[:, None] - 1 - steps  # (batch, source)
        mirror = torch.where(mirror < 0, mirror + embedded.shape[1], mirror)
        outside = (steps >= lengths[:, None])[:, :, None]
        last = []
        for layer in range(self.num_layers):
            ahead, back = self.encoder.all_weights[2 * layer : 2 * layer + 2]
            ahead_states = self._run(embedded, ahead)  # (batch, source, hidden / 2)
            back_states = self._run(embedded[rows, mirror], back)[rows, mirror]
            last += [ahead_states[rows[:, 0], lengths - 1], back_states[:, 0]]
            embedded = torch.cat([ahead_states, back_states], 2).masked_fill(outside, 0.0)  # (batch, source, hidden)
        return embedded, torch.stack(last)

    def _run(self, inputs: Tensor, weights: Sequence[Tensor]) -> Tensor:
        nothing = inputs.new_zeros(1, inputs.shape[0], self.hidden // 2)
        if self.is_lstm:
            return torch.lstm(inputs, (nothing, nothing), list(weights), True, 1, 0.0, False, False, True)[0]
        return torch.gru(inputs, nothing, list(weights), True, 1, 0.0, False, False, True)[0]

    def _memory(self, values: Tensor, last: Tensor, source: Tensor) -> Tensors:
        # of values (batch, source, hidden) and last states (layers * 2, batch, hidden / 2)
        memory = {"values": values, "keys": self.attend.keys(values), "padding": source == PAD}
        for number, layer in enumerate(self.open):
            both = torch.cat([last[2 * number], last[2 * number + 1]], 1)  # (batch, hidden)
            memory[f"hidden{number}"] = torch.tanh(layer(both))  # (batch, hidden)
        return memory

    def start(self, memory: Tensors, width: int) -> Tensors:
        """Hidden state ``(batch * width, hidden)`` of each layer, and the vector to feed ``(batch * width, size)``."""
        state = {f"hidden{n}": memory[f"hidden{n}"].repeat_interleave(width, 0) for n in range(self.num_layers)}
        if self.is_lstm:
            state |= {f"cell{n}": torch.zeros_like(state[f"hidden{n}"]) for n in range(self.num_layers)}
        state["fed"] = state["hidden0"].new_zeros(state["hidden0"].shape[0], self.size)
        return state

    def decode(self, target: Tensor, memory: Tensors) -> Tensor:
        """Features ``(batch, target, size)``."""
        return self._decode(target, memory)[0]

    def step(self, tokens: Tensor, memory: Tensors, state: Tensors) -> tuple[Tensor, Tensors]:
        """Features ``(batch, width, size)`` and the state after these tokens."""
        embedded = self.dropout(self.target_embedding(tokens.flatten()))  # (batch * width, size)
        states, new = self._advance(embedded, state)  # (batch * width, hidden)
        features, _ = self._read(states.view(*tokens.shape, -1), memory)  # (batch, width, size)
        return features, {**new, "fed": features.flatten(0, 1)}

    def attention(self, source: Tensor, target: Tensor) -> Tensor:
        """Weights ``(batch, target, source)``."""
        return self._decode(target, self.encode(source))[1]

    def _decode(self, target: Tensor, memory: Tensors) -> tuple[Tensor, Tensor]:
        embedded = self.dropout(self.target_embedding(target))  # (batch, target, size)
        state, states, features, weights = self.start(memory, 1), [], [], []
        for now in embedded.unbind(1):  # (batch, size)
            hidden, state = self._advance(now, state)  # (batch, hidden)
            states.append(hidden[:, None])  # (batch, 1, hidden)
            if self.input_feeding:
                vector, weight = self._read(states[-1], memory)  # (batch, 1, size), (batch, 1, source)
                state["fed"] = vector[:, 0]
                features.append(vector)
                weights.append(weight)
        if self.input_feeding:
            return torch.cat(features, 1), torch.cat(weights, 1)  # (batch, target, size), (batch, target, source)
        return self._read(torch.cat(states, 1), memory)  # all steps at once

    def _advance(self, embedded: Tensor, state: Tensors) -> tuple[Tensor, Tensors]:
        # (rows, size) to (rows, hidden)
        new = dict(state)
        features = torch.cat([embedded, state["fed"]], 1) if self.input_feeding else embedded  # (rows, inputs)
        for number, cell in enumerate(self.cells):
            hidden = state[f"hidden{number}"]  # (rows, hidden)
            if self.is_lstm:
                features, new[f"cell{number}"] = cell(features, (hidden, state[f"cell{number}"]))  # (rows, hidden) each
            else:
                features = cell(features, hidden)  # (rows, hidden)
            new[f"hidden{number}"] = features
            features = self.dropout(features)
        return features, new

    def _read(self, states: Tensor, memory: Tensors) -> tuple[Tensor, Tensor]:
        # (batch, queries, hidden) and (batch, queries, source), of states (batch, queries, hidden)
        context, weights = self.attend(states, memory["keys"], memory["values"], memory["padding"])
        vector = torch.tanh(self.combine(torch.cat([states, context], 2)))  # (batch, queries, size)
        return self.dropout(vector), weights
