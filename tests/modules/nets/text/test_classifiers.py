"""Networks that classify texts."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from modules.nets.text.classifiers import BagOfEmbeddings, Recurrent, TextCNN, TextRNN

TOKENS = torch.tensor([[4, 5, 6, 7, 8, 9], [4, 2, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0]])
NETS = [
    lambda: BagOfEmbeddings(20, 3, size=8),
    lambda: TextCNN(20, 3, size=8, num_filters=5),
    *[
        lambda cell=cell, pooling=pooling, layers=layers, both=both: TextRNN(
            20, 3, 8, 6, layers, cell, both, pooling
        )
        for cell, pooling, layers, both in [
            ("lstm", "last", 2, True), ("gru", "last", 1, False), ("lstm", "mean", 1, True), ("gru", "max", 2, True),
            ("lstm", "attention", 1, True),
        ]
    ],
]  # fmt: skip


@pytest.mark.parametrize("make", NETS)
def test_a_text_does_not_depend_on_its_batch(make):
    torch.manual_seed(0)
    net = make().eval()
    together = net(TOKENS)
    assert together.shape == (4, 3)
    assert together.isfinite().all()
    for text, expected in zip(TOKENS, together, strict=True):
        alone = text[text != 0]
        alone = alone if len(alone) else text[:1]
        torch.testing.assert_close(net(alone[None])[0], expected)


@pytest.mark.parametrize("make", NETS)
def test_everything_is_trained(make):
    torch.manual_seed(0)
    net = make().train()
    F.cross_entropy(net(TOKENS), torch.tensor([0, 1, 2, 0])).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_cnn_against_windows_one_by_one():
    torch.manual_seed(0)
    net = TextCNN(20, 2, size=4, widths=(2, 3), num_filters=3).eval()
    text = [4, 5, 6, 7]
    maxima = []
    for width, convolution in zip((2, 3), net.convolutions, strict=True):
        padded = [0] * (width - 1) + text + [0] * (width - 1)
        found = []
        for start in range(len(padded) - width + 1):
            window = net.embedding.words.weight[torch.tensor(padded[start : start + width])]  # (width, size)
            found.append(torch.einsum("fsw,ws->f", convolution.weight, window) + convolution.bias)
        maxima.append(torch.stack(found).amax(0).relu())
    torch.testing.assert_close(net(torch.tensor([text]))[0], net.output(torch.cat(maxima)))


def test_attention_against_a_sum():
    torch.manual_seed(0)
    net = TextRNN(20, 2, 4, 3, pooling="attention").eval()
    states = net.recurrent(net.embedding.words(torch.tensor([[4, 5, 6]])), torch.tensor([3]))
    scores = [math.exp(net.attention(state)) for state in states[0]]
    mean = sum(score * state for score, state in zip(scores, states[0], strict=True)) / sum(scores)
    torch.testing.assert_close(net(torch.tensor([[4, 5, 6, 0]]))[0], net.output(mean))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_recurrent_layers_against_packed_sequences(cell):
    torch.manual_seed(0)
    ours = Recurrent(4, 3, 2, cell, True, 0.0)
    theirs = (torch.nn.LSTM if cell == "lstm" else torch.nn.GRU)(4, 3, 2, batch_first=True, bidirectional=True)
    weights = {}
    for number, layer in enumerate(ours.layers):
        for direction, part in zip(("", "_reverse"), layer, strict=True):
            weights |= {name.replace("_l0", f"_l{number}{direction}"): p for name, p in part.named_parameters()}
    theirs.load_state_dict(weights)
    length = torch.tensor([5, 2, 1, 4])
    vectors = torch.randn(4, 5, 4)
    packed = pack_padded_sequence(vectors, length, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(theirs(packed)[0], batch_first=True)
    for text, states, num in zip(ours(vectors, length), expected, length.tolist(), strict=True):
        torch.testing.assert_close(text[:num], states[:num])


def test_last_state_of_each_direction():
    torch.manual_seed(0)
    net = TextRNN(20, 2, 4, 3, pooling="last").eval()
    states = net.recurrent(net.embedding.words(torch.tensor([[4, 5, 6]])), torch.tensor([3]))[0]
    expected = net.output(torch.cat([states[2, :3], states[0, 3:]]))
    torch.testing.assert_close(net(torch.tensor([[4, 5, 6, 0, 0]]))[0], expected)
