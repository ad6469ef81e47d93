"""Which examples make up which batch, in which order, on which process."""

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler


class Draw(list[int]):
    """The indices of one batch, and the epoch they are drawn in.

    A dataset that augments makes its random choices from the epoch and the index alone, so they are the same
    whichever worker process makes them.
    """

    def __init__(self, indices: Sequence[int], epoch: int = 0) -> None:
        super().__init__(indices)
        self.epoch = epoch

    def __reduce__(self) -> tuple[type["Draw"], tuple[list[int], int]]:
        return Draw, (list(self), self.epoch)


class Batches(Sampler[Draw]):
    """Batches of indices: a function of seed and epoch alone, shared out over the processes.

    A *global* batch is what all processes together take in one step. In training (``shuffle=True``) every process
    gets equally many batches and, within a batch, equally many examples; at most ``num_replicas - 1`` examples of an
    incomplete batch are left out, other ones in each epoch. In evaluation every example is counted exactly once. Where
    the last batch has nothing for a process, it gets an example to go through the motions with, because all processes
    must take part in each step: batches from ``counted`` on are not to be scored.

    Args:
        size: Number of examples.
        batch_size: Examples in a batch of one process.
        lengths: Length of each example. Batches are then filled with examples of similar length.
        max_tokens: If given, a batch of one process holds so many examples that (number of examples) x (longest
            length) is at most this (a single longer example makes a batch of its own), and ``batch_size`` is not used.
        shuffle: Draw a new order in every epoch.
        seed: Seed of the order.
        epoch: Epoch of the next iteration.
        start: Batches of that epoch to leave out, because they were trained on before a restart.
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
        lengths: Sequence[int] | None = None,
        max_tokens: int | None = None,
        shuffle: bool = False,
        seed: int = 0,
        epoch: int = 0,
        start: int = 0,
        rank: int = 0,
        num_replicas: int = 1,
    ) -> None:
        if shuffle and size < num_replicas:
            raise ValueError(f"{size} training examples cannot be shared out over {num_replicas} processes")
        self.size, self.batch_size, self.max_tokens = size, batch_size, max_tokens
        self.lengths = None if lengths is None else torch.as_tensor(lengths)
        self.shuffle, self.seed, self.epoch, self.start = shuffle, seed, epoch, start
        self.rank, self.num_replicas = rank, num_replicas
        self._planned: tuple[int, list[list[int]]] | None = None
        self._idle = [0]

    @property
    def sampler(self) -> "Batches":
        """Itself: where Lightning looks for ``set_epoch``."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Go on to another epoch, from its first batch."""
        if epoch != self.epoch:
            self.epoch, self.start = epoch, 0

    def __len__(self) -> int:
        return len(self._plan())

    def __iter__(self) -> Iterator[Draw]:
        for indices in self._plan()[self.start :]:
            yield Draw(indices, self.epoch)

    def __getitem__(self, position: int) -> list[int]:
        """The indices of this process's batch at a position of the epoch."""
        return self._plan()[position]

    @property
    def counted(self) -> int:
        """Number of batches with examples that no other process has."""
        return len([batch for batch in self._plan() if batch is not self._idle])

    def _plan(self) -> list[list[int]]:
        if self._planned is None or self._planned[0] != self.epoch:
            shares = [self._share(batch) for batch in self._global_batches()]
            # If too few are left for one each, nobody trains on them.
            plan = [share for share in shares if share] if self.shuffle else [share or self._idle for share in shares]
            self._planned = self.epoch, plan
        return self._planned[1]

    def _share(self, batch: list[int]) -> list[int]:
        if self.shuffle:
            batch = batch[: len(batch) - len(batch) % self.num_replicas]
        return batch[self.rank :: self.num_replicas]

    def _global_batches(self) -> list[list[int]]:
        generator = torch.Generator().manual_seed(mix(self.seed, self.epoch))
        order = torch.randperm(self.size, generator=generator) if self.shuffle else torch.arange(self.size)
        step = self.batch_size * self.num_replicas
        if self.lengths is None:
            return [chunk.tolist() for chunk in order.split(step)]
        if self.max_tokens is None:
            pools = order.split(step * self.POOL if self.shuffle else self.size)
            batches = [chunk for pool in pools for chunk in self._by_length(pool).split(step)]
        else:
            batches = self._by_tokens(self._by_length(order), self.max_tokens)
        chunks = [chunk.tolist() for chunk in batches]
        if not self.shuffle:
            return chunks
        return [chunks[i] for i in torch.randperm(len(chunks), generator=generator).tolist()]

    def _by_length(self, order: torch.Tensor) -> torch.Tensor:
        assert self.lengths is not None
        return order[self.lengths[order].argsort(descending=True, stable=True)]

    def _by_tokens(self, order: torch.Tensor, max_tokens: int) -> list[torch.Tensor]:
        # The sequence of lengths is the same in every epoch (only ties are drawn anew), so the number of batches is.
        assert self.lengths is not None
        batches, first = [], 0
        longest = self.lengths[order].tolist()
        while first < len(order):
            each = max(1, max_tokens // max(1, longest[first]))
            batches.append(order[first : first + each * self.num_replicas])
            first += each * self.num_replicas
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
