"""Dropout that is cheap on CPUs."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Dropout(nn.Module):
    """Dropout (Srivastava et al. 2014) whose random numbers cost a quarter of PyTorch's on a CPU.

    A 64-bit random number decides over eight values instead of one, a byte each, so the probability is rounded to
    256ths there (0.3 to 0.3008); the values kept are scaled by what was rounded to, so the mean stays exact.

    Args:
        p: Probability of dropping a value.
    """

    def __init__(self, p: float = 0.1) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"the dropout probability is {p}; it must be at least 0 and below 1")
        self.p = p

    def forward(self, values: Tensor) -> Tensor:
        """Values of any shape, some of them zero in training."""
        if not self.training or self.p == 0:
            return values
        if values.device.type != "cpu":
            return F.dropout(values, self.p)
        dropped = min(255, round(self.p * 256))
        numbers = torch.empty(values.numel() // 8 + 1, dtype=torch.long).random_(-(2**63), None)
        kept = numbers.view(torch.uint8)[: values.numel()] >= dropped
        mask = kept.to(values.dtype).mul_(256 / (256 - dropped))
        return values * mask.view(values.shape)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"
