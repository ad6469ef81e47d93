import pytest
import torch
import torch.nn.functional as F

from modules.nets.seq2seq.losses import LinearCrossEntropy, linear_cross_entropy


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("positions", [1, LinearCrossEntropy.CHUNK, LinearCrossEntropy.CHUNK + 3])
def test_agrees_with_pytorchs_forward_and_backward(smoothing: float, positions: int) -> None:
    torch.manual_seed(0)
    output, features = (
        torch.nn.Linear(8, 11).double(),
        torch.randn(positions, 8, dtype=torch.double, requires_grad=True),
    )
    target = torch.randint(11, (positions,))
    parameters = [features, output.weight, output.bias]
    expected = F.cross_entropy(output(features), target, label_smoothing=smoothing)
    found = linear_cross_entropy(features, output, target, smoothing)
    torch.testing.assert_close(found.double(), expected)
    for ours, theirs in zip(
        torch.autograd.grad(3 * found, parameters), torch.autograd.grad(3 * expected, parameters), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-7)


def test_certain_logits_neither_overflow_nor_vanish() -> None:
    output = torch.nn.Linear(2, 3, bias=False)
    output.bias = torch.nn.Parameter(torch.zeros(3))
    output.weight.data = torch.tensor([[500.0, 0.0], [0.0, 500.0], [-500.0, 0.0]])
    features = torch.eye(2, requires_grad=True)
    loss = linear_cross_entropy(features, output, torch.tensor([2, 1]))
    assert loss.item() == pytest.approx(500)  # 1000 and 0
    loss.backward()
    assert features.grad is not None
    torch.testing.assert_close(features.grad, torch.tensor([[500.0, 0.0], [0.0, 0.0]]))


def test_autocast_computes_in_bfloat16_and_gives_full_gradients() -> None:
    torch.manual_seed(0)
    output, features, target = torch.nn.Linear(16, 20), torch.randn(300, 16, requires_grad=True), torch.arange(300) % 20
    exact = linear_cross_entropy(features, output, target, 0.1)
    with torch.autocast("cpu", torch.bfloat16):
        rough = linear_cross_entropy(features, output, target, 0.1)
    assert rough != exact
    assert rough.item() == pytest.approx(exact.item(), rel=0.01)
    rough.backward()
    assert output.weight.grad is not None
    assert output.weight.grad.dtype == torch.float


def test_a_second_derivative_is_refused_not_wrong() -> None:
    output, features = torch.nn.Linear(4, 5), torch.randn(3, 4, requires_grad=True)
    loss = linear_cross_entropy(features, output, torch.tensor([0, 1, 2]))
    with pytest.raises(NotImplementedError, match="only once"):
        torch.autograd.grad(loss, features, create_graph=True)
    with torch.no_grad():
        torch.testing.assert_close(linear_cross_entropy(features, output, torch.tensor([0, 1, 2])), loss.detach())
