"""What a checkpoint must hold for training to go on to the last bit."""

import random
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer


def keep(trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
    """Add to a checkpoint loop counters, random states and gradients not yet applied."""
    loop = trainer.fit_loop.epoch_loop
    epochs = trainer.fit_loop.epoch_progress.current
    in_epoch = epochs.ready > epochs.processed  # type: ignore[attr-defined]
    state: dict[str, Any] = {"random": random_state(), "grads": {}}
    if in_epoch:
        # The batch that is about to be trained on is not done, even if it is the last one of the epoch.
        checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["is_last_batch"] = False
        if (loop.batch_progress.current.ready - 1) % trainer.accumulate_grad_batches:
            state["grads"] = {k: p.grad for k, p in pl_module.named_parameters() if p.grad is not None}
    states = [state]
    if trainer.world_size > 1:
        states = [{}] * trainer.world_size
        torch.distributed.all_gather_object(states, state)
    checkpoint["resume"] = {
        "in_epoch": in_epoch,
        "progress": [progress.state_dict() for progress in _progress(trainer)],
        "batches_that_stepped": loop._batches_that_stepped,
        "metrics": {name: float(value) for name, value in trainer.callback_metrics.items()},
        "processes": states,
    }


def take_up(trainer: Trainer, pl_module: LightningModule, resume: dict[str, Any]) -> None:
    """Put back what ``keep`` added as ``resume``."""
    loop = trainer.fit_loop.epoch_loop
    if resume["in_epoch"]:
        for progress, kept in zip(_progress(trainer), resume["progress"], strict=True):
            progress.load_state_dict(kept)
        trainer.fit_loop._restarting = False  # or the scheduler on a plateau would leave this epoch out
        if trainer.progress_bar_callback is not None:  # or it would know neither the epoch nor its length
            trainer.progress_bar_callback.on_train_epoch_start(trainer, pl_module)
    loop._batches_that_stepped = resume["batches_that_stepped"]
    trainer._logger_connector._callback_metrics.update(
        {name: torch.tensor(value) for name, value in resume["metrics"].items()}
    )
    state = resume["processes"][trainer.global_rank % len(resume["processes"])]
    parameters = dict(pl_module.named_parameters())
    for name, grad in state["grads"].items():
        parameters[name].grad = grad.to(parameters[name].device)
    set_random_state(state["random"])


def _progress(trainer: Trainer) -> list[Any]:
    """The counters within an epoch, which Lightning sets back when it restarts."""
    loop = trainer.fit_loop.epoch_loop
    optimization = loop.automatic_optimization.optim_progress
    return [loop.batch_progress, loop.scheduler_progress, optimization, loop.val_loop.batch_progress]


def random_state() -> dict[str, Any]:
    """The states of all random number generators, as plain lists and tensors."""
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    version, internal, gauss = random.getstate()
    return {
        "python": [version, list(internal), gauss],
        "numpy": [kind, keys.tolist(), position, has_gauss, cached],  # type: ignore[union-attr]
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Put back what ``random_state`` returned."""
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), *rest))
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
