"""Truth values: texts have ``TRUE`` or ``true`` where Excel and Parquet have ``True``, and mean the same."""

from collections.abc import Callable, Iterable

TRUTH = ("true", "false")


def spelling(known: Iterable[str]) -> Callable[[str], str]:
    """What spells truth values as they are spelled among those known, and leaves other names alone.

    Args:
        known: Names, whether truth values are among them or not.
    """
    spelled = {name.lower(): name for name in sorted((n for n in known if n.lower() in TRUTH), reverse=True)}
    return lambda name: spelled.get(name.lower(), name) if spelled else name
