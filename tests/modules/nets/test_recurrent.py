"""LSTM and GRU encoders over padded sequences."""

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from modules.nets.recurrent import RecurrentEncoder


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("both", [True, False])
def test_against_packed_sequences(cell, both):
    torch.manual_seed(0)
    ours = RecurrentEncoder(4, 3, 2, cell, both)
    theirs = (nn.LSTM if cell == "lstm" else nn.GRU)(4, 3, 2, batch_first=True, bidirectional=both)
    weights = {}
    for suffix, layers in (("", ours.forwards), ("_reverse", ours.backwards)):
        for number, layer in enumerate(layers):
            weights |= {name.replace("_l0", f"_l{number}{suffix}"): p for name, p in layer.named_parameters()}
    theirs.load_state_dict(weights)
    lengths, inputs = torch.tensor([5, 2, 1, 4]), torch.randn(4, 5, 4)
    packed = pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    states, last = theirs(packed)
    expected, _ = pad_packed_sequence(states, batch_first=True)
    found = ours(inputs, lengths)
    assert found.shape[2] == ours.num_features == 3 * (1 + both)
    for sequence, states, num in zip(found, expected, lengths.tolist(), strict=True):
        torch.testing.assert_close(sequence[:num], states[:num])
    last = last[0] if cell == "lstm" else last  # (layers * directions, batch, hidden)
    torch.testing.assert_close(ours.last(found, lengths), last[-1 - both :].transpose(0, 1).flatten(1))


def test_nothing_to_read():
    encoder = RecurrentEncoder(4, 3)
    states = encoder(torch.randn(2, 3, 4), torch.tensor([0, 2]))
    assert encoder.last(states, torch.tensor([0, 2])).isfinite().all()


def test_dropout_is_between_layers():
    torch.manual_seed(0)
    inputs, lengths = torch.randn(2, 3, 4), torch.tensor([3, 2])
    for num_layers, differs in ((1, False), (2, True)):
        encoder = RecurrentEncoder(4, 3, num_layers, dropout=0.5)
        assert torch.equal(encoder(inputs, lengths), encoder.eval()(inputs, lengths)) is not differs
