import pickle
from random import Random

import pytest

from datamodules.sampling import BatchIndices, BatchLayout, DistributedBatchSampler, mix


def flat(batches: DistributedBatchSampler) -> list[int]:
    return [index for batch in batches for index in batch]


@pytest.mark.parametrize("size", [1, 2, 5, 64, 101])
@pytest.mark.parametrize("num_replicas", [1, 2, 3])
@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("max_tokens", [None, 40])
def test_evaluation_counts_each_example_once(
    size: int, num_replicas: int, lengths: bool, max_tokens: int | None
) -> None:
    by = [1 + i * 7 % 13 for i in range(size)] if lengths or max_tokens else None
    seen, sizes = [], set()
    for rank in range(num_replicas):
        batches = DistributedBatchSampler(size, 8, by, max_tokens, rank=rank, num_replicas=num_replicas)
        seen += [index for batch in list(batches)[: batches.counted] for index in batch]
        sizes.add(len(batches))
        assert len(list(batches)) == len(batches)
    assert sorted(seen) == list(range(size))
    assert len(sizes) == 1  # all processes take as many steps


@pytest.mark.parametrize("size", [3, 64, 101])
@pytest.mark.parametrize("num_replicas", [1, 2, 3])
@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("max_tokens", [None, 40])
def test_training_shares_out_without_overlap(
    size: int, num_replicas: int, lengths: bool, max_tokens: int | None
) -> None:
    by = [1 + i * 7 % 13 for i in range(size)] if lengths or max_tokens else None
    options = dict(shuffle=True, seed=3, num_replicas=num_replicas)
    everyones = [
        list(DistributedBatchSampler(size, 8, by, max_tokens, rank=rank, **options)) for rank in range(num_replicas)
    ]  # type: ignore[arg-type]
    for batches in zip(*everyones, strict=True):
        assert len({len(batch) for batch in batches}) == 1
    indices = [index for batches in everyones for batch in batches for index in batch]
    assert len(set(indices)) == len(indices)
    # Only incomplete batches may lose examples, at most num_replicas - 1 each.
    assert size - len(indices) <= (num_replicas - 1) * max(1, len(everyones[0]) if max_tokens else 1)


def test_two_processes_take_the_global_batch_of_one() -> None:
    one = list(DistributedBatchSampler(200, 64, shuffle=True, seed=1))
    two = [list(DistributedBatchSampler(200, 32, shuffle=True, seed=1, rank=rank, num_replicas=2)) for rank in (0, 1)]
    for whole, left, right in zip(one, *two, strict=True):
        assert sorted(whole) == sorted(left + right)


def test_order_is_of_seed_and_epoch_alone() -> None:
    batches = DistributedBatchSampler(50, 8, shuffle=True, seed=1)
    first = flat(batches)
    assert flat(batches) == first
    batches.set_epoch(1)
    second = flat(batches)
    assert second != first
    assert flat(DistributedBatchSampler(50, 8, shuffle=True, seed=1, epoch=1)) == second
    assert flat(DistributedBatchSampler(50, 8, shuffle=True, seed=2)) != first


def test_training_goes_on_where_it_was() -> None:
    batches = DistributedBatchSampler(50, 8, shuffle=True, past=[BatchLayout(8, 0, 1, 3)])
    whole = list(DistributedBatchSampler(50, 8, shuffle=True))
    assert list(batches) == whole[3:]
    assert len(batches) == len(whole)  # Lightning counts from the start of the epoch
    assert not batches.is_replanned
    assert batches.layouts(5) == [BatchLayout(8, 0, 1, 5)]
    batches.set_epoch(0)
    assert list(batches) == whole[3:]
    batches.set_epoch(1)
    assert len(list(batches)) == len(whole)


@pytest.mark.parametrize("case", range(150))
def test_other_layouts_train_on_no_example_twice(case: int) -> None:
    """Chains of restarts within an epoch, each with its own number of processes and size of batches."""
    random = Random(case)
    size, epoch = random.randint(20, 200), random.randint(0, 3)
    by = random.choice([None, [random.randint(1, 30) for _ in range(size)]])
    tokens = by is not None and random.random() < 0.5
    past: list[BatchLayout] = []
    seen: list[int] = []
    lost, last = 0, False
    for link in range(random.randint(2, 5)):
        again = past and random.random() < 0.3  # as before: the old plan continues
        num_replicas = past[-1].num_replicas if again else random.randint(1, 4)
        each = past[-1].batch_size if again else random.randint(1, 9)
        most = past[-1].max_tokens or None if again else random.randint(20, 90) if tokens else None
        everyone = [
            DistributedBatchSampler(
                size, each, by, most, shuffle=True, seed=7, epoch=epoch, past=past, rank=rank, num_replicas=num_replicas
            )
            for rank in range(num_replicas)
        ]
        plans = [list(sampler) for sampler in everyone]
        assert len({len(plan) for plan in plans}) == 1
        assert len(everyone[0]) == everyone[0].start + len(plans[0])
        assert [everyone[0][everyone[0].start + i] for i in range(len(plans[0]))] == plans[0]
        done = len(plans[0]) if link == 4 else random.randint(0, len(plans[0]))
        seen += [index for plan in plans for batch in plan[:done] for index in batch]
        past = everyone[0].layouts(everyone[0].start + done)
        last = done == len(plans[0])
        lost = size - len(set(seen))
        if last:
            break
    assert len(seen) == len(set(seen))
    if last and not tokens and by is None:
        assert lost <= 3  # at most one fewer than there are processes


def test_batches_hold_examples_of_similar_length() -> None:
    lengths = [i * 37 % 100 for i in range(1000)]
    spread = [
        max(lengths[i] for i in b) - min(lengths[i] for i in b)
        for b in DistributedBatchSampler(1000, 10, lengths, shuffle=True)
    ]
    assert sum(spread) / len(spread) < 10


def test_max_tokens_bounds_every_batch_and_the_number_of_batches_is_constant() -> None:
    lengths = [1 + i * 37 % 100 for i in range(1000)]
    batches = DistributedBatchSampler(1000, 1, lengths, max_tokens=300, shuffle=True)
    assert all(len(b) * max(lengths[i] for i in b) <= 300 for b in batches)
    count = len(batches)
    for epoch in range(1, 5):
        batches.set_epoch(epoch)
        assert len(batches) == count


def test_fewer_training_examples_than_processes_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 training examples cannot be shared out over 3 processes"):
        DistributedBatchSampler(2, 8, shuffle=True, num_replicas=3)


def test_draw_survives_the_way_to_a_worker() -> None:
    draw = pickle.loads(pickle.dumps(BatchIndices([1, 2], epoch=5)))
    assert draw == [1, 2]
    assert draw.epoch == 5


def test_mix_tells_neighbours_apart() -> None:
    seeds = {mix(seed, epoch, index) for seed in range(10) for epoch in range(10) for index in range(10)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)
