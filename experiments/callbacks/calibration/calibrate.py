"""Calibration of what a task predicts, on the validation split."""

import math
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from datamodules.data import data_of
from datamodules.series.windows import Windows
from experiments.runs import command
from modules.calibration import Calibrator, Compared, check_coverage, fewest
from modules.task import Task

ROUGH = 0.03  # deviation of a coverage that is told


class Calibrate(Callback):
    """Calibrates classifiers, regressors and forecasters on the validation split, after each validation.

    Predictions then say how far they can be trusted: the probabilities of classes are scaled by a temperature, and
    come with the set of classes that holds the true one in so many of 100 cases; numbers and forecasts come with the
    interval that does. That holds for examples like those of the validation split. The calibration belongs to the
    weights that were validated: a checkpoint that is written before the next step, as ``best.ckpt`` is, carries it.

    Scores: ``calibration_error_scaled``, ``set_coverage`` and ``set_size``; ``interval_coverage`` and
    ``interval_width``, for forecasts in units of the scaled series. In validation they are those of the examples that
    the calibration was fitted to; those of the test split say what to expect.

    Args:
        coverage: Share of the truths that the sets or intervals are to hold.

    Raises:
        MisconfigurationException: If the coverage is not between 0 and 1.
    """

    def __init__(self, coverage: float = 0.9) -> None:
        check_coverage(coverage)
        self.coverage = coverage
        self.seen: list[Compared] = []
        self.before: Calibrator | None = None
        self.validated = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Refuse what cannot be calibrated.

        Raises:
            MisconfigurationException: If the task cannot be, or there is too little to validate on.
        """
        _calibrator_of(pl_module, self.coverage)
        if not trainer.enable_validation:
            raise MisconfigurationException("Calibrate needs a validation: leave it out, or let there be one")
        most, every = trainer.max_epochs, trainer.check_val_every_n_epoch
        if most is not None and every is not None and 0 <= most < every:
            raise MisconfigurationException(
                f"Calibrate needs a validation, and with trainer.check_val_every_n_epoch {every} there is none in "
                f"trainer.max_epochs {most}: leave it out, or validate more often"
            )
        self.validated = False
        examples = data_of(trainer).datasets["val"]
        _check_number(len(examples), self.coverage)
        number, what = len(examples), "validation examples"
        if isinstance(examples, Windows):
            number, what = examples.num_apart, "forecasts of the validation split that do not overlap"
        deviation = math.sqrt(self.coverage * (1 - self.coverage) / number)
        if deviation > ROUGH:
            rank_zero_warn(
                f"Calibrate: {number} {what} tell roughly what covers {self.coverage:.0%} of the truths: of others it "
                f"may be {100 * deviation:.0f} of 100 more or less (one deviation; --data.val_fraction)"
            )

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin anew."""
        self.seen = []

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: object, batch_idx: int, *_: object
    ) -> None:
        """Keep what is to be compared, unless another process counts it.

        Raises:
            MisconfigurationException: If own code returns nothing to compare.
        """
        if trainer.state.fn != "fit" or outputs is None:
            return
        if outputs.compared is None:
            raise MisconfigurationException(
                f"Calibrate: {type(pl_module).__name__}.step returns no Step with `compared`, what is calibrated"
            )
        self.seen.append(outputs.compared.cpu())

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Fit, before the task reports its scores."""
        if trainer.state.fn != "fit":
            return
        self.validated |= not trainer.sanity_checking
        calibrator = _calibrator_of(pl_module, self.coverage)
        state = self._fitted(trainer, calibrator)
        if state is None:
            rank_zero_warn("Calibrate: outputs of the validation split are no finite numbers, so nothing is calibrated")
            pl_module.calibration = None
            return
        calibrator.values = {name: state[name] for name in calibrator.values}
        for compared in self.seen:
            calibrator.update(compared)
        self.seen = []
        pl_module.calibration = calibrator

    def on_fit_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Say it if training ended before any validation."""
        if not self.validated and pl_module.calibration is None:
            rank_zero_warn(
                "Calibrate: this training ended without a validation, so nothing is calibrated: train longer "
                "(--trainer.max_epochs), or validate more often (--trainer.val_check_interval, "
                "--trainer.check_val_every_n_epoch)"
            )

    def on_validation_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Say it if this cannot calibrate."""
        if trainer.state.fn == "validate":
            self.on_test_start(trainer, pl_module)

    def on_test_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Likewise."""
        _calibrator_of(pl_module, self.coverage)
        kept: Calibrator | None = pl_module.calibration
        if kept is not None and kept.coverage == self.coverage:
            return
        has = "this run is not calibrated" if kept is None else f"this run is calibrated to {kept.coverage}"
        again = command("fit --ckpt_path", Path(trainer.default_root_dir))
        rank_zero_warn(
            f"Calibrate changes nothing here, since only fit calibrates, and {has}: "
            f"{again} --config configs/trainer/calibrate.yaml --trainer.max_epochs N"
        )

    on_predict_start = on_test_start

    def _fitted(self, trainer: Trainer, calibrator: Calibrator) -> dict[str, Any] | None:
        """The state that the first process has fitted to what all of them have seen; None if that is not finite."""
        parts: list[Any] = [self.seen]
        if trainer.world_size > 1:
            parts = [None] * trainer.world_size if trainer.is_global_zero else []
            torch.distributed.gather_object(self.seen, parts or None)
        found: dict[str, Any] | str | None = None
        if trainer.is_global_zero:
            compared = Compared.joined([some for part in parts for some in part])
            trying = trainer.sanity_checking or trainer.fast_dev_run  # type: ignore[attr-defined]
            try:
                _check_number(len(compared.target), 0 if trying else self.coverage)
            except MisconfigurationException as error:
                found = str(error)
            if found is None and compared.outputs.isfinite().all():
                calibrator.fit(compared)
                found = calibrator.state_dict()
        found = trainer.strategy.broadcast(found)
        if isinstance(found, str):
            raise MisconfigurationException(found)
        return found

    def on_sanity_check_start(self, trainer: Trainer, pl_module: Any) -> None:
        """Keep the calibration with which training goes on."""
        self.before = pl_module.calibration

    def on_sanity_check_end(self, trainer: Trainer, pl_module: Any) -> None:
        """Forget what a few examples said."""
        pl_module.calibration = self.before

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *_: object) -> None:
        """The weights are others now."""
        pl_module.calibration = None

    def on_load_checkpoint(self, trainer: Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Take up the calibration of the weights with which training goes on."""
        if trainer.state.fn == "fit":
            pl_module.take_calibration(checkpoint)


def _calibrator_of(task: LightningModule, coverage: float) -> Calibrator:
    calibrator = task.calibrator(coverage) if isinstance(task, Task) else None
    if calibrator is None:
        raise MisconfigurationException(
            f"Calibrate: it is not known how a {type(task).__name__} is calibrated; modules.classification.Classifier, "
            "modules.regression.Regressor and modules.forecasting.Forecaster are"
        )
    return calibrator


def _check_number(number: int, coverage: float) -> None:
    if number < fewest(coverage):
        raise MisconfigurationException(
            f"Calibrate: a coverage of {coverage} needs at least {fewest(coverage)} validation examples, and there are "
            f"{number}: raise data.val_fraction, or take a lower coverage"
        )
