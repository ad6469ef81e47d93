"""Checkpoints from which training goes on to the last bit."""

import math
import os
import shutil
import signal
import time
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from experiments import events
from experiments.callbacks.monitors import Monitor, check_name, less_is_better, monitors
from experiments.callbacks.resuming import keep, take_up
from experiments.lightning_patches import set_root
from experiments.runs import FOLDER, command


class Interrupted(Exception):
    """Training was asked to stop, and has written a checkpoint.

    Attributes:
        signum: The signal that asked.
    """

    def __init__(self, signum: int, message: str) -> None:
        super().__init__(message)
        self.signum = signum


class RunCheckpoint(Checkpoint):
    """Writes ``checkpoints/last.ckpt`` and ``checkpoints/best.ckpt`` of a run.

    Both are written between two training steps, when everything that belongs to the step before (validation,
    schedulers, other callbacks) is done: so the state in the file is complete, and a run that goes on from it is
    equal, bit for bit, to one that was never stopped. Ctrl-C, SIGTERM and SIGUSR1 write ``last.ckpt`` after the step
    at hand and end the program.

    Args:
        monitor: The validation score that chooses the best checkpoint. A score that is no number is never better, and
            of equal ones that with the lower ``val/loss`` is.
        mode: Whether the best is the least (``min``) or the greatest (``max``); follows from the score if not given.
        every_n_train_steps: Write ``last.ckpt`` every so many optimizer steps too, not just after every epoch.
        train_time_interval: Write ``last.ckpt`` whenever so much time has passed too.
    """

    def __init__(
        self,
        monitor: str = "val/loss",
        mode: Literal["min", "max"] | None = None,
        every_n_train_steps: int | None = None,
        train_time_interval: timedelta | None = None,
    ) -> None:
        self.monitor, self.mode = monitor, mode
        self.every_n_train_steps, self.train_time_interval = every_n_train_steps, train_time_interval
        self.best_scores: dict[str, float] = {}  # of the best validation so far
        self.best_step = 0
        self.directions: dict[str, bool | None] = {}
        self._due: set[str] = set()
        self._last_step = self._last_time = 0.0
        self._resume: dict[str, Any] | None = None
        self._signal: int | None = None
        self._handlers: dict[int, Any] = {}

    @property
    def state_key(self) -> str:
        """One key for all settings: another monitor or interval can go on from the same checkpoint."""
        return "RunCheckpoint"

    @property
    def best_score(self) -> float | None:
        """What is monitored, at its best."""
        return self.best_scores.get(self.monitor)

    def state_dict(self) -> dict[str, Any]:
        """The best scores so far, and which way each score is better."""
        kept = {"monitor": self.monitor, "best_scores": self.best_scores, "best_step": self.best_step}
        return {**kept, "directions": self.directions}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the best scores, if they were chosen by the same one."""
        self.directions = state_dict["directions"]
        if state_dict["monitor"] == self.monitor:
            self.best_scores, self.best_step = state_dict["best_scores"], state_dict["best_step"]

    # ---- what is monitored

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """See to it that the sanity check tells which scores there are."""
        self.directions |= pl_module.directions  # type: ignore[arg-type, operator]
        known = all(monitor.score in self.directions for monitor in self._monitors(trainer))
        if trainer.ckpt_path is None and not known and not trainer.fast_dev_run:  # type: ignore[attr-defined]
            trainer.num_sanity_val_steps = max(1, trainer.num_sanity_val_steps)

    def _monitors(self, trainer: Trainer) -> list[Monitor]:
        return [Monitor("checkpoint", self.monitor, self.mode), *monitors(trainer)]

    def on_sanity_check_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse to monitor what is not logged."""
        self.directions |= pl_module.directions  # type: ignore[arg-type, operator]
        self._check_names(trainer, set(trainer.callback_metrics))

    def _check_names(self, trainer: Trainer, known: set[str]) -> None:
        for monitor in self._monitors(trainer) if trainer.enable_validation else ():
            check_name(monitor, known if monitor.name == "checkpoint" else {*known, "train/loss"})

    # ---- when to write

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Learn the folder of the run from the first process."""
        set_root(trainer, trainer.strategy.broadcast(trainer.default_root_dir))
        self.folder = Path(trainer.default_root_dir) / FOLDER

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check what is monitored, start the clock and listen to signals."""
        if trainer.ckpt_path is not None:  # there was no sanity check
            self._check_names(trainer, {*self.directions, *(self._resume or {}).get("metrics", {})})
        for monitor in self._monitors(trainer):
            less_is_better(monitor, self.directions)
        self._last_time, self._last_step = time.monotonic(), trainer.global_step
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            self._handlers[signum] = signal.signal(signum, self._on_signal)

    def _on_signal(self, signum: int, frame: FrameType | None) -> None:
        if self._signal is not None and signum == signal.SIGINT:  # asked twice: do not wait for the step
            raise KeyboardInterrupt
        self._signal = signum

    def _forget_signals(self) -> None:
        while self._handlers:
            signum, handler = self._handlers.popitem()
            signal.signal(signum, handler)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note whether the score is the best so far."""
        if trainer.sanity_checking or trainer.state.fn != "fit":
            return
        scores = {name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")}
        self._check_names(trainer, set(trainer.callback_metrics))
        self.directions |= pl_module.directions  # type: ignore[arg-type, operator]
        if not self.best_scores or self._rank(scores) < self._rank(self.best_scores):
            self.best_scores, self.best_step = scores, trainer.global_step
            self._due.add("best")

    def _rank(self, scores: dict[str, float]) -> tuple[bool, float, float]:
        less = less_is_better(Monitor("checkpoint", self.monitor, self.mode), self.directions)
        score, loss = scores[self.monitor], scores.get("val/loss", math.nan)
        # Only numbers can be compared.
        rank = 0.0 if math.isnan(score) else score if less else -score
        return math.isnan(score), rank, math.inf if math.isnan(loss) else loss

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        """Note whether so many steps, or so much time, have passed."""
        steps, interval = self.every_n_train_steps, self.train_time_interval
        if steps and trainer.global_step != self._last_step and trainer.global_step % steps == 0:
            self._last_step = trainer.global_step
            self._due.add("last")
        if interval:
            late = time.monotonic() - self._last_time > interval.total_seconds()
            if trainer.strategy.broadcast(late):  # the clocks of the processes differ
                self._due.add("last")

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """An epoch is over."""
        self._due.add("last")

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Between two steps: take up the state of a checkpoint, write what is due, stop if asked."""
        if self._resume is not None:
            take_up(trainer, pl_module, self._resume)
            self._resume = None
        stop = self._signal is not None
        if trainer.world_size > 1:
            stop = trainer.strategy.reduce_boolean_decision(stop, all=False)
        if stop:
            self._due.add("last")
        self._write(trainer)
        if stop:
            go_on = command("fit --ckpt_path", self.folder.parent)
            raise Interrupted(
                self._signal or signal.SIGTERM, f"stopped at step {trainer.global_step}; go on with: {go_on}"
            )

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write what is due after the last step."""
        self._write(trainer)
        self._forget_signals()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Give the signals back."""
        self._forget_signals()

    # ---- what to write

    def _write(self, trainer: Trainer) -> None:
        written: Path | None = None
        for name in sorted(self._due):
            if not trainer.fast_dev_run:  # type: ignore[attr-defined]
                path = self.folder / f"{name}.ckpt"
                self._write_one(trainer, path, written)
                written = path
        if "last" in self._due:
            self._last_time = time.monotonic()
        self._due.clear()

    def _write_one(self, trainer: Trainer, path: Path, same: Path | None) -> None:
        # Written beside and renamed, so that an interrupted or failed write leaves the previous file as it was.
        beside = path.with_suffix(".tmp")
        try:
            if same is None or same.is_dir():  # sharded strategies write a folder
                trainer.save_checkpoint(beside, weights_only=False)
            elif trainer.is_global_zero:  # a copy, no link: should one file be damaged, the other is not
                shutil.copyfile(same, beside)
            if trainer.is_global_zero:
                _sync(beside)
                os.replace(beside, path)
        except (OSError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "write" not in str(error):
                raise
            beside.unlink(missing_ok=True)
            raise MisconfigurationException(
                f"{path} could not be written ({str(error).splitlines()[0]}); the checkpoint before it is untouched. "
                f"Make room, then: {command('fit --ckpt_path', path.parent.parent)}"
            ) from error

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


def _sync(path: Path) -> None:
    if path.is_file():
        with path.open("rb") as file:
            os.fsync(file.fileno())
