"""Vectors of texts."""

import torch

from modules.nets.text.sentence import SentenceLSTM


def test_padding_and_neighbours_have_no_influence():
    torch.manual_seed(0)
    net = SentenceLSTM(20, 6, size=5, hidden=4, num_layers=2).eval()
    alone = net(torch.tensor([[4, 5, 6]]))
    together = net(torch.tensor([[4, 5, 6, 0, 0], [7, 8, 9, 10, 11]]))
    assert together.shape == (2, 6)
    torch.testing.assert_close(together[:1], alone)


def test_is_the_maximum_of_both_directions():
    torch.manual_seed(0)
    net = SentenceLSTM(20, 6, size=5, hidden=4).eval()
    tokens = torch.tensor([[4, 9, 6]])
    ahead, _ = net.lstm.forwards[0](net.embedding(tokens))
    back, _ = net.lstm.backwards[0](net.embedding(tokens.flip(1)))
    states = torch.cat([ahead, back.flip(1)], 2)
    torch.testing.assert_close(net(tokens), net.output(states.amax(1)))


def test_no_text_has_a_vector_too():
    net = SentenceLSTM(20, 6, size=5, hidden=4).eval()
    assert net(torch.zeros(1, 1, dtype=torch.long)).isfinite().all()
