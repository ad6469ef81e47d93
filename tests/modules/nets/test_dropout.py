import pytest
import torch

from modules.nets.dropout import Dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_drops_its_share_and_keeps_the_mean(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    dropped = Dropout(0.3)(torch.ones(1000, 1001, dtype=dtype))
    assert dropped.dtype == dtype
    kept = (dropped != 0).double()
    assert 1 - kept.mean() == pytest.approx(77 / 256, abs=0.002)  # 0.3 in 256ths
    assert dropped.double().mean() == pytest.approx(1, abs=0.005)
    assert len(dropped.unique()) == 2
    # one value tells nothing of its neighbours, nor of one eight further on, which another random number decides
    for distance in (1, 2, 4, 7, 8, 16):
        both = (kept.flatten()[distance:] * kept.flatten()[:-distance]).mean()
        assert both == pytest.approx(float(kept.mean() ** 2), abs=0.003)
    for place in range(8):  # each byte of a random number is as random as the others
        assert kept.flatten()[place::8].mean() == pytest.approx(float(kept.mean()), abs=0.005)


def test_gradient_passes_where_the_value_did() -> None:
    values = torch.randn(50, 3, requires_grad=True)
    dropped = Dropout(0.5)(values)
    dropped.sum().backward()
    torch.testing.assert_close(values.grad * values.detach(), dropped.detach())


def test_follows_the_global_seed_and_the_mode() -> None:
    layer, values = Dropout(0.4), torch.randn(7, 5)
    draws = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        draws.append(layer(values))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert torch.equal(layer.eval()(values), values)
    assert torch.equal(Dropout(0.0)(values), values)
    with pytest.raises(ValueError, match="probability is 1"):
        Dropout(1.0)
