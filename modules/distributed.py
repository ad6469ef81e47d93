"""Many processes: sharded weights (FSDP2), batches whose results do not count, decisions that all take together."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from types import FunctionType
from typing import Any, TypeVar

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torchmetrics import MetricCollection

T = TypeVar("T")

MANY = 1_000_000  # weights of a layer that are worth a gathering of their own


def shard(task: nn.Module, mesh: DeviceMesh) -> None:
    """Give each process a part of every network of a task; parts are brought together as they are needed.

    Layers of stacks (``ModuleList``, ``Sequential``) that hold many weights are gathered one at a time, so that in
    training no process ever holds the whole of a deep network (Zhao et al. 2023; PyTorch's ``fully_shard``).

    Args:
        task: A task whose networks are built.
        mesh: The processes, with a dimension ``data_parallel``.

    Raises:
        MisconfigurationException: If it has no network with weights.
    """
    if not any(next(network.parameters(), None) is not None for network in task.children()):
        raise MisconfigurationException(
            f"{type(task).__name__} has no weights that processes could share: take --trainer.strategy ddp"
        )
    processes = mesh["data_parallel"]
    for parameter in task.parameters():  # FSDP2 does not know weights in channels_last order
        parameter.data = parameter.data.contiguous()
    for network in task.children():
        stacks = [m for m in network.modules() if isinstance(m, nn.ModuleList | nn.Sequential)]
        for layer in [layer for stack in stacks for layer in stack]:
            if sum(parameter.numel() for parameter in layer.parameters()) >= MANY:
                _shard(layer, processes, own=True)
        if next(network.parameters(), None) is not None:
            _shard(network, processes, own=False)


def _shard(module: nn.Module, processes: DeviceMesh, own: bool) -> None:
    """Share a module out; if it is gathered on its ``own``, it is shared out again as soon as it was used."""
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    fully_shard(module, mesh=processes, reshard_after_forward=own)
    outermost = _Outermost()
    for name in _methods(module):  # a network may be asked for other things than ``forward``, such as to decode
        method = getattr(module, name)
        if name != "forward":
            register_fsdp_forward_method(module, name)
        setattr(module, name, outermost.of(getattr(module, name), method))


def _methods(module: nn.Module) -> list[str]:
    """Names of ``forward`` and of the public methods that the module's own classes add to it."""
    kinds = [kind for kind in type(module).__mro__ if kind is not object and not kind.__module__.startswith("torch.")]
    added = {name for kind in kinds for name, member in vars(kind).items() if isinstance(member, FunctionType)}
    return sorted({"forward", *(name for name in added if not name.startswith("_"))})


class _Outermost:
    """Of methods that call each other, lets only the first gather the weights: the last would share them out again."""

    def __init__(self) -> None:
        self.inside = False

    def of(self, gathering: Callable[..., object], method: Callable[..., object]) -> Callable[..., object]:
        """What stands for both.

        Args:
            gathering: The method as it is to be called from outside.
            method: The method as it is to be called by the others.
        """

        def call(*args: object, **kwargs: object) -> object:
            if self.inside:
                return method(*args, **kwargs)
            self.inside = True
            try:
                return gathering(*args, **kwargs)
            finally:
                self.inside = False

        return call


def gather(task: LightningModule) -> None:
    """Bring the whole of every network to every process, until ``release``. All processes call this.

    In evaluation a process may use a network more often than others (a search takes more steps), or look at its
    weights by itself; nobody else would be there to send a part.

    Args:
        task: A task that was shared out by ``shard``, or not at all.
    """
    for module, _ in _shared_out(task):
        module.set_reshard_after_forward(False, recurse=False)
        module.unshard()


def release(task: LightningModule) -> None:
    """Let each process go on with its part of every network.

    Args:
        task: A task that was brought together by ``gather``, or never shared out.
    """
    for module, own in _shared_out(task):
        module.set_reshard_after_forward(own, recurse=False)
        module.reshard()


def _shared_out(task: LightningModule) -> Iterator[tuple[Any, bool]]:
    """The modules that were shared out, outermost first, and whether each is gathered on its own."""
    if task.device_mesh is None:  # the import below takes its time
        return
    from torch.distributed.fsdp import FSDPModule

    for network in task.children():
        for module in network.modules():
            if isinstance(module, FSDPModule):
                yield module, module is not network


def refuse_shared_out(task: LightningModule, what: str) -> None:
    """Refuse a task whose weights are shared out.

    Args:
        task: A task.
        what: Who does what with the weights, for the message.

    Raises:
        MisconfigurationException: If they are.
    """
    if task.device_mesh is not None:
        raise MisconfigurationException(
            f"{what} whole weights, and ModelParallelStrategy leaves each process a part of them: "
            "take --trainer.strategy ddp, or leave the callback out"
        )


def whole(value: Tensor) -> Tensor:
    """All of a tensor, of which this process may hold a part only. All processes call this."""
    from torch.distributed.tensor import DTensor  # nobody else needs it at the start

    return value.full_tensor() if isinstance(value, DTensor) else value


def part_of(value: Tensor, like: Tensor) -> Tensor:
    """The part of a whole tensor that this process holds of another one.

    Args:
        value: The same on all processes.
        like: A parameter of the same shape, shared out or not.
    """
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(like, DTensor):
        return value.to(like.device)
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)


def from_all(value: T, num_processes: int) -> list[T]:
    """What each process gives, by rank; anything that can be pickled. All processes call this."""
    if num_processes == 1:
        return [value]
    values = [value] * num_processes
    torch.distributed.all_gather_object(values, value)
    return values


def update_uncounted(metrics: MetricCollection, preds: object, target: object) -> None:
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


def _kept(state: object) -> Any:
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
