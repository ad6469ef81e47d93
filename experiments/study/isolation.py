"""Many runs in one process: none sees another, and each thing is said once."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from experiments.messages import less_logged


@contextmanager
def warning_once() -> Iterator[None]:
    """Show each warning once, not in every run."""
    show, seen = warnings.showwarning, set[str]()

    def show_new(message: Warning | str, *args: Any, **kwargs: Any) -> None:
        if str(message) not in seen:
            seen.add(str(message))
            show(message, *args, **kwargs)

    warnings.showwarning = show_new
    try:
        yield
    finally:
        warnings.showwarning = show


@contextmanager
def isolated() -> Iterator[None]:
    """What a run sets for the whole process does not reach the next one, and Lightning says nothing of usual things."""
    backends = torch.backends.cudnn
    precision = torch.get_float32_matmul_precision()
    deterministic, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    flags, environment = (backends.benchmark, backends.deterministic), dict(os.environ)
    try:
        with less_logged("lightning.pytorch", "lightning.fabric"):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        backends.benchmark, backends.deterministic = flags
        for name in os.environ.keys() - environment.keys():
            del os.environ[name]
        os.environ.update(environment)
