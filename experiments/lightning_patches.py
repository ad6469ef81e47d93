"""Takes off the trainer what costs time at every step and does nothing, as is felt with small networks."""

import contextlib
import functools
import os
from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from lightning.pytorch.core.hooks import DataHooks, ModelHooks
from lightning.pytorch.loops import evaluation_loop, training_epoch_loop
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.strategies import Strategy
from lightning.pytorch.trainer.states import RunningStage
from lightning.pytorch.utilities.rank_zero import rank_zero_info

from modules.task import Task

_NOTHING: contextlib.AbstractContextManager[str] = contextlib.nullcontext("")


class NoProfiler(PassThroughProfiler):
    """Measures nothing, without making a context for each of some sixty actions of a step."""

    def profile(self, action_name: str) -> contextlib.AbstractContextManager[str]:  # type: ignore[override]
        """One context for all."""
        return _NOTHING


# What the trainer calls at every batch on every callback, and those of training on the module and the strategy too.
_TRAINING = (
    "on_train_batch_start",
    "on_train_batch_end",
    "on_before_zero_grad",
    "on_before_backward",
    "on_after_backward",
    "on_before_optimizer_step",
)
_EVALUATION = (
    "on_validation_batch_start",
    "on_validation_batch_end",
    "on_test_batch_start",
    "on_test_batch_end",
    "on_predict_batch_start",
    "on_predict_batch_end",
)
_MOVING = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")


def make_lean(trainer: Trainer, module: LightningModule, data: LightningDataModule) -> None:
    """Call only the hooks that somebody wrote; do not measure, clip or move what nobody asked for.

    Args:
        trainer: A trainer with its callbacks.
        module: What it will train.
        data: With which data.
    """
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        _leave_out(callback, Callback, _TRAINING + _EVALUATION)
    _leave_out(module, ModelHooks, _TRAINING)
    later = any(isinstance(callback, GradientAccumulationScheduler) for callback in trainer.callbacks)  # type: ignore[attr-defined]
    if trainer.accumulate_grad_batches == 1 and not later:
        _leave_out(module, Task, ("on_after_backward",))
    strategy = trainer.strategy
    _leave_out(strategy, Strategy, _TRAINING)
    if type(trainer.profiler) is PassThroughProfiler:  # type: ignore[attr-defined]
        trainer.profiler = NoProfiler()  # type: ignore[attr-defined]
    if trainer.gradient_clip_val is None and _inherits(module, LightningModule, "configure_gradient_clipping"):
        trainer.precision_plugin._clip_gradients = _nothing  # type: ignore[method-assign]
    here = strategy.root_device.type == "cpu" and _inherits(strategy, Strategy, "batch_to_device")
    if here and all(_inherits(owner, DataHooks, hook) for owner in (module, data) for hook in _MOVING):
        strategy.batch_to_device = _same  # type: ignore[method-assign]
        module._on_before_batch_transfer = _same  # type: ignore[method-assign]


def avoid_emulation(trainer: Trainer) -> None:
    """Compute in float32 where the processor has no bfloat16: emulated, it takes 20 to 40 times as long.

    Args:
        trainer: A trainer. What it was asked for stays in the run's configuration, for machines that can do it.
    """
    if trainer.strategy.root_device.type != "cpu" or trainer.precision != "bf16-mixed":
        return
    known = torch.cpu.get_capabilities()
    if not any(known.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")):
        trainer.strategy.precision_plugin = Precision()
        rank_zero_info("This processor computes no bfloat16 (precision: bf16-mixed); float32 is used instead")


def allow_clipping(trainer: Trainer) -> None:
    """Let gradients of a fused optimizer be clipped in bfloat16: nothing scaled them, but Lightning refuses.

    Args:
        trainer: A trainer.
    """
    precision = trainer.precision_plugin
    if isinstance(precision, MixedPrecision) and precision.scaler is None:
        precision.clip_gradients = MethodType(Precision.clip_gradients, precision)  # type: ignore[method-assign]


def _inherits(owner: Any, base: type, name: str) -> bool:
    return name not in vars(owner) and getattr(type(owner), name, None) is getattr(base, name, None)


def _leave_out(owner: Any, base: type, hooks: tuple[str, ...]) -> None:
    for hook in hooks:
        if _inherits(owner, base, hook):
            setattr(owner, hook, None)  # the trainer leaves out what is not callable


# The trainer asks some fifteen times a step which stage it is in, and its enumeration compares lower-cased texts.
_equal = RunningStage.__eq__
RunningStage.__eq__ = lambda self, other: self is other or _equal(self, other)  # type: ignore[method-assign]


def _nothing(*args: Any, **kwargs: Any) -> None:
    pass


def _same(batch: Any, *args: Any, **kwargs: Any) -> Any:
    return batch


def _look_once(look: Callable[..., bool]) -> Callable[..., bool]:
    known = functools.lru_cache(look)
    # By the function of the class: a method would keep its module, and all the weights, alive.
    return lambda hook, *args, **kwargs: known(getattr(hook, "__func__", hook), *args, **kwargs)


# The trainer inspects the signature of the step at every step.
training_epoch_loop.is_param_in_hook_signature = _look_once(training_epoch_loop.is_param_in_hook_signature)
evaluation_loop.is_param_in_hook_signature = _look_once(evaluation_loop.is_param_in_hook_signature)


def forget_missing_gpus() -> None:
    """Where there is no GPU, do not look for one at every step.

    Lightning makes PyTorch ask the driver's library (NVML), and Adam asks at every step whether there is a GPU: without
    a driver that is a search for its library on the disk, 0.2 ms each time.
    """
    if torch.cuda.device_count() == 0:
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"
