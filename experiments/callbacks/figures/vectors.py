"""What word vectors have learned: words, and the words nearest to them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from lightning.pytorch import Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor

from experiments.callbacks.board.loggers import show_text
from experiments.callbacks.figures.base import EvaluationFigures, shortened, show_figure
from modules.distributed import whole
from modules.embedding import SkipGram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COMMON = 1e-4  # share of the text: more frequent words are often those of grammar (the, of, those), near to everything

Neighbours = list[tuple[int, list[tuple[float, int]]]]  # a word; cosine and word of those nearest to it


class VectorFigures(EvaluationFigures[SkipGram]):
    """Draws a map of some words and the words nearest to them, and writes the latter with their cosines.

    The map is the plane of the two principal components of the vectors, of unit length, of the words in it.

    Args:
        words: Words to begin with; by default the most frequent ones that make up less than 0.01 % of the text each,
            and are not near to one another.
        num_words: How many words to begin with, if they are not given.
        num_neighbours: Words nearest to each that the map has; the text has twice as many.
        **kwargs: How often: see ``EvaluationFigures``.

    Raises:
        MisconfigurationException: If one of the words has no vector, when they are shown.
    """

    def __init__(self, words: Sequence[str] = (), num_words: int = 8, num_neighbours: int = 4, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.words, self.num_words, self.num_neighbours = words, num_words, num_neighbours

    def show(self, trainer: Trainer, task: SkipGram, stage: str) -> None:
        """Draw the map, and write the neighbours."""
        vectors = F.normalize(whole(task.inner.weight.detach()).float(), dim=1).cpu()
        if not trainer.is_global_zero or not vectors.isfinite().all():
            return
        counts = task.facts.word_counts
        found = neighbours(vectors, self._chosen(task.words), counts, self.num_words, 2 * self.num_neighbours)
        lines = ["Words, how often they occur, and the words nearest to them with their cosines:", ""]
        for word, near in found:
            said = ", ".join(f"{task.words[other]} {cosine:.2f}" for cosine, other in near)
            lines.append(f"- **{task.words[word]}** ({counts[word]:,}): {said}")
        show_text(trainer, f"{stage}/neighbours", "\n".join(lines))
        groups: dict[int, int] = {}  # of each word in the map
        for group, (word, near) in enumerate(found):
            for index in (word, *(other for _, other in near[: self.num_neighbours])):
                groups.setdefault(index, group)
        first = {word for word, _ in found}
        names = [task.words[index] for index in groups]
        show_figure(
            trainer,
            f"{stage}/words",
            map_figure(*plane(vectors[list(groups)]), names, list(groups.values()), [w in first for w in groups]),
        )

    def _chosen(self, words: list[str]) -> list[int]:
        unknown = [word for word in self.words if word not in words[1:]]
        if unknown:
            raise MisconfigurationException(f"VectorFigures.words has `{unknown[0]}`, which has no vector")
        return [words.index(word) for word in self.words]


def neighbours(vectors: Tensor, chosen: list[int], counts: list[int], num_words: int, num_near: int) -> Neighbours:
    """Words, and those nearest to each.

    Args:
        vectors: Of unit length ``(words, size)``; the first is padding.
        chosen: Words to begin with; if there are none, the most frequent ones below ``COMMON`` that are not among the
            neighbours of one before.
        counts: How often each word occurs.
        num_words: How many words to choose.
        num_near: How many neighbours of each.
    """
    most = COMMON * sum(counts)
    rare = [index for index, count in enumerate(counts) if index and count < most]
    order = chosen or (rare if len(rare) >= 10 * num_words else range(1, len(counts)))
    found: Neighbours = []
    seen: set[int] = set()
    for word in order:
        if chosen or (word not in seen and len(found) < num_words):
            cosines = vectors @ vectors[word]
            cosines[[0, word]] = -torch.inf
            best = cosines.topk(min(num_near, len(counts) - 2))
            found.append((word, list(zip(best.values.tolist(), best.indices.tolist(), strict=True))))
            seen.update(best.indices.tolist())
    return found


def plane(vectors: Tensor) -> tuple[Tensor, float]:
    """The two principal components of vectors ``(words, size)``, ``(words, 2)``, and their share of the variance."""
    centred = vectors.double() - vectors.double().mean(0)
    _, deviations, axes = torch.linalg.svd(centred, full_matrices=False)
    axes = axes[:2] * axes[:2].gather(1, axes[:2].abs().argmax(1, keepdim=True)).sign()  # else the sign is arbitrary
    variances = deviations.square()
    return centred @ axes.T, float(variances[:2].sum() / variances.sum().clamp_min(1e-30))


def map_figure(points: Tensor, share: float, words: list[str], groups: list[int], first: list[bool]) -> "Figure":
    """Words at their points, moved a little where they would lie upon each other.

    Args:
        points: ``(words, 2)``.
        share: Of the variance that the points have.
        words: The word of each.
        groups: The words of one group have one colour.
        first: Whether a word stands in bold.

    Returns:
        A matplotlib figure.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    side, foot, line = 4.0, 0.25, 0.15  # inches
    colours = colormaps["Dark2"].colors  # type: ignore[attr-defined]
    low = points.amin(0)
    scaled = (points - low) / (points.amax(0) - low).clamp_min(1e-9)
    figure = Figure(figsize=(side, side + foot))
    taken: list[Box] = []
    for (x, y), word, group, bold in zip(scaled.tolist(), words, groups, first, strict=True):
        text = figure.text(0, 0, shortened(word), fontsize=9, color=colours[group % len(colours)], ha="center")
        text.set(va="center", weight="bold" if bold else "normal")
        half = text.get_window_extent().width / figure.dpi / 2 + 0.02
        wanted = Box(half + x * (side - 2 * half), line / 2 + y * (side - line), half, line / 2)
        box = free_place(wanted, taken, side)
        taken.append(box)
        text.set_position((box.x / side, (foot + box.y) / (side + foot)))
    said = f"two principal components, {share:.0%} of the variance"
    figure.text(0.5, 0.06 / (side + foot), said, fontsize=8.5, ha="center", va="bottom")
    return figure


class Box(NamedTuple):
    """Where a word stands: its middle, and half of its width and height."""

    x: float
    y: float
    width: float
    height: float

    def overlaps(self, other: "Box") -> bool:
        """Whether two words lie upon each other."""
        aside, above = abs(self.x - other.x), abs(self.y - other.y)
        return aside < self.width + other.width - 1e-9 and above < self.height + other.height - 1e-9


def free_place(wanted: Box, taken: list[Box], side: float) -> Box:
    """The nearest place in a square where a word lies on no other; the wanted one if there is none."""
    xs = (wanted.x, *(wanted.x + sign * step * side / 16 for step in range(1, 9) for sign in (-1, 1)))
    ys = (wanted.y, *(box.y + sign * (box.height + wanted.height) for box in taken for sign in (-1, 1)))
    free = (
        wanted._replace(x=x, y=y)
        for x in xs
        for y in ys
        if wanted.width <= x <= side - wanted.width and wanted.height <= y <= side - wanted.height
    )
    near = sorted(free, key=lambda box: 3 * abs(box.x - wanted.x) + abs(box.y - wanted.y))
    return next((box for box in near if not any(map(box.overlaps, taken))), wanted)
