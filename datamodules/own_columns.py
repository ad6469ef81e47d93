"""The user's own columns beside those of a prediction; exported programs hold this file too."""

from collections.abc import Collection


def own_names(given: Collection[str], predicted: Collection[str]) -> dict[str, str]:
    """What the user's own columns are called beside a prediction: one that has the name of such is ``given_...``.

    Args:
        given: The user's columns.
        predicted: Those of the prediction.
    """
    names: dict[str, str] = {}
    taken = {*given, *predicted}
    for name in given:
        free = name
        while free in predicted or (free != name and free in taken):
            free = f"given_{free}"
        names[name] = free
        taken.add(free)
    return names


def joined(given: dict[str, object], predicted: dict[str, object]) -> dict[str, object]:
    """A row of the user's beside what was predicted of it, under such names as ``own_names`` tells."""
    names = own_names(given, predicted)
    return {names[name]: value for name, value in given.items()} | predicted
