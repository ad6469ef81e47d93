"""Averages of the weights over the training."""

from lightning.pytorch.callbacks import EMAWeightAveraging


class EMA(EMAWeightAveraging):
    """Exponential moving average of the weights, which is validated, tested and kept in ``state_dict``.

    Lightning's callback, made to go on exactly after a restart and to work on several processes.

    Args:
        decay: Weight of the average against the current weights at each update.
        update_every_n_steps: Optimizer steps between updates.
        update_starting_at_step: First step that is averaged.
    """

    def __init__(
        self, decay: float = 0.999, update_every_n_steps: int = 1, update_starting_at_step: int | None = None
    ) -> None:
        super().__init__(
            decay=decay, update_every_n_steps=update_every_n_steps, update_starting_at_step=update_starting_at_step
        )
