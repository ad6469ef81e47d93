"""Takes off the trainer what costs time at every step and does nothing, as is felt with small networks."""

import contextlib
import os

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.profilers import PassThroughProfiler

_NOTHING: contextlib.AbstractContextManager[str] = contextlib.nullcontext("")


class NoProfiler(PassThroughProfiler):
    """Measures nothing, without making a context for each of some sixty actions of a step."""

    def profile(self, action_name: str) -> contextlib.AbstractContextManager[str]:  # type: ignore[override]
        """One context for all."""
        return _NOTHING


# What the trainer calls on every callback at every batch.
_HOOKS = (
    "on_train_batch_start",
    "on_train_batch_end",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
    "on_validation_batch_start",
    "on_validation_batch_end",
    "on_test_batch_start",
    "on_test_batch_end",
    "on_predict_batch_start",
    "on_predict_batch_end",
)


def make_lean(trainer: Trainer) -> None:
    """Call of each callback only the hooks that it has; do not measure what nobody asked to be measured.

    Args:
        trainer: A trainer with its callbacks.
    """
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        for hook in _HOOKS:
            if hook not in vars(callback) and getattr(type(callback), hook, None) is getattr(Callback, hook):
                setattr(callback, hook, None)  # the trainer leaves out what is not callable
    if type(trainer.profiler) is PassThroughProfiler:  # type: ignore[attr-defined]
        trainer.profiler = NoProfiler()  # type: ignore[attr-defined]


def forget_missing_gpus() -> None:
    """Where there is no GPU, do not look for one at every step.

    Lightning makes PyTorch ask the driver's library (NVML), and Adam asks at every step whether there is a GPU: without
    a driver that is a search for its library on the disk, 0.2 ms each time.
    """
    if torch.cuda.device_count() == 0:
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
