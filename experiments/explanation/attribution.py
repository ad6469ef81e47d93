"""Integrated gradients: how much each number that a network is given moves what it says, away from a reference."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor, nn

from experiments.messages import needing

STEPS = (32, 128, 512, 2048)  # points between reference and input; more where fewer do not add up
CLOSE = 0.05  # share of all contributions that may be missing from their sum


def check_captum() -> None:
    """Refuse to go on without captum.

    Raises:
        MisconfigurationException: If it is not installed.
    """
    with needing("explanations need captum", "explain"):
        import captum  # noqa: F401


def integrated_gradients(score: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, reference: Tensor) -> Tensor:
    """Integrated gradients (Sundararajan et al. 2017), as captum computes them.

    The memory is that of one step of training on the batch. Examples whose contributions do not add up, such as rows
    with a number far out, are done again in smaller steps.

    Args:
        score: What is explained, ``(examples)``, of such inputs ``(examples, ...)``, and of which examples of the batch
            these are ``(examples)``; no example may look at another one.
        inputs: ``(batch, ...)``, floating point.
        reference: What they are compared with, of the same shape.

    Returns:
        Contributions of the same shape. Those of an example add up to what its score differs from that of its
        reference; where they do so only roughly, that is told.

    Raises:
        MisconfigurationException: If the score does not depend on the inputs by anything that has a gradient.
    """
    from captum.attr import IntegratedGradients

    rest = torch.arange(len(inputs), device=inputs.device)
    with torch.no_grad():
        end, start = score(inputs, rest).float(), score(reference, rest).float()
    rounding = 1e-5 * (1 + end.abs() + start.abs())
    method, found = IntegratedGradients(score), torch.zeros_like(inputs, dtype=torch.float)
    for steps in STEPS:
        try:
            found[rest] = method.attribute(
                inputs[rest],
                reference[rest],
                additional_forward_args=(rest,),
                n_steps=steps,
                method="riemann_middle",
                internal_batch_size=len(inputs),
            ).float()
        except RuntimeError as error:
            if "appears to not have been used" not in str(error) and "does not require grad" not in str(error):
                raise
            raise MisconfigurationException(
                "what this network says has no gradient with respect to its inputs, so it cannot be explained"
            ) from error
        missing = (found.flatten(1).sum(1) - (end - start)).abs()
        rest = (missing > CLOSE * found.flatten(1).abs().sum(1) + rounding).nonzero().flatten()
        if not len(rest):
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
