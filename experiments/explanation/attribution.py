"""Integrated gradients: how much each number that a network is given moves what it says, away from a reference."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor, nn

STEPS = (32, 128, 512)  # points between reference and input; more where fewer do not add up
CLOSE = 0.05  # share of all contributions that may be missing from their sum


def check_captum() -> None:
    """Refuse to go on without captum.

    Raises:
        MisconfigurationException: If it is not installed.
    """
    try:
        import captum  # noqa: F401
    except ImportError as error:
        raise MisconfigurationException(f"explanations need captum ({error}): pip install 'leyden[explain]'") from error


def integrated_gradients(score: Callable[[Tensor], Tensor], inputs: Tensor, reference: Tensor) -> Tensor:
    """Integrated gradients (Sundararajan et al. 2017), as captum computes them.

    The memory is that of one step of training on the batch: the points between reference and input are taken one after
    the other.

    Args:
        score: What is explained, ``(batch)``, of such inputs; no example may look at another one.
        inputs: ``(batch, ...)``, floating point.
        reference: What they are compared with, of the same shape.

    Returns:
        Contributions of the same shape. Those of an example add up to what its score differs from that of its
        reference; where they do so only roughly, that is told.

    Raises:
        MisconfigurationException: If the score does not depend on the inputs by anything that has a gradient.
    """
    from captum.attr import IntegratedGradients

    with torch.no_grad():
        end, start = score(inputs).float(), score(reference).float()
    method = IntegratedGradients(score)
    for steps in STEPS:
        try:
            found: Tensor = method.attribute(inputs, reference, n_steps=steps, internal_batch_size=len(inputs))
        except RuntimeError as error:
            if "appears to not have been used" not in str(error) and "does not require grad" not in str(error):
                raise
            raise MisconfigurationException(
                "what this network says has no gradient with respect to its inputs, so it cannot be explained"
            ) from error
        found = found.detach().float()
        missing = (found.flatten(1).sum(1) - (end - start)).abs()
        rounding = 1e-5 * (1 + end.abs() + start.abs())
        if (missing <= CLOSE * found.flatten(1).abs().sum(1) + rounding).all():
            return found
    rank_zero_warn(
        f"the contributions to some predictions do not add up (more than {CLOSE:.0%} are missing): take them as rough"
    )
    return found


@contextmanager
def differentiable(network: nn.Module) -> Iterator[None]:
    """Where gradients can be computed of a network in evaluation mode."""
    # cuDNN has no gradients of a recurrent network in evaluation mode; PyTorch itself has.
    recurrent = any(isinstance(module, nn.RNNBase) for module in network.modules())
    with torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext(), torch.enable_grad():
        yield
