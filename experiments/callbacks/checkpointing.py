"""Checkpoints from which training goes on to the last bit."""

import signal
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.plain import fits
from experiments import events
from experiments.callbacks.monitors import Monitor, check_name, less_is_better, monitors, rank
from experiments.callbacks.non_finite import LossWatch
from experiments.callbacks.resuming import keep, take_up
from experiments.callbacks.signals import Interrupted, Signals
from experiments.callbacks.writing import DirectCheckpointIO, write_checkpoints
from experiments.lightning_patches import leave_signals, set_root
from experiments.runs import FOLDER, command
from modules.distributed import Agreement
from modules.faults import told

FIRST = 60.0  # seconds after which there is a checkpoint in any case


class RunCheckpoint(Checkpoint):
    """Writes ``checkpoints/last.ckpt`` and ``checkpoints/best.ckpt`` of a run.

    Both are written between two training steps, when everything that belongs to the step before (validation,
    schedulers, other callbacks) is done: so the state in the file is complete, and a run that goes on from it is
    equal, bit for bit, to one that was never stopped. The first one is written after the first validation or minute.
    Ctrl-C, SIGTERM and SIGUSR1 write ``last.ckpt`` after the step at hand and end the program; a loss that is NaN or
    infinite ends it with an error, before anything is written.

    It comes first among the callbacks, so that nothing is done for the next step before the state is written.

    Args:
        monitor: The validation score that chooses the best checkpoint. A score that is no number is never better, and
            of equal ones that with the lower ``val/loss`` is.
        mode: Whether the best is the least (``min``) or the greatest (``max``); follows from the score if not given.
        every_n_train_steps: Write ``last.ckpt`` every so many optimizer steps too, not just after every epoch.
        train_time_interval: Write ``last.ckpt`` whenever so much time has passed too.

    Raises:
        MisconfigurationException: If a number of steps is below 1, or a time below 0.
    """

    def __init__(
        self,
        monitor: str = "val/loss",
        mode: Literal["min", "max"] | None = None,
        every_n_train_steps: int | None = None,
        train_time_interval: timedelta | None = None,
    ) -> None:
        if every_n_train_steps is not None and every_n_train_steps < 1:
            raise MisconfigurationException(
                f"checkpoint.every_n_train_steps is {every_n_train_steps}; it must be at least 1, or null"
            )
        if train_time_interval is not None and train_time_interval < timedelta(0):
            raise MisconfigurationException(
                f"checkpoint.train_time_interval is {train_time_interval}; it must be a time, or null"
            )
        self.monitor, self.mode = monitor, mode
        self.every_n_train_steps, self.train_time_interval = every_n_train_steps, train_time_interval
        self.best_scores: dict[str, float] = {}  # of the best validation so far
        self.best_step = 0
        self.directions: dict[str, bool | None] = {}
        self._due: set[str] = set()
        self._last_step = 0
        self._last_time = 0.0
        self._written = False  # whether this run has a checkpoint
        self._moved = False  # whether anything was trained since the last one
        self._resume: dict[str, Any] | None = None
        self._signals, self._losses = Signals(), LossWatch()

    @property
    def state_key(self) -> str:
        """One key for all settings: another monitor or interval can go on from the same checkpoint."""
        return "RunCheckpoint"

    @property
    def best_score(self) -> float | None:
        """What is monitored, at its best."""
        return self.best_scores.get(self.monitor)

    def state_dict(self) -> dict[str, object]:
        """The best scores so far, and which way each score is better."""
        kept = {"monitor": self.monitor, "best_scores": self.best_scores, "best_step": self.best_step}
        return {**kept, "directions": self.directions}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best scores, if they were chosen by the same one."""
        forms = {"directions": dict[str, bool | None], "best_scores": dict[str, float], "best_step": int}
        for name, form in forms.items():
            if not fits(state_dict[name], form, finite=False):  # a score may be undefined
                raise ValueError(f"{name} of RunCheckpoint is not what it should be")
        self.directions = state_dict["directions"]
        if state_dict["monitor"] == self.monitor:
            self.best_scores, self.best_step = state_dict["best_scores"], state_dict["best_step"]

    # ---- what is monitored

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """See to it that the sanity check tells which scores there are."""
        self.directions |= directions_of(pl_module)
        known = all(monitor.score in self.directions for monitor in self._monitors(trainer))
        if trainer.ckpt_path is None and not known and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            trainer.num_sanity_val_steps = max(1, trainer.num_sanity_val_steps)

    def _monitors(self, trainer: Trainer) -> list[Monitor]:
        return [Monitor("checkpoint", self.monitor, self.mode), *monitors(trainer)]

    def on_sanity_check_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse to monitor what is not logged."""
        self.directions |= directions_of(pl_module)
        self._check_names(trainer, set(trainer.callback_metrics))

    def _check_names(self, trainer: Trainer, known: set[str]) -> None:
        for monitor in self._monitors(trainer) if trainer.enable_validation else ():
            check_name(monitor, known if monitor.name == "checkpoint" else {*known, "train/loss"})

    # ---- when to write

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Learn the folder of the run from the first process, and listen to signals."""
        set_root(trainer, trainer.strategy.broadcast(trainer.default_root_dir))
        self.folder = Path(trainer.default_root_dir) / FOLDER
        if stage == "fit":
            if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
                trainer.strategy.checkpoint_io = DirectCheckpointIO()
            leave_signals(trainer)
            self._signals.listen()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check what is monitored, and start the clock."""
        if trainer.ckpt_path is not None:  # there was no sanity check
            self._check_names(trainer, {*self.directions, *(self._resume or {}).get("metrics", {})})
        for monitor in self._monitors(trainer):
            less_is_better(monitor, self.directions)
        self._agreement = Agreement(trainer.world_size)
        self._last_time, self._last_step = time.monotonic(), trainer.global_step
        self._written, self._signals.waits = trainer.ckpt_path is not None, True

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note whether the score is the best so far."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        scores = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        self._check_names(trainer, set(trainer.callback_metrics))
        self.directions |= directions_of(pl_module)
        less = less_is_better(Monitor("checkpoint", self.monitor, self.mode), self.directions)
        if not self.best_scores or rank(scores, self.monitor, less) < rank(self.best_scores, self.monitor, less):
            self.best_scores, self.best_step = scores, trainer.global_step
            self._due.add("best")
        if not self._written:
            self._due.add("last")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: object, batch: object, batch_idx: int
    ) -> None:
        """Keep the loss, and note whether so many steps have passed."""
        self._moved = True
        if isinstance(outputs, dict) and "loss" in outputs:
            self._losses.keep(outputs["loss"], trainer, batch_idx)
        steps = self.every_n_train_steps
        if steps and trainer.global_step != self._last_step and trainer.global_step % steps == 0:
            self._last_step = trainer.global_step
            self._due.add("last")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """An epoch is over."""
        self._due.add("last")

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int) -> None:
        """Between two steps: take up the state of a checkpoint, write what is due, stop if asked."""
        if self._resume is not None:
            with told(f"{trainer.ckpt_path} cannot be used", AttributeError, LookupError):
                take_up(trainer, pl_module, self._resume)
            self._resume = None
        received = self._signals.received
        if self._between_steps(trainer, received is not None):
            go_on = command("fit --ckpt_path", self.folder.parent)
            raise Interrupted(received or signal.SIGTERM, f"stopped at step {trainer.global_step}; go on with: {go_on}")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what is due after the last step."""
        self._between_steps(trainer, False)

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give the signals back."""
        self._signals.give_back()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the signals back."""
        self._signals.give_back()

    def _between_steps(self, trainer: Trainer, asked: bool) -> bool:
        """Write what is due; whether any process was asked to stop."""
        wrong = self._losses.look(trainer, wait=bool(self._due) or asked)
        stop, late, spoiled = self._agreement.any([asked, self._is_late(), wrong is not None])
        if (stop or late) and not spoiled:
            wrong = self._losses.look(trainer, wait=True)
            spoiled = self._agreement.any([wrong is not None])[0]
            self._due.add("last")
        if spoiled:
            raise MisconfigurationException(wrong or "the loss is no finite number on another process")
        if self._due and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            write_checkpoints(trainer, self.folder, sorted(self._due))
            self._written = True
        if "last" in self._due:
            self._last_time, self._moved = time.monotonic(), False
        self._due.clear()
        return stop

    def _is_late(self) -> bool:
        interval = self.train_time_interval.total_seconds() if self.train_time_interval else None
        if not self._written:
            interval = FIRST if interval is None else min(FIRST, interval)
        return interval is not None and self._moved and time.monotonic() - self._last_time > interval

    # ---- what to write

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Add what is needed to go on to the last bit."""
        keep(trainer, pl_module, checkpoint)
        for logger in trainer.loggers:  # what was logged before a checkpoint must survive if the checkpoint does
            logger.save()
        checkpoint["events"] = events.sizes(self.folder.parent)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Keep the state until the first step."""
        if trainer.state.fn == "fit":
            self._resume = checkpoint.get("resume")


def directions_of(module: LightningModule) -> dict[str, bool | None]:
    """Whether more is better of each score of a task, as far as it knows."""
    directions: dict[str, bool | None] = module.directions  # type: ignore[assignment]
    return directions
