import pytest
import torch

from modules.nets.forecasting.base import normalise, restore


@pytest.mark.parametrize("how", ["none", "last", "mean", "standard"])
def test_what_is_taken_out_is_put_back(how):
    series = torch.randn(4, 10, 3) * 5 + 2
    inner, level, spread = normalise(series, how)
    torch.testing.assert_close(restore(inner.unsqueeze(-1), level, spread).squeeze(-1), series)
    if how == "standard":
        torch.testing.assert_close(inner.mean(1), torch.zeros(4, 3), atol=1e-5, rtol=0)
        torch.testing.assert_close(inner.std(1, unbiased=False), torch.ones(4, 3), atol=1e-3, rtol=0)
