import numpy as np
import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.splits import SPLITS, assign, split_mask, split_off


def check_partition(size, parts):
    kept, off = parts
    assert sorted(kept + off) == list(range(size))
    assert kept == sorted(kept)
    assert off == sorted(off)


def test_random_split_is_a_partition_that_depends_on_the_seed_alone():
    parts = split_off(50, 0.2, seed=3)
    check_partition(50, parts)
    assert len(parts[1]) == 10
    torch.manual_seed(9)
    assert parts == split_off(50, 0.2, seed=3)
    assert parts != split_off(50, 0.2, seed=4)


@pytest.mark.parametrize(
    ("sizes", "fraction"), [((50, 30, 20), 0.1), ((7, 7, 7), 0.5), ((90, 9, 1), 0.2), ((3, 2), 0.3)]
)
def test_stratified_split_has_the_shares_of_the_whole(sizes, fraction):
    classes = [name for name, size in enumerate(sizes) for _ in range(size)]
    parts = split_off(len(classes), fraction, seed=0, stratify=classes)
    check_partition(len(classes), parts)
    for name, size in enumerate(sizes):
        assert abs(sum(classes[i] == name for i in parts[1]) - size * fraction) < 1
        assert any(classes[i] == name for i in parts[0])
    assert len(parts[1]) == round(len(classes) * fraction)


def test_stratified_split_draws_within_a_class():
    classes = ["a"] * 40 + ["b"] * 40
    assert split_off(80, 0.25, 0, stratify=classes) != split_off(80, 0.25, 1, stratify=classes)


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_whole(seed):
    groups = [f"patient {i % 13}" for i in range(130)]
    parts = split_off(130, 0.3, seed, groups=groups)
    check_partition(130, parts)
    assert not {groups[i] for i in parts[0]} & {groups[i] for i in parts[1]}
    assert abs(len(parts[1]) - 39) <= 5


def test_a_huge_group_does_not_swallow_everything():
    groups = ["big"] * 90 + ["a"] * 5 + ["b"] * 5
    for seed in range(6):
        kept, off = split_off(100, 0.1, seed, groups=groups)
        assert len(off) in (5, 10)
        assert len(kept) == 100 - len(off)


def test_the_smallest_group_if_all_are_too_large():
    assert split_off(9, 0.1, 0, groups=["a"] * 4 + ["b"] * 2 + ["c"] * 3)[1] == [4, 5]


def test_latest_are_split_off_and_equal_times_stay_together():
    days = ["2024-01-03", "2024-01-01", "2024-01-03", "2024-01-02", "2024-01-01", "2024-01-02"]
    assert split_off(6, 0.2, 0, times=days) == ([1, 3, 4, 5], [0, 2])


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.2, 30])
def test_fraction_out_of_range(fraction):
    with pytest.raises(MisconfigurationException, match="between 0 and 1"):
        split_off(10, fraction, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "1 examples"),
        ({"groups": ["only"] * 8}, "1 groups"),
        ({"times": [5] * 8}, "1 times"),
    ],
)
def test_too_few_to_split(arguments, message):
    size = 8 if arguments else 1
    with pytest.raises(MisconfigurationException, match=message):
        split_off(size, 0.25, 0, **arguments)


def test_one_way_at_a_time():
    with pytest.raises(ValueError, match="only one"):
        split_off(4, 0.25, 0, stratify=[0, 0, 1, 1], groups=[0, 1, 2, 3])


def test_masks_of_arrays():
    classes = np.array([2, 0, 2, 2, 0, 0, 2, 2, 2, 2])  # no example of class 1
    mask = split_mask(10, 0.4, 0, stratify=classes)
    assert sorted(classes[mask.numpy()]) == [0, 2, 2, 2]
    assert split_mask(4, 0.5, 0, times=np.array([3.0, 1.0, 2.0, 4.0])).tolist() == [True, False, False, True]
    groups = split_mask(10, 0.3, 0, groups=np.array([0, 0, 0, 1, 1, 1, 1, 2, 2, 2]))
    assert int(groups.sum()) in (3, 4)  # one whole group


def test_held_out_splits_are_shares_of_the_whole():
    labels = list("aabbb") * 20
    names = assign(100, seed=0, val=0.2, test=0.2, stratify=labels)
    parts = {split: (names == k).nonzero()[0].tolist() for k, split in enumerate(SPLITS)}
    assert {split: len(part) for split, part in parts.items()} == {"train": 60, "val": 20, "test": 20}
    assert all([labels[i] for i in part].count("a") == 0.4 * len(part) for part in parts.values())
    assert parts["test"] == split_off(100, 0.2, seed=0, stratify=labels)[1]
    assert assign(3, seed=0).tolist() == [0, 0, 0]
    for share in (-0.1, 1.0):
        with pytest.raises(MisconfigurationException, match="val_fraction"):
            assign(10, seed=0, val=share)


def test_many_classes_keep_their_shares():
    classes = np.random.default_rng(0).permutation(np.repeat(np.arange(20_000), 5))
    names = assign(len(classes), 3, val=0.2, test=0.2, stratify=classes)
    assert np.bincount(names).tolist() == [60_000, 20_000, 20_000]
    for split in range(3):
        assert (np.bincount(classes[names == split], minlength=20_000) == [3, 1, 1][split]).all()
    assert (assign(len(classes), 3, val=0.2, test=0.2, stratify=classes) == names).all()
    assert (assign(len(classes), 4, val=0.2, test=0.2, stratify=classes) != names).any()
    kept, _ = split_off(4, 0.9, seed=0, stratify=list("aabb"))
    assert len({"aabb"[k] for k in kept}) == 2
    alone = assign(3000, 0, test=0.5, stratify=np.arange(3000) % 2999)  # a single example stays in training
    assert (alone > 0).sum() <= 1


@pytest.mark.parametrize(
    ("size", "options", "message"),
    [
        (3, {"val": 0.5, "test": 0.5}, "val_fraction 0.5 and data.test_fraction 0.5 leave nothing to train on"),
        (2, {"val": 0.15, "test": 0.1}, "val_fraction is 0.15, of 2 examples: 1 examples are too few"),
        (
            4,
            {"val": 0.1, "test": 0.2, "groups": [1, 1, 2, 2]},
            "val_fraction is 0.1, of 4 examples: 1 groups are too few",
        ),
        (9, {"val": 0.1, "stratify": list(range(9))}, "each of 9 classes has a single example"),
    ],
)
def test_a_share_that_cannot_be_is_told_as_it_was_typed(size, options, message):
    with pytest.raises(MisconfigurationException, match=message):
        assign(size, seed=0, **options)
