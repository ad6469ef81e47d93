"""What is odd about the user's images: too few, equal."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path

from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from datamodules.fetch import sha256
from datamodules.images.sets import ImageSet
from datamodules.splits import SPLITS

MOST_COMPARED = 100_000  # images whose contents are compared
EDGE = 4096  # bytes at the beginning and the end of files that are compared first


def report_classes(pool: ImageSet, source: Path) -> None:
    """Say which classes have too few images for three splits."""
    assert pool.labels is not None
    counts = Counter(pool.labels)
    few = [f"{name} ({count})" for name, count in sorted(counts.items()) if count < len(SPLITS)]
    if few:
        rank_zero_warn(
            f"{source}: classes of one or two training images, which not every split can have: {', '.join(few[:20])}"
        )


def report_copies(parts: dict[str, ImageSet], source: Path) -> None:
    """Say which images lie in several classes, or in training and in evaluation."""
    where: dict[Path, set[tuple[str, Hashable]]] = {}
    for split, part in parts.items():
        for path, label in zip(part.images, part.labels or (), strict=True):
            where.setdefault(path, set()).add((split, label))
    if len(where) > MOST_COMPARED:
        return
    groups = [group for group in same_contents(where) if len(group) > 1]
    groups += [[path] for path, places in where.items() if len(places) > 1]
    for what, k in (("in several classes", 1), ("in training and evaluation both, which makes scores too good", 0)):
        torn = [group for group in groups if len({place[k] for path in group for place in where[path]}) > 1]
        if torn:
            rank_zero_warn(f"{source}: {len(torn)} images are {what}, such as {' and '.join(map(str, torn[0][:2]))}")


def same_contents(paths: Iterable[Path]) -> list[list[Path]]:
    """Files that are equal to the last byte, together."""
    groups = [list(paths)]
    for key in (lambda path: path.stat().st_size, _edges, sha256):
        groups = [part for group in groups for part in _by(key, group) if len(part) > 1]
    return groups


def _by(key: Callable[[Path], Hashable], paths: list[Path]) -> Iterable[list[Path]]:
    parts: dict[Hashable, list[Path]] = defaultdict(list)
    for path in paths:
        parts[key(path)].append(path)
    return parts.values()


def _edges(path: Path) -> bytes:
    with path.open("rb") as file:
        start = file.read(EDGE)
        file.seek(max(0, path.stat().st_size - EDGE))
        return start + file.read(EDGE)
