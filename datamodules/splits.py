"""Splitting examples into training and held-out ones, the same way for the same seed."""

from collections.abc import Hashable, Sequence
from typing import Any

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.sampling import mix


def split_off(
    size: int,
    fraction: float,
    seed: int,
    stratify: Sequence[Hashable] | None = None,
    groups: Sequence[Hashable] | None = None,
    times: Sequence[Any] | None = None,
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
    if sum(kind is not None for kind in (stratify, groups, times)) > 1:
        raise ValueError("give only one of stratify, groups and times")
    if not 0 < fraction < 1:
        raise MisconfigurationException(f"a fraction of {fraction} cannot be split off; it must lie between 0 and 1")
    num = max(1, round(fraction * size))
    generator = torch.Generator().manual_seed(mix(seed, 0))
    if times is not None:
        taken = _latest(times, num)
    elif groups is not None:
        taken = _whole_groups(groups, num, generator)
    elif stratify is not None:
        taken = _of_each_class(stratify, num, generator)
    else:
        taken = torch.randperm(size, generator=generator)[:num].tolist()
    off = set(taken)
    if not 0 < len(off) < size:
        unit = "groups" if groups is not None else "times" if times is not None else "examples"
        count = len(set(groups or times or range(size)))
        raise MisconfigurationException(f"{count} {unit} are too few to split {fraction:g} of them off")
    return [i for i in range(size) if i not in off], sorted(off)


def _latest(times: Sequence[Any], num: int) -> list[int]:
    cut = sorted(times)[-num]
    return [i for i, time in enumerate(times) if time >= cut]


def _whole_groups(groups: Sequence[Hashable], num: int, generator: torch.Generator) -> list[int]:
    members = _members(groups)
    names = list(members)
    taken: list[int] = []
    for k in torch.randperm(len(names), generator=generator).tolist():
        more = members[names[k]]
        if abs(len(taken) + len(more) - num) < abs(len(taken) - num):
            taken += more
    # With every group more than twice as large as what is wanted, the smallest comes nearest.
    return taken or min(members.values(), key=len)


def _of_each_class(classes: Sequence[Hashable], num: int, generator: torch.Generator) -> list[int]:
    members = _members(classes)
    share = num / len(classes)
    counts = {name: min(int(len(indices) * share), len(indices) - 1) for name, indices in members.items()}
    # Largest remainder: what rounding down left over goes to the classes that lost most, at most one each.
    by_loss = sorted(members, key=lambda name: counts[name] - len(members[name]) * share)
    for name in by_loss:
        if sum(counts.values()) < num and counts[name] < len(members[name]) - 1:
            counts[name] += 1
    taken: list[int] = []
    for name, indices in members.items():
        order = torch.randperm(len(indices), generator=generator)[: counts[name]]
        taken += [indices[k] for k in order.tolist()]
    return taken


def _members(values: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    members: dict[Hashable, list[int]] = {}
    for i, value in enumerate(values):
        members.setdefault(value, []).append(i)
    return members
