"""Splitting examples into training and held-out ones, the same way for the same seed."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor

from datamodules.sampling import mix
from datamodules.types import Array

Labels = Sequence[Hashable] | Array

SPLITS = ("train", "val", "test")
UNUSED = len(SPLITS)  # for an example of no split
MANY = 1000  # classes that are not drawn from one by one


@dataclass(frozen=True)
class Fold:
    """One of the parts of all examples that are held out in turn, in place of the test split.

    Every example is in one fold, drawn as the test split would be: at random, with equal shares of the classes, or
    without dividing a group. Where the split goes by time (rolling origin), the folds are equal spans of the test
    share, and a fold is tested after training on what is before it.

    Args:
        index: Which one, from 0.
        count: How many there are.
        gap: Examples just before a fold that are left out, where the split goes by time.
    """

    index: int
    count: int
    gap: int = 0

    def __post_init__(self) -> None:
        if self.count < 2 or not 0 <= self.index < self.count or self.gap < 0:
            raise MisconfigurationException(
                f"there is no fold {self.index} of {self.count} with a gap of {self.gap}: "
                "the index is from 0 to below the count, the count at least 2, the gap at least 0"
            )


def split_off(
    size: int,
    fraction: float,
    seed: int,
    stratify: Labels | None = None,
    groups: Labels | None = None,
    times: Labels | None = None,
) -> tuple[list[int], list[int]]:
    """Split a fraction of the examples off.

    Args:
        size: Number of examples.
        fraction: Share of the examples to split off, between 0 and 1.
        seed: Seed of the choice.
        stratify: Class of each example. Each class then has the same share in both parts, as nearly as whole numbers
            allow; at least one example of every class stays in the first part.
        groups: Group of each example (patient, author). A group is never divided.
        times: Time of each example, or anything else that can be sorted. The latest examples are split off; examples
            of the same time are never divided.

    Returns:
        Indices of the examples that stay and of those split off, both ascending and neither empty.

    Raises:
        MisconfigurationException: If the fraction is not between 0 and 1, or a part would be empty.
        ValueError: If more than one of ``stratify``, ``groups`` and ``times`` is given.
    """
    off = split_mask(size, fraction, seed, stratify, groups, times)
    kept: list[int] = (~off).nonzero().flatten().tolist()
    return kept, off.nonzero().flatten().tolist()


def assign(
    size: int,
    seed: int,
    val: float = 0.0,
    test: float = 0.0,
    stratify: Labels | None = None,
    groups: Labels | None = None,
    times: Array | None = None,
    fold: Fold | None = None,
) -> Array:
    """Assign each example to a split, in whichever one of three ways is asked for, else at random.

    Args:
        size: Number of examples.
        seed: Seed of the choice.
        val: Share of the whole that is for validation.
        test: Share of the whole that is for testing; these are drawn first.
        stratify: Class of each example, as for ``split_off``.
        groups: Group of each example, as for ``split_off``.
        times: Time of each example, as for ``split_off``: the latest are tested on.
        fold: What is for testing, instead of a share drawn at once.

    Returns:
        Index into ``SPLITS`` of each example, or ``UNUSED``, ``(size)``.

    Raises:
        MisconfigurationException: If a share is not from 0 to below 1, or a split would be empty.
    """
    names = np.zeros(size, dtype=np.int8)
    if fold is not None:
        names, test = hold_out(size, seed, fold, test, stratify, groups, times), 0.0
    left = np.flatnonzero(names == 0)
    if 0 <= val < 1 <= val + test and test < 1:
        raise MisconfigurationException(
            f"data.val_fraction {val:g} and data.test_fraction {test:g} leave nothing to train on"
        )
    for name, fraction in (("test", test), ("val", val)):
        if not 0 <= fraction < 1:
            raise MisconfigurationException(
                f"data.{name}_fraction is {fraction}; it must be a share below 1, or 0 for none"
            )
        if fraction:
            some = [None if kind is None else _take(kind, left) for kind in (stratify, groups, times)]
            try:
                off = split_mask(len(left), fraction * size / max(1, len(left)), seed, *some).numpy()
            except MisconfigurationException as error:
                raise MisconfigurationException(
                    f"data.{name}_fraction is {fraction:g}, of {size} examples: {error}"
                ) from error
            names[left[off]], left = SPLITS.index(name), left[~off]
    return names


def hold_out(
    size: int,
    seed: int,
    fold: Fold,
    share: float = 1.0,
    stratify: Labels | None = None,
    groups: Labels | None = None,
    times: Array | None = None,
) -> Array:
    """Assign the examples of a fold to the test split.

    Args:
        size: Number of examples.
        seed: Seed of the choice, the same for all folds.
        fold: Which fold of how many.
        share: Of all examples, the latest, that the folds are spans of if there are ``times``.
        stratify: Class of each example: each class has its share in every fold, as nearly as whole numbers allow.
        groups: Group of each example: the largest group goes to the smallest fold, and so on.
        times: Time of each example; what is later than the fold, or in the gap before it, is of no split.

    Returns:
        Index into ``SPLITS`` of each example, or ``UNUSED``, ``(size)``.

    Raises:
        MisconfigurationException: If there are too few examples, groups or times.
    """
    generator = torch.Generator().manual_seed(mix(seed))
    names = np.zeros(size, dtype=np.int8)
    if times is not None:
        ordered, first = np.sort(times), size - round(share * size)
        begin, end = (first + (size - first) * k // fold.count for k in (fold.index, fold.index + 1))
        if not 0 < begin < end:
            raise MisconfigurationException(f"{size} examples are too few for {fold.count} folds by time")
        names[times >= ordered[begin]] = SPLITS.index("test")
        if end < size:
            names[times >= ordered[end]] = UNUSED
        if fold.gap:
            before = times < ordered[begin]
            names[before & (times >= ordered[max(0, int(before.sum()) - fold.gap)])] = UNUSED
    else:
        order = torch.randperm(size, generator=generator).numpy()
        if groups is not None:
            part = _spread(_numbered(groups)[order].numpy(), fold.count)
        else:
            part = np.arange(size) % fold.count
            if stratify is not None:  # dealt out class by class
                order = order[np.argsort(_numbered(stratify)[order].numpy(), kind="stable")]
        names[order[part == fold.index]] = SPLITS.index("test")
    if not (names == 0).any() or not (names == SPLITS.index("test")).any():
        unit = "groups" if groups is not None else "times" if times is not None else "examples"
        raise MisconfigurationException(f"the {size} examples have too few {unit} for {fold.count} folds")
    return names


def _spread(groups: Array, count: int) -> Array:
    """The fold of each example, so that folds are of similar size and no group is divided."""
    sizes = np.bincount(groups)
    of, filled = np.zeros(len(sizes), dtype=np.int64), np.zeros(count, dtype=np.int64)
    first = np.unique(groups, return_index=True)[1]  # groups of equal size in the order of their examples
    for group in sorted(range(len(sizes)), key=lambda group: (-sizes[group], first[group])):
        of[group] = filled.argmin()
        filled[of[group]] += sizes[group]
    return np.asarray(of[groups])


def _take(values: Labels, indices: Array) -> Labels:
    return values[indices] if isinstance(values, np.ndarray) else [values[i] for i in indices.tolist()]


def split_mask(
    size: int,
    fraction: float,
    seed: int,
    stratify: Labels | None = None,
    groups: Labels | None = None,
    times: Labels | None = None,
) -> Tensor:
    """Like ``split_off``, but return a mask ``(size)`` that is true where an example is split off.

    For long tables classes and groups may also be arrays of numbers from 0, and times arrays of numbers.
    """
    if sum(kind is not None for kind in (stratify, groups, times)) > 1:
        raise ValueError("give only one of stratify, groups and times")
    if not 0 < fraction < 1:
        raise MisconfigurationException(f"a fraction of {fraction} cannot be split off; it must lie between 0 and 1")
    num = max(1, round(fraction * size))
    generator = torch.Generator().manual_seed(mix(seed))
    off = torch.zeros(size, dtype=torch.bool)
    if times is not None:
        times = np.asarray(times)
        off |= torch.from_numpy(times >= np.sort(times)[-num])
    elif groups is not None:
        off[_whole_groups(_parts(_numbered(groups)), num, generator)] = True
    elif stratify is not None:
        off[_of_each_class(_numbered(stratify), num, generator)] = True
    else:
        off[torch.randperm(size, generator=generator)[:num]] = True
    if not 0 < int(off.sum()) < size:
        unit = "groups" if groups is not None else "times" if times is not None else "examples"
        kinds = next((kind for kind in (groups, times) if kind is not None), range(size))
        count = len(set(kinds))
        if stratify is not None and count > 1:
            raise MisconfigurationException(
                f"each of {count} classes has a single example, so none can be split off (are they numbers to predict?)"
            )
        raise MisconfigurationException(f"{count} {unit} are too few to split any of them off")
    return off


def _whole_groups(members: Sequence[Tensor], num: int, generator: torch.Generator) -> Tensor:
    taken: list[Tensor] = []
    count = 0
    for k in torch.randperm(len(members), generator=generator).tolist():
        more = len(members[k])
        if abs(count + more - num) < abs(count - num):
            taken.append(members[k])
            count += more
    # With every group more than twice as large as what is wanted, the smallest comes nearest.
    return torch.cat(taken or [min(members, key=len)])


def _of_each_class(ids: Tensor, num: int, generator: torch.Generator) -> Tensor:
    sizes = ids.bincount().numpy()
    exact = sizes * (num / len(ids))
    counts = np.minimum(exact.astype(np.int64), np.maximum(sizes - 1, 0))
    # Largest remainder: what rounding down left over goes to the classes that lost most, at most one each.
    losers = np.argsort(counts - exact, kind="stable")
    losers = losers[counts[losers] < sizes[losers] - 1]
    counts[losers[: max(0, num - counts.sum())]] += 1
    if len(sizes) > MANY:  # one draw for all of them
        keys = torch.rand(len(ids), generator=generator, dtype=torch.float64)
        order = keys.argsort(stable=True)
        order = order[ids[order].argsort(stable=True)]
        first = np.cumsum(sizes) - sizes
        rank = np.arange(len(ids)) - np.repeat(first, sizes)
        return order[torch.from_numpy(rank < np.repeat(counts, sizes))]
    drawn = [
        indices[torch.randperm(len(indices), generator=generator)[:count]]
        for indices, count in zip(_parts(ids), counts.tolist(), strict=True)
    ]
    return torch.cat(drawn)


def _numbered(values: Labels) -> Tensor:
    """The class or group of each example as a number without gaps."""
    if isinstance(values, np.ndarray):  # a long table would be many times larger as Python objects
        return torch.from_numpy(np.unique(values, return_inverse=True)[1])
    numbers: dict[Hashable, int] = {}
    return torch.tensor([numbers.setdefault(value, len(numbers)) for value in values])


def _parts(ids: Tensor) -> tuple[Tensor, ...]:
    """Indices of the examples of each class or group."""
    parts: tuple[Tensor, ...] = ids.argsort(stable=True).split(ids.bincount().tolist())
    return parts
