"""Averages of the weights over the training."""

from collections.abc import Sequence

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor

from modules.distributed import refuse_shared_out


class EMA(WeightAveraging):
    """Exponential moving average of the weights, which is validated, tested and kept in ``state_dict``.

    The first updates weigh the average less, ``(1 + n) / (10 + n)`` after ``n`` of them, so that a short training is
    not one of averages with the random weights it began from.

    Args:
        decay: Weight of the average against the current weights at each update.
        update_every_n_steps: Optimizer steps between updates.
        update_starting_at_step: First step that is averaged.

    Raises:
        MisconfigurationException: If ``decay`` is not between 0 and 1, or ``update_every_n_steps`` below 1; or if the
            strategy shares the weights out.
    """

    def __init__(
        self, decay: float = 0.999, update_every_n_steps: int = 1, update_starting_at_step: int | None = None
    ) -> None:
        if not 0 <= decay <= 1 or update_every_n_steps < 1:
            raise MisconfigurationException(
                f"EMA: decay is {decay}, update_every_n_steps {update_every_n_steps}; "
                "take a decay from 0 to 1, and at least 1 step"
            )

        def average(averaged: Sequence[Tensor], current: Sequence[Tensor], num_averaged: Tensor) -> None:
            weight = ((1 + num_averaged) / (10 + num_averaged)).clamp(max=decay).to(averaged[0].dtype)
            for mean, value in zip(averaged, current, strict=True):  # of one device and type
                if mean.is_floating_point():
                    mean.lerp_(value, 1 - weight)
                else:
                    mean.copy_(value)

        super().__init__(multi_avg_fn=average)
        self.every, self.start = update_every_n_steps, update_starting_at_step or 0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Make the average.

        Raises:
            MisconfigurationException: If each process has a part of the weights only.
        """
        refuse_shared_out(pl_module, "EMA averages")
        # The module is moved to its device after this; averages left behind would be fetched and sent at every step.
        self._device = trainer.strategy.root_device
        super().setup(trainer, pl_module, stage)

    def should_update(self, step_idx: int | None = None, epoch_idx: int | None = None) -> bool:
        """Whether the weights after this step are averaged."""
        return step_idx is not None and step_idx >= self.start and step_idx % self.every == 0
