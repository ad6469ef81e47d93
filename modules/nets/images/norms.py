"""Batch normalization where there is a single value to normalize over."""

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def normalize_single_by_running(net: nn.Module) -> None:
    """Let the batch-norm layers of a network use their running statistics where a channel has a single value.

    A training batch of one image that has shrunk to one point has no variance, and PyTorch raises an error.
    """
    for module in net.modules():
        if isinstance(module, _BatchNorm):
            module.register_forward_pre_hook(_before)
            module.register_forward_hook(_after, always_call=True)


def _before(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    single = module.training and inputs[0].numel() == inputs[0].shape[1]
    module.paused = single  # type: ignore[assignment]
    if single:
        module.training = False


def _after(module: nn.Module, inputs: object, output: object) -> None:
    if module.paused:
        module.training = True
