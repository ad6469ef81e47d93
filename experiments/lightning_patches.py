"""All that reaches into private parts of Lightning and jsonargparse, each with its reason.

It is written for the versions in ``WRITTEN_FOR``; when another one is installed, a test fails that says so. Then look
at each reason: whether it still holds, and whether what is replaced is still there.
"""

import contextlib
import functools
import importlib
import os
import pkgutil
from collections.abc import Callable, Iterator, Sequence
from types import MethodType, ModuleType, NoneType, UnionType
from typing import Any, Protocol, Union, get_args, get_origin

import torch
import yaml
from jsonargparse import _actions, _common, _loaders_dumpers, _typehints, set_loader, set_parsing_settings
from lightning.fabric.strategies import model_parallel
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import GradientAccumulationScheduler
from lightning.pytorch.core.hooks import DataHooks, ModelHooks
from lightning.pytorch.loops import evaluation_loop, training_epoch_loop
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from lightning.pytorch.profilers import PassThroughProfiler
from lightning.pytorch.strategies import ModelParallelStrategy, Strategy
from lightning.pytorch.trainer.connectors.checkpoint_connector import _CheckpointConnector
from lightning.pytorch.trainer.states import RunningStage
from lightning.pytorch.utilities.rank_zero import rank_zero_info

from datamodules.types import TypedText
from experiments import yaml_limits
from experiments.commands.doctor import BF16
from modules.faults import told
from modules.task import Task

WRITTEN_FOR = {"lightning": "2.6.6", "jsonargparse": "4.53.0"}

# ---- what costs time at every step and does nothing, as is felt with small networks

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


def _inherits(owner: object, base: type, name: str) -> bool:
    return name not in vars(owner) and getattr(type(owner), name, None) is getattr(base, name, None)


def _leave_out(owner: object, base: type, hooks: tuple[str, ...]) -> None:
    for hook in hooks:
        if _inherits(owner, base, hook):
            setattr(owner, hook, None)  # the trainer leaves out what is not callable


# The trainer asks some fifteen times a step which stage it is in, and its enumeration compares lower-cased texts.
_equal = RunningStage.__eq__
RunningStage.__eq__ = lambda self, other: self is other or _equal(self, other)  # type: ignore[method-assign]


def _nothing(*args: object, **kwargs: object) -> None:
    pass


def _same(batch: object, *args: object, **kwargs: object) -> object:
    return batch


def _look_once(look: Callable[..., bool]) -> Callable[..., bool]:
    known = functools.lru_cache(look)
    # By the function of the class: a method would keep its module, and all the weights, alive.
    return lambda hook, *args, **kwargs: known(getattr(hook, "__func__", hook), *args, **kwargs)


# The trainer inspects the signature of the step at every step.
training_epoch_loop.is_param_in_hook_signature = _look_once(training_epoch_loop.is_param_in_hook_signature)
evaluation_loop.is_param_in_hook_signature = _look_once(evaluation_loop.is_param_in_hook_signature)


# The trainer sets the name of the hook at hand some fifty times a step, and a module's way to set an attribute is long.
_set_attribute = LightningModule.__setattr__


def _set_quickly(module: LightningModule, name: str, value: Any) -> None:
    if name == "_current_fx_name":
        module.__dict__[name] = value
    else:
        _set_attribute(module, name, value)


LightningModule.__setattr__ = _set_quickly  # type: ignore[method-assign,assignment]


def forget_missing_gpus() -> None:
    """Where there is no GPU, do not look for one at every step.

    Lightning makes PyTorch ask the driver's library (NVML), and Adam asks at every step whether there is a GPU: without
    a driver that is a search for its library on the disk, 0.2 ms each time.
    """
    if torch.cuda.device_count() == 0:
        os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "0"


# ---- precision that Lightning does not allow, or allows where it should not


def avoid_emulation(trainer: Trainer) -> None:
    """Compute in float32 where the processor has no bfloat16: emulated, it takes 20 to 40 times as long.

    Args:
        trainer: A trainer. What it was asked for stays in the run's configuration, for machines that can do it.
    """
    if trainer.strategy.root_device.type != "cpu" or trainer.precision != "bf16-mixed":
        return
    known = torch.cpu.get_capabilities()
    if not any(known.get(name) for name in BF16):
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


# ---- folder and signals


def leave_signals(trainer: Trainer) -> None:
    """Keep the trainer from listening to signals, and its processes from asking each other of them at every step.

    ``RunCheckpoint`` does both, and no device has to wait for it.
    """
    trainer._signal_connector.register_signal_handlers = _nothing  # type: ignore[method-assign]
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = _nothing  # type: ignore[method-assign]


def set_root(trainer: Trainer, folder: str) -> None:
    """Set the folder that the trainer, and with it every callback, writes to."""
    trainer._default_root_dir = folder  # type: ignore[attr-defined]


# ---- where the loops stand: the trainer sets these counters back when it restarts


def loop_state(trainer: Trainer) -> dict[str, Any]:
    """Counters within an epoch and scores so far, as of between two training steps."""
    epochs = trainer.fit_loop.epoch_progress.current
    return {
        "in_epoch": epochs.ready > epochs.processed,  # type: ignore[attr-defined]
        "progress": [progress.state_dict() for progress in _progress(trainer)],
        "batches_that_stepped": trainer.fit_loop.epoch_loop._batches_that_stepped,
        "metrics": {name: float(value) for name, value in trainer.callback_metrics.items()},
    }


def restore_loop_state(trainer: Trainer, module: LightningModule, state: dict[str, Any]) -> None:
    """Put back what ``loop_state`` returned, before the first training step."""
    if state["in_epoch"]:
        for progress, kept in zip(_progress(trainer), state["progress"], strict=True):
            progress.load_state_dict(kept)
        trainer.fit_loop._restarting = False  # or the scheduler on a plateau would leave this epoch out
        if trainer.progress_bar_callback is not None:  # or it would know neither the epoch nor its length
            trainer.progress_bar_callback.on_train_epoch_start(trainer, module)
    trainer.fit_loop.epoch_loop._batches_that_stepped = state["batches_that_stepped"]
    trainer._logger_connector._callback_metrics.update(
        {name: torch.tensor(value) for name, value in state["metrics"].items()}
    )


def show_at(trainer: Trainer, step: int) -> None:
    """Let what is logged of an evaluation stand at the step of its checkpoint: the trainer takes it for step 0."""
    loop = trainer.fit_loop.epoch_loop
    loop.automatic_optimization.optim_progress.optimizer.step.total.completed = step
    loop._batches_that_stepped = step


def _progress(trainer: Trainer) -> list[Any]:
    loop = trainer.fit_loop.epoch_loop
    optimization = loop.automatic_optimization.optim_progress
    return [loop.batch_progress, loop.scheduler_progress, optimization, loop.val_loop.batch_progress]


# ---- what a checkpoint holds may be anything
# Lightning sets what it reads as attributes of loops and schedulers, and fails over the rest somewhere on the way.


def _alike(own: object, given: object) -> bool:
    """Whether two states have the same form: names, and numbers, texts, lists or tensors as their values."""
    if own is None or given is None:
        return True
    if isinstance(own, dict):
        return isinstance(given, dict) and own.keys() == given.keys() and all(_alike(own[k], given[k]) for k in own)
    kinds: tuple[Any, ...] = next((k for k in ((int, float), (list, tuple)) if isinstance(own, k)), (type(own),))
    return isinstance(given, kinds)


def _check_state(connector: Any) -> None:
    trainer, held = connector.trainer, connector._loaded_checkpoint
    loop = f"{trainer.state.fn.value}_loop"
    pairs = [("loops", getattr(trainer, loop).state_dict(), held["loops"][loop])]
    if loop == "fit_loop":
        schedulers = (config.scheduler.state_dict() for config in trainer.lr_scheduler_configs)
        pairs += [("lr_schedulers", *states) for states in zip(schedulers, held["lr_schedulers"], strict=False)]
    for part, own, given in pairs:
        if not _alike(own, given):
            raise ValueError(f"its part {part} is not what leyden fit writes")


def _tell(restore: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(restore)
    def restore_or_tell(connector: Any, *args: Any, **kwargs: Any) -> None:
        with told(f"{connector._ckpt_path} cannot be used", AttributeError, LookupError):
            if connector._loaded_checkpoint and restore.__name__ == "restore_training_state":
                _check_state(connector)
            restore(connector, *args, **kwargs)
        if connector._loaded_checkpoint and restore.__name__ == "restore_training_state":
            _tell_of_first_step(connector.trainer)

    return restore_or_tell


def _tell_of_first_step(trainer: Trainer) -> None:
    """An optimizer takes any state up, and fails over it in its first step."""
    step = trainer.strategy.optimizer_step

    def step_or_tell(*args: Any, **kwargs: Any) -> object:
        trainer.strategy.optimizer_step = step  # type: ignore[method-assign]
        with told(f"{trainer.ckpt_path} cannot be used", AttributeError, LookupError):
            return step(*args, **kwargs)

    trainer.strategy.optimizer_step = step_or_tell  # type: ignore[method-assign]


for _name in ("restore_datamodule", "restore_model", "restore_callbacks", "restore_training_state"):
    setattr(_CheckpointConnector, _name, _tell(getattr(_CheckpointConnector, _name)))


# Whether the state of a sharded optimizer goes by numbers or by names, Lightning tells from its first entry: that of
# plain SGD has none.


def _name_parameters(state: dict[str, Any], module: torch.nn.Module) -> dict[str, Any]:
    numbered = any(isinstance(key, int) for group in state["param_groups"] for key in group["params"])
    if not numbered:
        return state
    from torch.distributed.fsdp import FullyShardedDataParallel, OptimStateKeyType

    return FullyShardedDataParallel.rekey_optim_state_dict(state, OptimStateKeyType.PARAM_NAME, module)


model_parallel._rekey_optimizer_state_if_needed = _name_parameters  # type: ignore[assignment]


def take_up_without_state(trainer: Trainer) -> None:
    """Let a sharded optimizer without a state (plain SGD) be taken up: PyTorch looks for the device of its state."""
    if not isinstance(trainer.strategy, ModelParallelStrategy):
        return
    from torch.distributed.checkpoint import state_dict as torch_states

    set_state = torch_states.set_optimizer_state_dict
    if set_state.__module__ == __name__:  # by a run before, in the same process
        return

    def set_state_or_groups(model: Any, optimizers: Any, optim_state_dict: dict[str, Any], **options: Any) -> None:
        if optim_state_dict["state"] or not isinstance(optimizers, torch.optim.Optimizer):
            set_state(model, optimizers, optim_state_dict, **options)
            return
        for group, kept in zip(optimizers.param_groups, optim_state_dict["param_groups"], strict=True):
            group.update({name: value for name, value in kept.items() if name != "params"})

    torch_states.set_optimizer_state_dict = set_state_or_groups


# ---- the command line
# jsonargparse keeps every option that a class has in common with the one it takes the place of, also those that nobody
# gave: with a default of AdamW, Adam and SGD silently got AdamW's weight decay of 0.01. Here only those stay that
# differ from the former class's own defaults.

_discard = _typehints.discard_init_args_on_class_path_change


def _discard_defaults(parser_or_action: Any, prev_val: Any, value: Any) -> None:
    if prev_val and prev_val.get("init_args") and prev_val["class_path"] != value["class_path"]:
        options = getattr(parser_or_action, "sub_add_kwargs", {})
        defaults = _typehints.ActionTypeHint.get_class_parser(prev_val["class_path"], options).get_defaults()
        given = prev_val["init_args"]
        for key in list(given.keys()):
            if given[key] == defaults.get(key):
                given.pop(key)
    _discard(parser_or_action, prev_val, value)


_typehints.discard_init_args_on_class_path_change = _discard_defaults

# jsonargparse reads every value as YAML first. An option of texts takes what is typed or quoted word for word: `no`,
# `- item`, `?` and `Note: it works` too. Only `null`, typed for an option that is `str | None`, says None, so that what
# a configuration says can be unset; where the type is ``datamodules.types.TypedText``, that is a text as well.


class _Typed(str):
    """A value as it stands on the command line."""


_call, _check_type = _typehints.ActionTypeHint.__call__, _typehints.ActionTypeHint._check_type


def _call_typed(action: Any, *args: Any, **kwargs: Any) -> Any:
    if len(args) > 2 and type(args[2]) is str:
        args = (*args[:2], _Typed(args[2]), *args[3:])
    return _call(action, *args, **kwargs)


def _check_text(action: Any, value: Any, append: bool = False, cfg: Any = None, mode: Any = None) -> Any:
    typed = type(value) is _Typed
    if typed:
        value = str(value)
    kinds = {action._typehint}
    if get_origin(action._typehint) in (Union, UnionType):
        kinds = set(get_args(action._typehint))
    if isinstance(value, str) and action.nargs is None and kinds <= {str, TypedText, NoneType}:
        return None if typed and value == "null" and kinds == {str, NoneType} else value
    if typed and value.startswith("[") and all(get_args(kind)[:1] == (str,) for kind in kinds - {str, NoneType}):
        with contextlib.suppress(yaml.YAMLError):
            value = yaml.load(value, Loader=yaml.BaseLoader)  # which leaves every value a text
    # What is typed for an option of a class is left to the parser of that class.
    whole = isinstance(value, _typehints.NestedArg) and value.key in ("init_args", "dict_kwargs")
    if whole or (isinstance(value, _typehints.NestedArg) and _typehints.ActionTypeHint.is_mapping_typehint(action)):
        value = value._replace(val=str(value.val)) if type(value.val) is _Typed else value
    return _check_type(action, value, append=append, cfg=cfg, mode=mode)


_typehints.ActionTypeHint.__call__ = _call_typed
_typehints.ActionTypeHint._check_type = _check_text

_yaml_load = _loaders_dumpers.yaml_load


def _load_within_limits(text: str) -> object:
    yaml_limits.check(text)
    return _yaml_load(text)


_loaders_dumpers.yaml_load = _load_within_limits
set_loader("yaml", _load_within_limits, (yaml.YAMLError,))


class Refused(_common.ImportDenied):
    """A value names what it must not."""


class Guard(Protocol):
    """Decides what may be named in what is parsed.

    Attributes:
        packages: What may be imported at all.
        follow_paths: Whether a path of a YAML file stands for its content.
    """

    packages: Sequence[str]
    follow_paths: bool

    def check_name(self, path: str) -> None:
        """Raise ``Refused`` of an import path, before anything is imported."""

    def check_found(self, path: str, found: object) -> None:
        """Raise ``Refused`` of what lies at an import path."""

    def check_code(self, value: object) -> None:
        """Raise ``Refused`` of a value for an option that takes code, or that has no type."""


@contextlib.contextmanager
def guarded(guard: Guard) -> Iterator[None]:
    """Let jsonargparse ask before it imports, calls or reads anything that a value names.

    It has lists of import paths to deny and to allow, but these know no types: a function of an allowed package would
    be called, and so would a class in an option without a type. And a value that is the path of a YAML file is read
    wherever a class is expected.

    Args:
        guard: Who is asked.
    """
    import_object, adapt, adapt_any = _typehints.import_object, _typehints.adapt_typehints, _typehints.adapt_classes_any
    read = _typehints.parse_value_or_config

    def ask_and_import(path: str, check_path: bool = True) -> object:
        if not check_path:  # it comes from a signature, not from a value
            return import_object(path, check_path=False)
        guard.check_name(path)
        try:
            found = import_object(path)
        except _common.ImportDenied:  # it comes from elsewhere than its path says
            guard.check_found(path, None)
            raise
        guard.check_found(path, found)
        return found

    def ask_and_adapt(val: object, typehint: object, *args: object, **kwargs: Any) -> object:
        if not kwargs.get("serialize") and val is not None and _takes_code(typehint):
            guard.check_code(val)
        return adapt(
            val, typehint, *args, **{**kwargs, "enable_path": guard.follow_paths and kwargs.get("enable_path")}
        )

    def ask_and_adapt_any(val: object, typehint: object, serialize: bool, *args: object, **kwargs: Any) -> object:
        if not serialize and _typehints.is_subclass_spec(val):
            guard.check_code(val)
        return adapt_any(val, typehint, serialize, *args, **kwargs)

    def maybe_read(value: object, enable_path: bool = True, simple_types: bool = False) -> object:
        return read(value, enable_path=enable_path and guard.follow_paths, simple_types=simple_types)

    with contextlib.ExitStack() as stack:
        stack.callback(_common.parsing_settings.update, dict(_common.parsing_settings))
        set_parsing_settings(import_path_denylist=["*"], import_path_allowlist=list(guard.packages))
        for owner, name, function in (
            (_actions, "import_object", ask_and_import),
            (_typehints, "import_object", ask_and_import),
            (_typehints, "adapt_typehints", ask_and_adapt),
            (_typehints, "adapt_classes_any", ask_and_adapt_any),
            (_typehints, "parse_value_or_config", maybe_read),
            (_actions, "parse_value_or_config", maybe_read),
        ):
            stack.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, function)
        yield


def _takes_code(typehint: object) -> bool:
    """Whether an option takes a function, any class, or a module, rather than the class of what it returns."""
    origin = _typehints.get_typehint_origin(typehint) or typehint
    if origin in _typehints.callable_origin_types:
        returned = _typehints.get_callable_return_type(typehint)
        return returned is None or not _typehints.get_subclass_types(returned)
    if origin in (type, _typehints.Type):
        known = getattr(typehint, "__args__", ())
        return not known or _typehints.accepts_any_value(known[0])
    return typehint is ModuleType


# ---- help
# jsonargparse lists every class that is imported and could be given, of torch hundreds, in no order; and none that is
# not imported yet, as ours are.

OURS = ("modules", "datamodules", "experiments")
MOST_OTHERS = 12


def _known_classes(action: Any) -> str:
    for package in OURS:
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if (found.ispkg or found.name.count(".") == 1) and not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    paths = _typehints.get_all_subclass_paths(action._typehint, closed_types=False)
    ours = sorted(path for path in paths if path.split(".")[0] in OURS)
    others = [path for path in paths if path not in ours]
    ours = [path for path in ours if path.startswith("modules.nets.")] or ours  # a task is a network by type only
    named = ours + others[: max(0, MOST_OTHERS - len(ours))]
    more = [f"and {len(paths) - len(named)} more"] if len(named) < len(paths) else []
    return f", known subclasses: {', '.join(named + more)}" if paths else ""


_typehints.ActionTypeHint.extra_help = _known_classes
