"""What a run shows on the screen: a progress bar that fits, and the size of the network."""

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelSummary, TQDMProgressBar

from experiments.callbacks.checkpointing import RunCheckpoint


class Progress(TQDMProgressBar):
    """Progress bar with the training loss, the score that chooses the best checkpoint, and the time left.

    Args:
        refresh_rate: Steps between two updates.
        process_position: Line on the screen, where there are several bars.
        leave: Whether the bar of an epoch stays when the next begins.
    """

    BAR_FORMAT = "{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{remaining} left{postfix}]"

    def __init__(self, refresh_rate: int = 20, process_position: int = 0, leave: bool = False) -> None:
        super().__init__(refresh_rate, process_position, leave)

    def on_train_epoch_start(self, trainer: Trainer, *args: object) -> None:
        """Say how many epochs there are."""
        super().on_train_epoch_start(trainer, *args)
        last = f"/{trainer.max_epochs}" if trainer.max_epochs and trainer.max_epochs > 0 else ""
        self.train_progress_bar.set_description(f"Epoch {trainer.current_epoch + 1}{last}")

    def get_metrics(
        self, trainer: Trainer, pl_module: LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """The two numbers that tell whether training goes well; ``metrics.json`` and the board have them all."""
        shown = {c.monitor for c in trainer.checkpoint_callbacks if isinstance(c, RunCheckpoint)} | {"train/loss"}
        return {name: value for name, value in super().get_metrics(trainer, pl_module).items() if name in shown}


class Summary(ModelSummary):
    """Table of the network's parts and their numbers of parameters."""

    @staticmethod
    def summarize(
        summary_data: list[tuple[str, list[str]]],
        total_parameters: int,
        trainable_parameters: int,
        model_size: float,
        *args: object,
        **kwargs: object,
    ) -> None:
        """Show the parts that have parameters."""
        columns = dict(summary_data)
        rows = zip(columns["Name"], columns["Type"], columns["Params"], strict=True)
        lines = [f"  {name:<16} {kind:<24} {count:>8}" for name, kind, count in rows if count.strip() != "0"]
        trained = "all" if trainable_parameters == total_parameters else f"{trainable_parameters:,}"
        lines.append(f"{total_parameters:,} parameters ({model_size:,.1f} MB), {trained} of them trained")
        print("\n".join(lines))  # on one process; what is wrong stands alone on the other stream
