"""Updating metrics with what does not count."""

from copy import copy
from typing import Any

from torch import Tensor
from torchmetrics import MetricCollection


def update_uncounted(metrics: MetricCollection, preds: Any, target: Any) -> None:
    """Update with no effect on the scores.

    A metric that keeps a list, and nothing in it on one process, could not be joined with those of the others: it
    has to know the type and shape of the entries.
    """
    if not len(metrics):
        return
    members = list(metrics.values(copy_state=False))
    before = [{name: _kept(getattr(metric, name)) for name in metric._defaults} for metric in members]
    metrics.update(preds, target)
    for metric, states in zip(members, before, strict=True):
        for name, value in states.items():
            state = getattr(metric, name)
            if isinstance(state, list):
                state[len(value) :] = [entry[:0] for entry in state[len(value) :]]
            else:
                setattr(metric, name, value)


def _kept(state: Any) -> Any:
    return state.clone() if isinstance(state, Tensor) else copy(state)
