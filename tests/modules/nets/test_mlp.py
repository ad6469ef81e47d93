import pytest
import torch
from torch import nn

from modules.nets.mlp import MLP, BatchNorm


def test_layers_in_order():
    net = MLP(4, 3, hidden=[8, 6], norm="batch", dropout=0.5, activation=nn.Tanh)
    kinds = [type(layer) for layer in net]
    block = [nn.Linear, BatchNorm, nn.Tanh, nn.Dropout]
    assert kinds == [*block, *block, nn.Linear]
    assert net(torch.zeros(5, 4)).shape == (5, 3)


def test_without_hidden_layers_it_is_linear():
    net = MLP(4, 3, hidden=[])
    assert [type(layer) for layer in net] == [nn.Linear]


def test_plain_layers_by_hand():
    net = MLP(3, 2, hidden=[5])
    inputs = torch.randn(7, 3)
    hidden = (inputs @ net[0].weight.T + net[0].bias).clamp(min=0)
    assert torch.allclose(net(inputs), hidden @ net[2].weight.T + net[2].bias, atol=1e-6)


def test_dropout_acts_in_training_only():
    net = MLP(4, 2, norm="layer", dropout=0.5)
    inputs = torch.randn(16, 4)
    assert not net(inputs).equal(net(inputs))
    net.eval()
    assert net(inputs).equal(net(inputs))


def test_a_batch_of_one_row_is_normalized_by_the_running_statistics():
    norm = BatchNorm(3)
    reference = nn.BatchNorm1d(3)
    for _ in range(3):
        inputs = torch.randn(8, 3)
        assert norm(inputs).equal(reference(inputs))
    row = torch.randn(1, 3)
    assert torch.allclose(norm(row), reference.eval()(row))
    assert norm.running_mean.equal(reference.running_mean)
    norm(row).sum().backward()


@pytest.mark.parametrize(
    "make",
    [
        lambda: MLP(4, 2, hidden=[8, 0]),
        lambda: MLP(4, 2, hidden=[-3]),
    ],
)
def test_sizes_of_nothing_are_refused(make):
    with pytest.raises(ValueError, match="must be at least 1"):
        make()
