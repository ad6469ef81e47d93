"""Weights shared out over the processes (FSDP2)."""

from torch import nn
from torch.distributed.device_mesh import DeviceMesh


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


MANY = 1_000_000  # weights of a layer that are worth a gathering of their own
