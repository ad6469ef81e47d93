"""Which pixels of an image decide."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from datamodules.types import ImageFacts, Row
from experiments.callbacks.figures.base import axes_at, shortened
from experiments.explanation.attribution import integrated_gradients
from experiments.explanation.base import Explainer, Explanation
from experiments.explanation.quantities import Quantity

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMOOTH = 16  # a picture is smoothed over one so-and-so-many-th of its side


@dataclass(frozen=True)
class ExplainedImage(Explanation):
    """Why the model said that of an image.

    Attributes:
        pixels: The image as the model sees it, from 0 to 1 ``(channels, height, width)``.
        contributions: What each pixel adds ``(height, width)``.
    """

    pixels: Tensor
    contributions: Tensor

    def columns(self, name: str) -> Row:
        """None: pixels are looked at."""
        return {}

    def in_memory(self, name: str) -> Row:
        """``contributions``: an array ``(height, width)``."""
        return {f"contributions{name}": self.contributions.numpy()}


class ImageExplainer(Explainer[ExplainedImage]):
    """Compares an image with one of the mean colour of the training images; the channels are added up."""

    def attribute(self, quantity: Quantity, inputs: Tensor, indices: Sequence[int]) -> list[ExplainedImage]:
        """What each pixel adds."""
        facts = self.task.facts
        assert isinstance(facts, ImageFacts)
        parts = integrated_gradients(quantity.score, inputs, torch.zeros_like(inputs)).sum(1).cpu()
        mean, std = (torch.tensor(value).view(-1, 1, 1) for value in (facts.mean, facts.std))
        pixels = (inputs.float().cpu() * std + mean).clamp(0, 1)
        return [ExplainedImage(*one) for one in zip(quantity.answers, pixels, parts, strict=True)]

    def draw(self, explanations: list[ExplainedImage]) -> "Figure":
        """Each image, and beside it what speaks for the answer in red, what speaks against it in blue."""
        from matplotlib.figure import Figure

        across = min(2, len(explanations))
        down = -(-len(explanations) // across)
        side, gap, title = 1.55, 0.06, 0.22  # inches
        width, height = 2 * (side + gap), side + gap + title
        figure = Figure(figsize=(width * across, height * down))
        for number, one in enumerate(explanations):
            row, column = divmod(number, across)
            x, y = column * width, (down - 1 - row) * height
            left, right = (axes_at(figure, x + k * (side + gap), y, side, side) for k in range(2))
            left.set_axis_off()
            right.set_axis_off()
            left.imshow(one.pixels.expand(3, -1, -1).permute(1, 2, 0))
            left.set_title(shortened(one.answer, 26), fontsize=9, loc="left", pad=3)
            heat = smoothed(one.contributions)
            most = float(heat.abs().max()) or 1.0
            right.imshow(one.pixels.mean(0), cmap="gray", vmin=-1.5, vmax=1)  # pale, to find one's way
            right.imshow(heat, cmap="RdBu_r", vmin=-most, vmax=most, alpha=0.8)
        return figure


def smoothed(contributions: Tensor) -> Tensor:
    """A weighted mean of the neighbourhood of each pixel ``(height, width)``: single pixels are not seen."""
    size = 2 * (min(contributions.shape) // SMOOTH // 2) + 1
    heat = contributions[None]
    for _ in range(2):
        heat = F.avg_pool2d(heat, size, 1, size // 2, count_include_pad=False)
    return heat[0]
