"""Which examples make up which batch, in which order, on which process."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Sampler


class BatchIndices(list[int]):
    """The indices of one batch, and the epoch they are drawn in.

    A dataset that augments makes its random choices from the epoch and the index alone, so they are the same
    whichever worker process makes them.
    """

    def __init__(self, indices: Sequence[int], epoch: int = 0) -> None:
        super().__init__(indices)
        self.epoch = epoch

    def __reduce__(self) -> tuple[type["BatchIndices"], tuple[list[int], int]]:
        return BatchIndices, (list(self), self.epoch)


class BatchLayout(NamedTuple):
    """How a part of an epoch was shared out.

    Attributes:
        batch_size: Examples in a batch of one process.
        max_tokens: Bound on (examples) x (longest length) instead, 0 if there is none.
        num_replicas: Number of processes.
        done: Batches of each process that were trained on in this layout.
    """

    batch_size: int
    max_tokens: int
    num_replicas: int
    done: int = 0


class DistributedBatchSampler(Sampler[BatchIndices]):
    """Batches of indices: a function of seed and epoch alone, shared out over the processes.

    A *global* batch is what all processes together take in one step. In training (``shuffle=True``) every process
    gets equally many batches and, within a batch, equally many examples; at most ``num_replicas - 1`` examples of an
    incomplete batch are left out, other ones in each epoch. In evaluation every example is counted exactly once. Where
    the last batch has nothing for a process, it gets an example to go through the motions with, because all processes
    must take part in each step: batches from ``counted`` on are not to be scored.

    Training can go on within an epoch. With the layout that it had the same plan continues; with another one (more
    processes, larger batches) the examples that were not trained on yet are planned anew, so none is trained on twice
    and none left out beyond those that equal shares demand.

    Args:
        size: Number of examples.
        batch_size: Examples in a batch of one process.
        lengths: Length of each example. Batches are then filled with examples of similar length.
        max_tokens: If given, a batch of one process holds so many examples that (number of examples) x (longest
            length) is at most this (a single longer example makes a batch of its own), and ``batch_size`` is not used.
        shuffle: Draw a new order in every epoch.
        seed: Seed of the order.
        epoch: Epoch of the next iteration.
        past: Layouts of that epoch so far, in turn, because it was trained on before a restart.
        rank: Number of this process.
        num_replicas: Number of processes.

    Raises:
        ValueError: If there are fewer training examples than processes.
    """

    POOL = 50  # batches among which examples are sorted by length

    def __init__(
        self,
        size: int,
        batch_size: int,
        lengths: Sequence[int] | Tensor | None = None,
        max_tokens: int | None = None,
        shuffle: bool = False,
        seed: int = 0,
        epoch: int = 0,
        past: Sequence[BatchLayout] = (),
        rank: int = 0,
        num_replicas: int = 1,
    ) -> None:
        if shuffle and size < num_replicas:
            raise ValueError(f"{size} training examples cannot be shared out over {num_replicas} processes")
        self.size = size
        self.lengths = None if lengths is None else torch.as_tensor(lengths)
        self.shuffle, self.seed, self.epoch, self.past = shuffle, seed, epoch, list(past)
        self.rank, self.layout = rank, BatchLayout(batch_size, max_tokens or 0, num_replicas)
        self._planned: tuple[int, list[list[int]]] | None = None
        self._idle = [0]

    @property
    def sampler(self) -> "DistributedBatchSampler":
        """Itself: where Lightning looks for ``set_epoch``."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Go on to another epoch, from its first batch."""
        if epoch != self.epoch:
            self.epoch, self.past, self._planned = epoch, [], None

    @property
    def start(self) -> int:
        """Batches of this epoch that were trained on before a restart."""
        return sum(layout.done for layout in self.past)

    @property
    def is_replanned(self) -> bool:
        """Whether this epoch began with another layout, so that it has another number of batches than the next."""
        return any(layout._replace(done=0) != self.layout for layout in self.past)

    def layouts(self, done: int) -> list[BatchLayout]:
        """Layouts of the epoch so far, after ``done`` batches of it, for ``past`` of a sampler that goes on."""
        before = self._before()
        rest = done - sum(layout.done for layout in before)
        return [*before, self.layout._replace(done=rest)] if rest > 0 else before

    def __len__(self) -> int:
        return len(self._plan())

    def __iter__(self) -> Iterator[BatchIndices]:
        for indices in self._plan()[self.start :]:
            yield BatchIndices(indices, self.epoch)

    def __getitem__(self, position: int) -> list[int]:
        """The indices of this process's batch at a position of the epoch; none if it was of another layout."""
        return self._plan()[position]

    @property
    def counted(self) -> int:
        """Number of batches with examples that no other process has."""
        return len([batch for batch in self._plan() if batch is not self._idle])

    def _before(self) -> list[BatchLayout]:
        """The layouts before the plan that is followed now: all but a last one that is the same as now."""
        goes_on = bool(self.past) and self.past[-1]._replace(done=0) == self.layout
        return self.past[:-1] if goes_on else self.past

    def _plan(self) -> list[list[int]]:
        if self._planned is None or self._planned[0] != self.epoch:
            left = torch.ones(self.size, dtype=torch.bool)  # not trained on yet
            plan: list[list[int]] = []
            for number, layout in enumerate(self._before()):
                done = [batch for batch in self._global_batches(layout, left, number) if batch][: layout.done]
                left[[index for batch in done for index in batch]] = False
                plan += [[]] * layout.done
            batches = self._global_batches(self.layout, left, len(self._before()))
            shares = [batch[self.rank :: self.layout.num_replicas] for batch in batches]
            # If too few are left for one each, nobody trains on them.
            plan += [share for share in shares if share] if self.shuffle else [share or self._idle for share in shares]
            self._planned = self.epoch, plan
        return self._planned[1]

    def _global_batches(self, layout: BatchLayout, left: Tensor, number: int) -> list[list[int]]:
        """Batches of all processes; in training without those that not every process would get equally many of."""
        seeds = (self.seed, self.epoch, number) if number else (self.seed, self.epoch)
        generator = torch.Generator().manual_seed(mix(*seeds))
        order = torch.randperm(self.size, generator=generator) if self.shuffle else torch.arange(self.size)
        order = order[left[order]]
        step = layout.batch_size * layout.num_replicas
        if self.lengths is None:
            batches = list(order.split(step)) if len(order) else []
        elif layout.max_tokens:
            batches = self._by_tokens(self._by_length(order), layout)
        else:
            pools = order.split(step * self.POOL if self.shuffle else self.size)
            batches = [chunk for pool in pools for chunk in self._by_length(pool).split(step)] if len(order) else []
        if not self.shuffle:
            return [batch.tolist() for batch in batches]
        if self.lengths is not None:
            batches = [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]
        return [batch[: len(batch) - len(batch) % layout.num_replicas].tolist() for batch in batches]

    def _by_length(self, order: Tensor) -> Tensor:
        assert self.lengths is not None
        return order[self.lengths[order].argsort(descending=True, stable=True)]

    def _by_tokens(self, order: Tensor, layout: BatchLayout) -> list[Tensor]:
        # The sequence of lengths is the same in every epoch (only ties are drawn anew), so the number of batches is.
        assert self.lengths is not None
        batches, first = [], 0
        longest = self.lengths[order].tolist()
        while first < len(order):
            each = max(1, layout.max_tokens // max(1, longest[first]))
            batches.append(order[first : first + each * layout.num_replicas])
            first += each * layout.num_replicas
        return batches


def mix(*numbers: int) -> int:
    """One 63-bit seed from several numbers (SplitMix64, Steele et al. 2014), so that neighbours have nothing alike."""
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        state ^= state >> 31
    return state >> 1
