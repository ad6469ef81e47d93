"""Optimizer and learning-rate scheduler of a training that goes on with other options than before."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info
from torch.optim.lr_scheduler import LRScheduler

from modules.optimisation import Schedule

Options = dict[str, object]
Groups = list[dict[str, Any]]  # of parameters that share their options


class OptimizerOverrides(Callback):
    """Brings the restored optimizer and scheduler in line with the configuration, from the first new step on.

    Options that differ from the checkpoint's take effect. Another optimizer or scheduler begins without the state of
    the former one; a planned schedule begins where the training stands.

    Args:
        before: Options of the task in the checkpoint, as in a configuration.
        after: Options that the user asks for.
    """

    def __init__(self, before: Options, after: Options) -> None:
        parts = ("optimizer", "scheduler")
        self.optimizer, self.scheduler = (changed_options(before.get(part), after.get(part)) for part in parts)
        other = {part: _class_of(before.get(part)) != _class_of(after.get(part)) for part in parts}
        self.other_optimizer = other["optimizer"]
        self.other_scheduler = other["scheduler"] or before.get("interval") != after.get("interval")

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep what the configuration says, before it is overwritten by what the checkpoint says."""
        self.groups = [dict(group) for group in _groups(trainer)]
        self.schedulers = [dict(vars(config.scheduler)) for config in trainer.lr_scheduler_configs]

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, object]) -> None:
        """Leave out the state of another optimizer or scheduler."""
        if trainer.state.fn == "fit":
            self._leave_out(checkpoint, "optimizer_states", "optimizer", self.other_optimizer)
            self._leave_out(checkpoint, "lr_schedulers", "scheduler", self.other_scheduler)

    def _leave_out(self, checkpoint: dict[str, object], part: str, what: str, other: bool) -> None:
        if other and checkpoint[part]:
            rank_zero_info(f"The {what} is another one than in the checkpoint, and begins without its state")
            checkpoint[part] = []

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Optimizers and schedulers are restored by now."""
        groups = _groups(trainer)
        if trainer.ckpt_path is None:
            return
        former = [group["initial_lr"] for group in groups]
        for group, asked in zip(groups, self.groups, strict=True):
            for name in {"initial_lr", "rate", *self.optimizer} - {"lr"}:
                group[name] = asked[name]
        rates = [group["initial_lr"] for group in groups]
        for config, asked in zip(trainer.lr_scheduler_configs, self.schedulers, strict=True):
            scheduler: object = config.scheduler
            if isinstance(scheduler, Schedule):
                stands = trainer.global_step if config.interval == "step" else trainer.current_epoch
                scheduler.base_lrs = [*rates]
                scheduler.go_to(stands if self.other_scheduler else scheduler.last_epoch)
            elif self.other_scheduler:
                _set_rates(groups, [group["lr"] for group in self.groups])
            elif self.scheduler or self.other_optimizer or former != rates:
                for name in self.scheduler:
                    _set_option(scheduler, name, asked)
                _go_on(scheduler, groups, getattr(scheduler, "base_lrs", former), rates)
        if not trainer.lr_scheduler_configs and (self.other_scheduler or former != rates):
            _set_rates(groups, rates)


def _go_on(scheduler: Any, groups: Groups, former: list[float], rates: list[float]) -> None:
    """Let one of PyTorch's schedulers go on from where it is, at other base rates or with other options."""
    shares = [last / base if base else 1.0 for last, base in zip(scheduler._last_lr, former, strict=True)]
    if isinstance(scheduler, LRScheduler):
        scheduler.base_lrs = [*rates]
    _set_rates(groups, [rate * share for rate, share in zip(rates, shares, strict=True)])
    if hasattr(scheduler, "_get_closed_form_lr"):  # of many of them: the rate as it follows from the options alone
        _set_rates(groups, scheduler._get_closed_form_lr())
    scheduler._last_lr = [group["lr"] for group in groups]


def _set_option(scheduler: object, name: str, asked: Options) -> None:
    if name not in asked:
        raise MisconfigurationException(
            f"{type(scheduler).__name__}.{name} cannot be changed when training goes on: leave it as it was, or take "
            "another scheduler"
        )
    setattr(scheduler, name, asked[name])


def _set_rates(groups: Groups, rates: list[float]) -> None:
    for group, rate in zip(groups, rates, strict=True):
        group["lr"] = rate


def _groups(trainer: Trainer) -> Groups:
    return [group for optimizer in trainer.optimizers for group in optimizer.param_groups]


def _class_of(options: object) -> str | None:
    return str(options["class_path"]) if isinstance(options, dict) else options if isinstance(options, str) else None


def changed_options(before: object, after: object) -> list[str]:
    """Names of the options of one class whose values differ.

    Args:
        before: ``{"class_path": ..., "init_args": {...}}`` or None, as in a configuration.
        after: Likewise. If the classes differ, no option can be carried over.
    """
    if not isinstance(before, dict) or not isinstance(after, dict) or before["class_path"] != after["class_path"]:
        return []
    old, new = before.get("init_args") or {}, after.get("init_args") or {}
    return sorted(name for name in old.keys() & new.keys() if old[name] != new[name])
