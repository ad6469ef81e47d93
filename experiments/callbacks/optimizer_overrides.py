"""Options of the optimizer and scheduler that the user changes when training goes on."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class Overrule(Callback):
    """Puts changed options in place of those that the restored optimizer and scheduler brought along.

    Args:
        optimizer: Option -> (value in the checkpoint, value asked for).
        scheduler: Likewise for the learning-rate scheduler.
    """

    def __init__(self, optimizer: dict[str, tuple[Any, Any]], scheduler: dict[str, tuple[Any, Any]]) -> None:
        self.optimizer, self.scheduler = optimizer, scheduler

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Optimizers and schedulers are restored by now."""
        old_rate, new_rate = self.optimizer.get("lr", (1.0, 1.0))
        factor = new_rate / old_rate
        for group in (group for optimizer in trainer.optimizers for group in optimizer.param_groups):
            for name in {"lr", "initial_lr"} & set(group):  # wherever the schedule stands, it goes on from there
                group[name] *= factor
            for name, (old, new) in self.optimizer.items():
                if name != "lr" and group.get(name) == old:  # a group may have a value of its own
                    group[name] = new
        for config in trainer.lr_scheduler_configs:
            if hasattr(config.scheduler, "base_lrs"):
                config.scheduler.base_lrs = [rate * factor for rate in config.scheduler.base_lrs]
            for name, (_, new) in self.scheduler.items():
                if hasattr(config.scheduler, name):
                    setattr(config.scheduler, name, new)


def changes(before: Any, after: Any) -> dict[str, tuple[Any, Any]]:
    """The options of one class whose values differ.

    Args:
        before: ``{"class_path": ..., "init_args": {...}}`` or None, as in a configuration.
        after: Likewise.

    Returns:
        Option -> (before, after); empty if the classes differ, as then nothing can be carried over.
    """
    if not isinstance(before, dict) or not isinstance(after, dict) or before["class_path"] != after["class_path"]:
        return {}
    old, new = before.get("init_args") or {}, after.get("init_args") or {}
    return {name: (old[name], new[name]) for name in old.keys() & new.keys() if old[name] != new[name]}
