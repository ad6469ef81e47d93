"""Each example is held out once, and what is held out is as the splits are drawn."""

from collections import Counter

import numpy as np
import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.splits import SPLITS, UNUSED, Fold, assign

TEST = SPLITS.index("test")
rng = np.random.default_rng(0)


def folds(count: int, size: int, **kinds: np.ndarray) -> list[np.ndarray]:
    return [assign(size, 3, 0.1, 0.2, fold=Fold(k, count), **kinds) for k in range(count)]


@pytest.mark.parametrize("count", [2, 5, 23])
def test_every_example_is_held_out_once(count: int) -> None:
    found = folds(count, 23)
    assert (sum((names == TEST).astype(int) for names in found) == 1).all()
    assert all((names != UNUSED).all() for names in found)
    sizes = [int((names == TEST).sum()) for names in found]
    assert max(sizes) - min(sizes) <= 1
    assert all(int((names == 1).sum()) == 2 for names in found)  # 0.1 of the whole
    assert not np.array_equal(found[0], assign(23, 4, 0.1, fold=Fold(0, count)))  # another seed


def test_classes_have_equal_shares() -> None:
    classes = rng.choice(4, 101, p=[0.7, 0.2, 0.07, 0.03])
    found = folds(5, 101, stratify=classes)
    assert (sum((names == TEST).astype(int) for names in found) == 1).all()
    sizes = [int((names == TEST).sum()) for names in found]
    assert max(sizes) - min(sizes) <= 1
    for k in range(4):
        counts = [int((classes[names == TEST] == k).sum()) for names in found]
        assert max(counts) - min(counts) <= 1, k


def test_groups_are_not_divided() -> None:
    groups = rng.integers(0, 17, 200)
    found = folds(4, 200, groups=groups)
    assert (sum((names == TEST).astype(int) for names in found) == 1).all()
    for names in found:
        for k in range(17):
            assert len(set(names[groups == k].tolist())) == 1
    sizes = [int((names == TEST).sum()) for names in found]
    assert max(sizes) - min(sizes) <= max(Counter(groups.tolist()).values())


def test_a_fold_in_time_comes_after_its_training() -> None:
    times = rng.permutation(100)
    found = folds(4, 100, times=times)
    for k, names in enumerate(found):
        assert sorted(times[names == TEST]) == list(range(80 + 5 * k, 85 + 5 * k))  # of the last fifth
        assert sorted(times[names == 1]) == list(range(70 + 5 * k, 80 + 5 * k))
        assert sorted(times[names == 0]) == list(range(70 + 5 * k))
        assert (times[names == UNUSED] >= 85 + 5 * k).all()


def test_what_lies_just_before_a_fold_can_be_left_out() -> None:
    names = assign(100, 0, 0.1, 0.2, times=np.arange(100), fold=Fold(1, 4, gap=3))
    assert np.flatnonzero(names == TEST).tolist() == list(range(85, 90))
    assert np.flatnonzero(names == 1).tolist() == list(range(72, 82))
    assert np.flatnonzero(names == UNUSED).tolist() == [82, 83, 84, *range(90, 100)]


def test_the_same_time_is_in_one_fold() -> None:
    times = np.repeat(np.arange(20), 5)
    found = folds(3, 100, times=times)
    held = sum((names == TEST).astype(int) for names in found)
    assert (held[times >= 16] == 1).all()
    assert (held[times < 16] == 0).all()


@pytest.mark.parametrize(
    ("size", "count", "kinds", "said"),
    [
        (3, 4, {}, "too few examples for 4 folds"),
        (30, 3, {"groups": np.zeros(30, int)}, "too few groups for 3 folds"),
        (30, 7, {"times": np.arange(30)}, "too few for 7 folds by time"),
        (30, 3, {"times": np.zeros(30)}, "too few times for 3 folds"),
    ],
)
def test_too_few(size: int, count: int, kinds: dict[str, np.ndarray], said: str) -> None:
    with pytest.raises(MisconfigurationException, match=said):
        folds(count, size, **kinds)


@pytest.mark.parametrize(("index", "count", "gap"), [(0, 1, 0), (3, 3, 0), (-1, 3, 0), (0, 3, -1)])
def test_folds_that_are_not_there(index: int, count: int, gap: int) -> None:
    with pytest.raises(MisconfigurationException, match=f"there is no fold {index} of {count} with a gap of {gap}"):
        Fold(index, count, gap)
