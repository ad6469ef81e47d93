"""What a checkpoint must hold for training to go on to the last bit."""

import random
from typing import Any

import numpy as np
import torch
from lightning.pytorch import LightningModule, Trainer

from experiments.lightning_patches import loop_state, restore_loop_state
from modules.distributed import from_all, part_of, whole


def keep(trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
    """Add to a checkpoint loop counters, random states and gradients not yet applied."""
    state: dict[str, Any] = {"random": random_state(), "grads": {}}
    loops = loop_state(trainer)
    if loops["in_epoch"]:
        # The batch that is about to be trained on is not done, even if it is the last one of the epoch.
        checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["is_last_batch"] = False
        if (trainer.fit_loop.epoch_loop.batch_progress.current.ready - 1) % trainer.accumulate_grad_batches:
            # Of weights that are shared out, all processes have the same gradients: those of the first will do.
            grads = {k: whole(p.grad) for k, p in pl_module.named_parameters() if p.grad is not None}
            state["grads"] = grads if trainer.is_global_zero or pl_module.device_mesh is None else {}
    checkpoint["resume"] = {**loops, "processes": from_all(state, trainer.world_size)}


def take_up(trainer: Trainer, pl_module: LightningModule, resume: dict[str, Any]) -> None:
    """Put back what ``keep`` added as ``resume``."""
    restore_loop_state(trainer, pl_module, resume)
    state = resume["processes"][trainer.global_rank % len(resume["processes"])]
    parameters = dict(pl_module.named_parameters())
    shared_out = pl_module.device_mesh is not None
    for name, grad in (resume["processes"][0] if shared_out else state)["grads"].items():
        parameters[name].grad = part_of(grad, parameters[name])
    set_random_state(state["random"])


def random_state() -> dict[str, object]:
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
