"""Weights that are shared out, here among one process: what is gathered when."""

from collections.abc import Iterator

import pytest
import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.tensor import DTensor

from modules import distributed
from modules.distributed import gather, part_of, refuse_shared_out, release, shard, whole
from modules.nets.seq2seq.losses import linear_cross_entropy
from modules.nets.seq2seq.recurrent import RecurrentSeq2Seq
from modules.nets.seq2seq.transformer import Transformer


class Pair(LightningModule):
    """A network that is asked for other things than ``forward``, and uses a weight of its own besides."""

    def __init__(self, kind: type[RecurrentSeq2Seq] | type[Transformer]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = kind(9, 9, size=8, hidden=8, dropout=0.0, tied="all")

    def loss(self, source: Tensor, target: Tensor) -> Tensor:
        features = self.net.decode(target, self.net.encode(source))
        return linear_cross_entropy(features.flatten(0, 1), self.net.output, source.flatten())


@pytest.fixture(scope="module")
def mesh() -> Iterator[DeviceMesh]:
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1, 1), mesh_dim_names=("data_parallel", "tensor_parallel"))
    torch.distributed.destroy_process_group()


def gradients(task: LightningModule) -> dict[str, Tensor]:
    return {name: whole(weight.grad) for name, weight in task.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("kind", [RecurrentSeq2Seq, Transformer])
@pytest.mark.parametrize("many", [1, 1_000_000])  # layers are gathered each on its own, or not
def test_gradients_are_those_of_the_whole_network(
    kind: type[RecurrentSeq2Seq], many: int, mesh: DeviceMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributed, "MANY", many)
    source, target = torch.tensor([[4, 5, 6, 3], [7, 8, 3, 3]]), torch.tensor([[2, 5, 4, 7], [2, 8, 8, 4]])
    alone, shared = Pair(kind), Pair(kind)
    shard(shared, mesh)
    shared._device_mesh = mesh
    for _ in range(2):  # accumulated
        alone.loss(source, target).backward()
        shared.loss(source, target).backward()
    found = gradients(shared)
    for name, gradient in gradients(alone).items():
        torch.testing.assert_close(found[name], gradient)
    torch.testing.assert_close(shared.net(source, target), alone.net(source, target))  # methods that call others
    assert torch.equal(whole(shared.net.output.weight), alone.net.output.weight)


def test_gathered_weights_are_whole_until_released(mesh: DeviceMesh) -> None:
    task = Pair(RecurrentSeq2Seq)
    shard(task, mesh)
    task._device_mesh = mesh
    source = torch.tensor([[4, 5, 3]])
    for _ in range(2):
        assert isinstance(task.net.output.weight, DTensor)
        gather(task)
        for _ in range(2):
            with torch.no_grad():
                task.net.encode(source)
            assert not isinstance(task.net.output.weight, DTensor)
        release(task)
    task.loss(source, source).backward()
    assert isinstance(task.net.output.weight.grad, DTensor)


def test_parts_of_whole_tensors(mesh: DeviceMesh) -> None:
    task = Pair(RecurrentSeq2Seq)
    plain = torch.arange(72.0).view(9, 8)
    assert part_of(plain, task.net.output.weight) is plain
    shard(task, mesh)
    part = part_of(plain, task.net.output.weight)
    assert isinstance(part, DTensor)
    assert torch.equal(whole(part), plain)


def test_nothing_to_share_out_is_refused(mesh: DeviceMesh) -> None:
    class Counting(LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.nothing = nn.ReLU(), nn.Parameter(torch.zeros(()))

    with pytest.raises(MisconfigurationException, match="Counting has no weights that processes could share"):
        shard(Counting(), mesh)


def test_who_needs_whole_weights_refuses_parts(mesh: DeviceMesh) -> None:
    task = Pair(RecurrentSeq2Seq)
    refuse_shared_out(task, "EMA averages")
    task._device_mesh = mesh
    with pytest.raises(MisconfigurationException, match="EMA averages whole weights"):
        refuse_shared_out(task, "EMA averages")
