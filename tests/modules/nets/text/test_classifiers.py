"""Networks that classify texts."""

import math

import pytest
import torch
import torch.nn.functional as F

from datamodules.ragged import spell
from datamodules.types import SubwordTokens
from modules.nets.text.classifiers import BagOfEmbeddings, TextCNN, TextRNN

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
def test_a_text_does_not_depend_on_the_order_nor_on_longer_neighbours(make):
    """With n-grams: alone, in a batch of eight, shuffled, and beside a text of 40 words and a word of many n-grams."""
    torch.manual_seed(0)
    net = make().eval()
    subwords = torch.randint(4, 20, (9, 6))
    subwords[0], subwords[1, 1:], subwords[2, 3:] = 0, 0, 0
    texts = [torch.randint(1, 9, (length,)) for length in (1, 2, 40, 5, 3, 0, 7, 1)]

    def logits(order):
        tokens = torch.nn.utils.rnn.pad_sequence([texts[i] for i in order], batch_first=True)
        tokens = tokens if tokens.shape[1] else tokens.new_zeros(len(tokens), 1)
        return net(SubwordTokens(*spell(tokens, subwords)))

    together = logits(range(8))
    shuffled = torch.randperm(8).tolist()
    torch.testing.assert_close(logits(shuffled), together[shuffled], atol=1e-5, rtol=1e-5)
    for i in range(8):
        torch.testing.assert_close(logits([i])[0], together[i], atol=1e-5, rtol=1e-5)


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
    scores = [math.exp(net.attention(state).detach()) for state in states[0]]
    mean = sum(score * state for score, state in zip(scores, states[0], strict=True)) / sum(scores)
    torch.testing.assert_close(net(torch.tensor([[4, 5, 6, 0]]))[0], net.output(mean))


def test_last_state_of_each_direction():
    torch.manual_seed(0)
    net = TextRNN(20, 2, 4, 3, pooling="last").eval()
    states = net.recurrent(net.embedding.words(torch.tensor([[4, 5, 6]])), torch.tensor([3]))[0]
    expected = net.output(torch.cat([states[2, :3], states[0, 3:]]))
    torch.testing.assert_close(net(torch.tensor([[4, 5, 6, 0, 0]]))[0], expected)
