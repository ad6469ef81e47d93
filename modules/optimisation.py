"""Optimisation: parameter groups, and learning-rate schedules that know how long training is."""

import math
from abc import abstractmethod

from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


def parameter_groups(module: nn.Module, decay_all: bool) -> list[dict[str, object]]:
    """Groups of parameters that share a learning rate and weight decay.

    Frozen ones too: they may be trained later, and an optimizer passes over parameters without a gradient.

    Args:
        module: Whose parameters. A network or callback may give one a ``rate``: its factor on the learning rate.
        decay_all: Whether weight decay also pulls on norms, biases and embeddings.
    """
    embeddings = {id(m.weight) for m in module.modules() if isinstance(m, (nn.Embedding, nn.EmbeddingBag))}
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for p in module.parameters():
        decayed = decay_all or (p.ndim >= 2 and id(p) not in embeddings)  # norms and biases are vectors
        groups.setdefault((getattr(p, "rate", 1.0), decayed), []).append(p)
    return [
        {"params": parameters, "rate": rate, **({} if decayed else {"weight_decay": 0.0})}
        for (rate, decayed), parameters in groups.items()
    ]


class Schedule(LRScheduler):
    """Base of the schedules: a factor on every group's learning rate, planned over the whole training.

    Args:
        optimizer: The optimizer whose rates are scheduled.
        warmup: Length of the linear warm-up; a fraction of the training if below 1, else a number of steps
            (or epochs, whichever the scheduler goes by).

    Raises:
        ValueError: If ``warmup`` is negative or not finite.
    """

    def __init__(self, optimizer: Optimizer, warmup: float = 0.0) -> None:
        if not 0 <= warmup < math.inf:
            raise ValueError(f"{type(self).__name__}.warmup is {warmup}; it must not be below 0, and must be finite")
        self.warmup = warmup
        self.total = 1
        super().__init__(optimizer)

    def plan(self, total: int) -> None:
        """Set the number of steps (or epochs) that training takes, and the rate of the first one.

        Raises:
            ValueError: If training has no end (``max_epochs`` and ``max_steps`` are both -1).
        """
        if total < 1:
            raise ValueError(
                f"{type(self).__name__} has no steps to plan for: give trainer.max_epochs or trainer.max_steps, and "
                "leave trainer.limit_train_batches at a batch or more"
            )
        self.total = total
        self.go_to(self.last_epoch)

    def go_to(self, step: int) -> None:
        """Set the rates to those of a step (or epoch) of the plan."""
        self.last_epoch = step
        self._last_lr = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = rate

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Take up where a checkpoint was; the plan itself is that of the training at hand."""
        super().load_state_dict({name: state_dict[name] for name in ("last_epoch", "_step_count")})

    @abstractmethod
    def factor(self, step: int, warmup: float) -> float:
        """Factor on the learning rate after the warm-up of ``warmup`` steps."""

    def rise(self, step: int, warmup: float) -> float:
        """Factor on the learning rate during the warm-up."""
        return (step + 1) / (warmup + 1)

    def _progress(self, step: int, warmup: float) -> float:
        """How much of what comes after the warm-up is done, from 0 to 1."""
        return min(1.0, (step - warmup) / max(1.0, self.total - warmup))

    def get_lr(self) -> list[float | Tensor]:
        """Learning rate of each parameter group at ``last_epoch`` (PyTorch's name for the steps taken)."""
        warmup = self.warmup * self.total if self.warmup < 1 else self.warmup
        step = self.last_epoch
        factor = self.rise(step, warmup) if step < warmup else self.factor(step, warmup)
        return [base * factor for base in self.base_lrs]


class Cosine(Schedule):
    """Warm-up, then half a cosine down to ``final`` times the rate (Loshchilov & Hutter 2017, without restarts).

    Args:
        optimizer: The optimizer whose rates are scheduled.
        warmup: Fraction of the training if below 1, else steps (or epochs).
        final: Factor at the end.
    """

    def __init__(self, optimizer: Optimizer, warmup: float = 0.0, final: float = 0.0) -> None:
        if not 0 <= final <= 1:
            raise ValueError(f"Cosine.final is {final}; it must be from 0 to 1")
        self.final = final
        super().__init__(optimizer, warmup)

    def factor(self, step: int, warmup: float) -> float:
        """Half a cosine from 1 to ``final``."""
        return half_cosine(1, self.final, math.pi * self._progress(step, warmup))


class Linear(Schedule):
    """Warm-up, then a straight line down to zero (Devlin et al. 2019)."""

    def factor(self, step: int, warmup: float) -> float:
        """Straight line from 1 to 0."""
        return 1 - self._progress(step, warmup)


class InverseSquareRoot(Schedule):
    """Warm-up, then the rate falls with the square root of the steps (Vaswani et al. 2017, section 5.3)."""

    def factor(self, step: int, warmup: float) -> float:
        """``sqrt(warmup / step)``."""
        return math.sqrt((warmup + 1) / (step + 1))


class OneCycle(Schedule):
    """Half a cosine up to the rate, then half a cosine down (Smith & Topin 2018; the momentum is left alone).

    Args:
        optimizer: The optimizer whose rates are scheduled.
        warmup: Fraction of the training if below 1, else steps (or epochs), that the rate rises.
        start: Factor at the first step.
        final: Factor at the end.
    """

    def __init__(self, optimizer: Optimizer, warmup: float = 0.3, start: float = 0.04, final: float = 4e-6) -> None:
        self.start, self.final = start, final
        super().__init__(optimizer, warmup)

    def rise(self, step: int, warmup: float) -> float:
        """Half a cosine from ``start`` to 1."""
        return half_cosine(self.start, 1, math.pi * step / warmup)

    def factor(self, step: int, warmup: float) -> float:
        """Half a cosine from 1 to ``final``."""
        return half_cosine(1, self.final, math.pi * self._progress(step, warmup))


def half_cosine(begin: float, end: float, angle: float) -> float:
    """Half a cosine from ``begin`` at an angle of 0 to ``end`` at pi."""
    return end + (begin - end) * 0.5 * (1 + math.cos(angle))
