"""Many processes: sharded weights (FSDP2), batches whose results do not count, decisions that all take together."""

from collections.abc import Sequence
from copy import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torchmetrics import MetricCollection

MANY = 1_000_000  # weights of a layer that are worth a gathering of their own


def shard(task: nn.Module, mesh: DeviceMesh) -> None:
    """Give each process a part of every network of a task; parts are brought together as they are needed.

    Layers of stacks (``ModuleList``, ``Sequential``) that hold many weights are gathered one at a time, so that no
    process ever holds the whole of a deep network (Zhao et al. 2023; PyTorch's ``fully_shard``).

    Args:
        task: A task whose networks are built; their ``forward`` is what is called.
        mesh: The processes, with a dimension ``data_parallel``.
    """
    from torch.distributed.fsdp import fully_shard

    processes = mesh["data_parallel"]
    for parameter in task.parameters():  # FSDP2 does not know weights in channels_last order
        parameter.data = parameter.data.contiguous()
    for network in task.children():
        stacks = [m for m in network.modules() if isinstance(m, nn.ModuleList | nn.Sequential)]
        for layer in [layer for stack in stacks for layer in stack]:
            if sum(parameter.numel() for parameter in layer.parameters()) >= MANY:
                fully_shard(layer, mesh=processes)
        if next(network.parameters(), None) is not None:
            fully_shard(network, mesh=processes)


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


class Agreement:
    """Decisions that all processes take together, by way of their processors: no accelerator has to wait for them.

    Args:
        num_processes: How many there are. All of them make this together.
    """

    def __init__(self, num_processes: int) -> None:
        self.group: Any = torch.distributed.new_group(backend="gloo") if num_processes > 1 else None

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """Whether each flag is set on any process."""
        if self.group is None:
            return list(flags)
        votes = torch.tensor(flags, dtype=torch.int32)
        torch.distributed.all_reduce(votes, torch.distributed.ReduceOp.MAX, group=self.group)
        return [bool(vote) for vote in votes]
