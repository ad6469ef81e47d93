"""PyTorch's compiler, imported when something is compiled: a second, which every import of Lightning would take."""

import functools
import sys
from collections.abc import Callable
from typing import Any

from experiments.startup.postponed import StandIns, postpone


def postpone_compiler() -> StandIns:
    """Let the compiler be imported by the first who compiles.

    Lightning and torchvision import names of it. Every optimizer tells it of its steps, and so do functions that must
    not be compiled; as long as it is not there, it need not know.
    """
    return postpone("torch._dynamo", graph_break=_nothing, disable=_disable)


def _nothing(*args: object, **kwargs: object) -> None:
    """Nothing."""


def _disable(fn: Callable[..., Any] | None = None, *args: Any, **kwargs: Any) -> Any:
    """``torch._dynamo.disable``: keeps a function from being compiled, once there is anything that compiles."""
    if fn is None:
        return functools.partial(_disable, **kwargs)
    disabled: Callable[..., Any] | None = None

    @functools.wraps(fn)
    def call(*inputs: object, **options: object) -> object:
        nonlocal disabled
        if disabled is None:
            compiler = sys.modules.get("torch._dynamo")
            if compiler is None or getattr(compiler, "disable", _disable) is _disable:
                return fn(*inputs, **options)
            disabled = compiler.disable(fn, *args, **kwargs)
        return disabled(*inputs, **options)

    return call
