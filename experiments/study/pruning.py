"""Stopping trials that promise nothing."""

from typing import TYPE_CHECKING

from lightning.pytorch import Callback, LightningModule, Trainer

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

PRUNED = "pruned_at"  # step at which it was decided, as an attribute of the trial


class Pruning(Callback):
    """Reports the monitored score of each validation to Optuna, and stops training if it says so.

    What was decided once is not decided anew when the trial goes on after an interruption.

    Args:
        trial: The trial; None on all processes of a run but the first.
        monitor: The score.
    """

    def __init__(self, trial: "Trial | None", monitor: str) -> None:
        self.trial, self.monitor = trial, monitor
        kept = None if trial is None else as_kept(trial)
        self.reported = set(kept.intermediate_values) if kept else set()
        self.stop_at: int | None = kept.user_attrs.get(PRUNED) if kept else None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Do not train beyond the step at which it was to stop."""
        self._stop_if_due(trainer)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report, and stop or not."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        if self.trial is not None:
            self._report(self.trial, trainer)
        self._stop_if_due(trainer)

    def _stop_if_due(self, trainer: Trainer) -> None:
        self.stop_at = trainer.strategy.broadcast(self.stop_at)
        if self.stop_at is not None and trainer.global_step >= self.stop_at:
            trainer.should_stop = True

    def _report(self, trial: "Trial", trainer: Trainer) -> None:
        number = self._number(trainer)
        if number in self.reported:
            return
        self.reported.add(number)
        value = float(trainer.callback_metrics[self.monitor])
        if value == value:
            trial.report(value, number)
        if self.stop_at is None and trial.should_prune():
            self.stop_at = trainer.global_step
            trial.set_user_attr(PRUNED, self.stop_at)

    def _number(self, trainer: Trainer) -> int:
        """How many validations there have been, as it follows from the place in training."""
        loop, batches = trainer.fit_loop.epoch_loop, float(trainer.num_training_batches)
        epochs = trainer.current_epoch + loop.batch_progress.current.ready / batches
        return round(epochs * max(1.0, batches / float(trainer.val_check_batch or batches)))


def as_kept(trial: "Trial") -> "FrozenTrial":
    """A trial as it stands in the storage, where another process may have written too."""
    return next(each for each in trial.study.get_trials(deepcopy=False) if each.number == trial.number)
