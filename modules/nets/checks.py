"""Sizes and shares that networks can be made of."""

import math


def at_least_one(**sizes: float) -> None:
    """Refuse sizes below 1, which make a network of nothing.

    Raises:
        ValueError: If one is.
    """
    for name, size in sizes.items():
        if not size >= 1:
            raise ValueError(f"{name} is {size}; it must be at least 1")


def probability(**shares: float) -> None:
    """Refuse what is no probability of leaving something out.

    Raises:
        ValueError: If one is below 0, or not below 1.
    """
    for name, share in shares.items():
        if not 0 <= share < 1:
            raise ValueError(f"{name} is {share}; it must be at least 0 and below 1")


def not_negative(**values: float) -> None:
    """Refuse what is below 0 or not finite.

    Raises:
        ValueError: If one is.
    """
    for name, value in values.items():
        if not 0 <= value < math.inf:
            raise ValueError(f"{name} is {value}; it must be at least 0, and finite")
