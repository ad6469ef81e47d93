"""Names of classes, labels and tags: what is one name though it is written in two ways, and what seems to be."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence

from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from datamodules.targets.truth import spelling

WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.0)?")  # and no code, as 001 is


def composed(name: str) -> str:
    """A name in one form of Unicode: ``é`` may be one character or two, and is two in the names of macOS's folders."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def as_one(names: Collection[str]) -> Callable[[str], str]:
    """What makes one name of those that are the same: ``true`` is ``TRUE``, and among whole numbers ``1.0`` is ``1``.

    Args:
        names: All names that there are.
    """
    if all(WHOLE.fullmatch(name) for name in names):
        return lambda name: composed(name).removesuffix(".0")
    spell = spelling(names)
    return lambda name: spell(composed(name))


def finder(known: Sequence[str]) -> Callable[[str], int | None]:
    """What finds the place of a name among those that are known, None if it is not there."""
    one = as_one(known)
    places = {name: place for place, name in enumerate(known)}
    alike = {one(name): place for place, name in enumerate(known)}

    def find(name: str) -> int | None:
        place = places.get(name)
        return alike.get(one(name)) if place is None else place

    return find


def warn_of_alike(names: Iterable[str], what: str, source: str) -> None:
    """Say which names differ in case, blanks or invisible characters only, as those of one class do that people wrote
    in two ways.

    Args:
        names: The names, each once.
        what: What they name: ``classes``.
        source: Where they are from.
    """
    alike = defaultdict(list)
    for name in names:
        alike[_bare(name)].append(name)
    for several in alike.values():
        if len(several) > 1:
            case = len({name.casefold() for name in several}) == 1
            shown = [f"`{name if case else _shown(name)}`" for name in several]
            why = "case" if case else "case, blanks, invisible characters or the form of Unicode"
            rank_zero_warn(f"{source}: {' and '.join(shown)} are different {what}, though only in {why}")


def _bare(name: str) -> str:
    """Without what cannot be seen (zero-width spaces, marks of direction), with single blanks, in lower case."""
    seen = "".join(char for char in composed(name) if unicodedata.category(char) != "Cf")
    return " ".join(seen.split()).casefold()


def _shown(name: str) -> str:
    """A name with what cannot be seen in it as codes, and characters of several parts too."""
    return repr(name)[1:-1] if name == composed(name) else ascii(name)[1:-1]
