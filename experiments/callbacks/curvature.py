"""The curvature of the loss: its Hessian, or trace and extreme eigenvalues where that is too large."""

from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from modules.distributed import refuse_shared_out
from modules.task import Task

Loss = Callable[[Tensor], Tensor]
Product = Callable[[Tensor], Tensor]


class Curvature(Callback):
    """Logs how sharply the loss is curved where training stands, for any task.

    Up to ``max_exact`` trained parameters the Hessian is computed exactly; beyond, its trace is estimated (Hutchinson
    1990) and its extreme eigenvalues are found by the Lanczos iteration, both from products of the Hessian and a
    vector. Logged under ``curvature/``: ``trace``, ``largest`` and ``smallest`` eigenvalue, ``eigenvalue_2`` and so on;
    of an exact Hessian also the histogram of its spectrum. The loss is that of the first validation batches, without
    dropout, in full precision. Training is not changed by it.

    Args:
        every_n_epochs: Epochs from one measurement to the next.
        num_batches: Validation batches over which the loss is taken.
        max_exact: Greatest number of parameters for the exact Hessian (its memory grows with the square).
        num_eigenvalues: How many of the largest eigenvalues are logged.
        num_probes: Random vectors of the estimate of the trace; its relative error falls with their root.
        num_steps: Greatest number of Lanczos steps.
    """

    def __init__(
        self,
        every_n_epochs: int = 1,
        num_batches: int = 1,
        max_exact: int = 3000,
        num_eigenvalues: int = 3,
        num_probes: int = 30,
        num_steps: int = 40,
    ) -> None:
        self.every_n_epochs, self.num_batches, self.max_exact = every_n_epochs, num_batches, max_exact
        self.num_eigenvalues, self.num_probes, self.num_steps = num_eigenvalues, num_probes, num_steps
        self.batches: list[object] = []

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse a network of which each process has a part only."""
        refuse_shared_out(pl_module, "Curvature differentiates")

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew."""
        self.batches = []

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
        *args: object,
    ) -> None:
        """Keep the first batches."""
        due = not trainer.sanity_checking and (trainer.current_epoch + 1) % self.every_n_epochs == 0
        if due and trainer.is_global_zero and trainer.state.fn == "fit" and len(self.batches) < self.num_batches:
            with torch.inference_mode(False):  # copies made outside can be differentiated through
                self.batches.append(tree_map(lambda x: x.clone() if isinstance(x, Tensor) else x, batch))

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Measure and log."""
        if not self.batches:
            return
        assert isinstance(pl_module, Task)
        with torch.inference_mode(False), torch.enable_grad():
            loss, parameters = loss_of(pl_module, self.batches)
            eigenvalues, trace, exact = self.measure(loss, parameters)
        largest = eigenvalues.flip(0)[: self.num_eigenvalues].tolist()
        scores = {"trace": trace, "largest": largest[0], "smallest": eigenvalues[0].item()}
        scores |= {f"eigenvalue_{i}": value for i, value in enumerate(largest[1:], start=2)}
        for logger in trainer.loggers:
            logger.log_metrics({f"curvature/{name}": value for name, value in scores.items()}, trainer.global_step)
            board: object = getattr(logger, "experiment", None)
            if exact and hasattr(board, "add_histogram"):
                board.add_histogram("curvature/spectrum", eigenvalues, trainer.global_step)
        self.batches = []

    def measure(self, loss: Loss, parameters: Tensor) -> tuple[Tensor, float, bool]:
        """Eigenvalues (all, or extreme ones), trace, and whether they are exact."""
        if len(parameters) <= self.max_exact:
            eigenvalues = torch.linalg.eigvalsh(hessian(loss, parameters).double())
            return eigenvalues, eigenvalues.sum().item(), True
        product = hessian_product(loss, parameters)
        eigenvalues = lanczos(product, parameters, self.num_steps)
        return eigenvalues, hutchinson(product, parameters, self.num_probes), False


def loss_of(task: Task, batches: list[object]) -> tuple[Loss, Tensor]:
    """The loss of a task over some batches as a function of its trained parameters, as one vector.

    Args:
        task: A task; its network is taken as it is in evaluation.
        batches: What its ``step`` takes.

    Returns:
        The function, and the parameters ``(parameters,)`` where the task stands.
    """
    trained = {name: p.detach() for name, p in task.named_parameters() if p.requires_grad}
    sizes = [p.numel() for p in trained.values()]

    def loss(vector: Tensor) -> Tensor:
        parts = zip(trained.items(), vector.split(sizes), strict=True)
        values = {f"task.{name}": part.view_as(p) for (name, p), part in parts}
        total: Tensor = torch.func.functional_call(_Loss(task), values, (batches,))
        return total

    return loss, torch.cat([p.flatten() for p in trained.values()])


class _Loss(nn.Module):
    """Makes ``step`` the forward pass, as ``torch.func.functional_call`` wants it."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    def forward(self, batches: list[object]) -> Tensor:
        steps = [self.task.step(batch) for batch in batches]
        total = torch.stack([step.loss * step.size for step in steps]).sum()
        return total / sum(step.size for step in steps)


def hessian(loss: Loss, parameters: Tensor) -> Tensor:
    """The exact Hessian ``(parameters, parameters)`` of a loss."""
    matrix: Tensor = torch.func.jacrev(torch.func.grad(loss), chunk_size=256)(parameters)
    return (matrix + matrix.T) / 2


def hessian_product(loss: Loss, parameters: Tensor) -> Product:
    """The function that multiplies the Hessian of a loss by a vector ``(parameters,)``."""
    product: Any = torch.func.vjp(torch.func.grad(loss), parameters)[1]  # the Hessian is symmetric
    return lambda vector: product(vector, retain_graph=True)[0]


def hutchinson(product: Product, parameters: Tensor, num_probes: int) -> float:
    """Estimate the trace of a matrix as the mean of ``v @ A @ v`` over random signs ``v`` (Hutchinson 1990).

    Args:
        product: Multiplies the matrix by a vector.
        parameters: A vector of the right size, type and device.
        num_probes: Number of random vectors, which are drawn apart from all other random numbers.
    """
    generator = torch.Generator().manual_seed(0)
    total = 0.0
    for _ in range(num_probes):
        signs = torch.randint(0, 2, parameters.shape, generator=generator).to(parameters) * 2 - 1
        total += (signs @ product(signs)).item()
    return total / num_probes


def lanczos(product: Product, parameters: Tensor, num_steps: int) -> Tensor:
    """Extreme eigenvalues of a symmetric matrix (Lanczos 1950), each vector made orthogonal to all before it.

    Args:
        product: Multiplies the matrix by a vector.
        parameters: A vector of the right size, type and device.
        num_steps: Greatest number of products.

    Returns:
        At most ``num_steps`` values, ascending; the outermost are the nearest to eigenvalues.
    """
    generator = torch.Generator().manual_seed(0)
    vector = torch.randn(parameters.shape, generator=generator, dtype=torch.float64)
    basis = [vector / vector.norm()]
    diagonal: list[float] = []
    beside: list[float] = []
    while True:
        image = product(basis[-1].to(parameters)).double().cpu()
        diagonal.append((basis[-1] @ image).item())
        all_of_them = torch.stack(basis)
        for _ in range(2):  # once leaves rounding errors that grow
            image = image - all_of_them.T @ (all_of_them @ image)
        length = image.norm().item()
        if len(basis) == min(num_steps, len(parameters)) or length <= 1e-7 * max(map(abs, diagonal)):
            break
        beside.append(length)
        basis.append(image / length)
    off = torch.tensor(beside, dtype=torch.float64)
    matrix = torch.tensor(diagonal, dtype=torch.float64).diag() + off.diag(1) + off.diag(-1)
    eigenvalues: Tensor = torch.linalg.eigvalsh(matrix)
    return eigenvalues
