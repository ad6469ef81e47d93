"""Integrated gradients: of a linear function they are known, of any other they add up; or that is said."""

import sys

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from experiments.explanation.attribution import check_captum, differentiable, integrated_gradients


def test_of_a_linear_function_they_are_weight_times_difference() -> None:
    weight, inputs, reference = torch.randn(5), torch.randn(3, 5), torch.randn(3, 5)
    found = integrated_gradients(lambda x, rows: x @ weight, inputs, reference)
    torch.testing.assert_close(found, weight * (inputs - reference))


def test_of_a_product_they_are_shared_alike() -> None:
    found = integrated_gradients(lambda x, rows: x[:, 0] * x[:, 1] + 7, torch.tensor([[2.0, 3.0]]), torch.zeros(1, 2))
    torch.testing.assert_close(found, torch.tensor([[3.0, 3.0]]))


def test_they_add_up_to_the_difference_of_outputs() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 1), nn.Flatten(0))
    inputs, reference = 3 * torch.randn(20, 6), torch.randn(20, 6)
    found = integrated_gradients(lambda x, rows: net(x), inputs, reference)
    torch.testing.assert_close(found.sum(1), net(inputs) - net(reference), atol=0.02, rtol=0.02)
    assert all(parameter.grad is None for parameter in net.parameters())


def test_a_kink_takes_more_steps_for_its_example_alone() -> None:
    slope = torch.tensor([0.0, 300.0, 1.0])
    taken = torch.zeros(3)

    def steep(x: Tensor, rows: Tensor) -> Tensor:
        assert len(x) <= 3  # no more memory than the batch takes
        taken.index_add_(0, rows, torch.ones(len(rows)))
        return (slope[rows] * (x[:, 0] - 0.99)).relu() + x[:, 0] * rows

    found = integrated_gradients(steep, torch.ones(3, 1), torch.zeros(3, 1))
    assert found[:, 0].tolist() == pytest.approx([0, 1 + 3, 2 + 0.01], rel=0.05)
    assert taken[0] == taken[2] < 40
    assert taken[1] > 600


def test_what_does_not_add_up_is_said() -> None:
    with pytest.warns(UserWarning, match="do not add up"):
        integrated_gradients(lambda x, rows: (x[:, 0] > 0.3) + 0 * x[:, 0], torch.ones(1, 1), torch.zeros(1, 1))
    with pytest.raises(MisconfigurationException, match="has no gradient"):
        integrated_gradients(lambda x, rows: (x[:, 0] > 0.3).float(), torch.ones(1, 1), torch.zeros(1, 1))


def test_cudnn_is_left_out_of_recurrent_networks_alone() -> None:
    before = torch.backends.cudnn.enabled
    with torch.no_grad(), differentiable(nn.Sequential(nn.Linear(1, 1), nn.LSTM(1, 1))):
        assert torch.is_grad_enabled()
        assert not torch.backends.cudnn.enabled
    with differentiable(nn.Linear(1, 1)):
        assert torch.backends.cudnn.enabled == before
    assert torch.backends.cudnn.enabled == before


def test_captum_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    check_captum()
    monkeypatch.setitem(sys.modules, "captum", None)
    with pytest.raises(MisconfigurationException, match=r"need captum .*: pip install 'leyden\[explain\]'"):
        check_captum()
