import pickle

import pytest

from datamodules.sampling import Batches, Draw, mix


def flat(batches: Batches) -> list[int]:
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
        batches = Batches(size, 8, by, max_tokens, rank=rank, num_replicas=num_replicas)
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
    everyones = [list(Batches(size, 8, by, max_tokens, rank=rank, **options)) for rank in range(num_replicas)]  # type: ignore[arg-type]
    for batches in zip(*everyones, strict=True):
        assert len({len(batch) for batch in batches}) == 1
    indices = [index for batches in everyones for batch in batches for index in batch]
    assert len(set(indices)) == len(indices)
    # Only incomplete batches may lose examples, at most num_replicas - 1 each.
    assert size - len(indices) <= (num_replicas - 1) * max(1, len(everyones[0]) if max_tokens else 1)


def test_two_processes_take_the_global_batch_of_one() -> None:
    one = list(Batches(200, 64, shuffle=True, seed=1))
    two = [list(Batches(200, 32, shuffle=True, seed=1, rank=rank, num_replicas=2)) for rank in (0, 1)]
    for whole, left, right in zip(one, *two, strict=True):
        assert sorted(whole) == sorted(left + right)


def test_order_is_of_seed_and_epoch_alone() -> None:
    batches = Batches(50, 8, shuffle=True, seed=1)
    first = flat(batches)
    assert flat(batches) == first
    batches.set_epoch(1)
    second = flat(batches)
    assert second != first
    assert flat(Batches(50, 8, shuffle=True, seed=1, epoch=1)) == second
    assert flat(Batches(50, 8, shuffle=True, seed=2)) != first


def test_start_leaves_out_what_was_trained_on_in_this_epoch_only() -> None:
    batches = Batches(50, 8, shuffle=True, start=3)
    whole = list(Batches(50, 8, shuffle=True))
    assert list(batches) == whole[3:]
    assert len(batches) == len(whole)  # Lightning counts from the start of the epoch
    batches.set_epoch(0)
    assert list(batches) == whole[3:]
    batches.set_epoch(1)
    assert len(list(batches)) == len(whole)


def test_batches_hold_examples_of_similar_length() -> None:
    lengths = [i * 37 % 100 for i in range(1000)]
    spread = [max(lengths[i] for i in b) - min(lengths[i] for i in b) for b in Batches(1000, 10, lengths, shuffle=True)]
    assert sum(spread) / len(spread) < 10


def test_max_tokens_bounds_every_batch_and_the_number_of_batches_is_constant() -> None:
    lengths = [1 + i * 37 % 100 for i in range(1000)]
    batches = Batches(1000, 1, lengths, max_tokens=300, shuffle=True)
    assert all(len(b) * max(lengths[i] for i in b) <= 300 for b in batches)
    count = len(batches)
    for epoch in range(1, 5):
        batches.set_epoch(epoch)
        assert len(batches) == count


def test_fewer_training_examples_than_processes_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 training examples cannot be shared out over 3 processes"):
        Batches(2, 8, shuffle=True, num_replicas=3)


def test_draw_survives_the_way_to_a_worker() -> None:
    draw = pickle.loads(pickle.dumps(Draw([1, 2], epoch=5)))
    assert draw == [1, 2]
    assert draw.epoch == 5


def test_mix_tells_neighbours_apart() -> None:
    seeds = {mix(seed, epoch, index) for seed in range(10) for epoch in range(10) for index in range(10)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)
