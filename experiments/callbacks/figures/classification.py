"""Pictures of a classifier's errors in TensorBoard."""

from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from lightning.pytorch import Trainer
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from datamodules.types import Batch
from experiments.callbacks.figures.base import DPI, EvaluationFigures, heat_map, shortened, show_figure
from modules.classification import Classifier
from modules.task import Step

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 100  # classes that are drawn
Mistake = tuple[float, int, int, Tensor]  # probability, predicted, true, image


class ClassificationFigures(EvaluationFigures[Classifier]):
    """Draws the confusion matrix and the most confident mistakes, with the names of the classes.

    The mistakes are drawn if the inputs are images, and are those of the first process. Of more than 100 classes
    nothing is drawn.

    Args:
        num_mistakes: How many mistakes to draw.
        **kwargs: How often: see ``EvaluationFigures``.
    """

    def __init__(self, num_mistakes: int = 12, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_mistakes = num_mistakes

    def start(self, task: Classifier, num_batches: int) -> None:
        """Forget."""
        num = len(task.classes)
        self._matrix = MulticlassConfusionMatrix(num).to(task.device) if num <= MOST else None
        self._mistakes: list[Mistake] = []

    def see(self, trainer: Trainer, task: Classifier, output: Step, batch: Batch, batch_idx: int) -> None:
        """Count, and keep the mistakes."""
        if self._matrix is None:
            return
        self._matrix.update(output.preds, output.target)
        inputs = batch[0]
        if isinstance(inputs, Tensor) and inputs.ndim == 4:
            found = most_confident_mistakes(output, self.num_mistakes)
            self._mistakes += [(p, taken, true, inputs[row].float().cpu()) for p, taken, true, row in found]
            self._mistakes = sorted(self._mistakes, key=lambda mistake: -mistake[0])[: self.num_mistakes]

    def show(self, trainer: Trainer, task: Classifier, stage: str) -> None:
        """Draw."""
        if self._matrix is None:
            return
        counts = self._matrix.compute().cpu()  # of all processes
        if trainer.is_global_zero:
            show_figure(trainer, f"{stage}/confusion_matrix", confusion_figure(counts, task.classes))
            if self._mistakes:
                show_figure(trainer, f"{stage}/mistakes", mistakes_figure(self._mistakes, task.classes))


def most_confident_mistakes(output: Step, most: int) -> list[tuple[float, int, int, int]]:
    """Probability, predicted class, true class and row of the mistakes in a batch, the most confident first."""
    probability, predicted = output.preds.max(1)
    wrong = (predicted != output.target).nonzero().flatten()
    rows = wrong[probability[wrong].argsort(descending=True)][:most]
    columns = (column[rows].tolist() for column in (probability, predicted, output.target))
    return list(zip(*columns, rows.tolist(), strict=True))


def confusion_figure(counts: Tensor, classes: list[str]) -> "Figure":
    """A heat map of counts ``(true, predicted)``; shares of each true class give the colour and stand below."""
    shares = counts / counts.sum(1, keepdim=True).clamp_min(1)
    return heat_map(shares, classes, classes, ("true", "predicted"), limits=(0, 1), numbers=counts)


def mistakes_figure(mistakes: list[Mistake], classes: list[str]) -> "Figure":
    """A grid of images with the predicted and the true name and the probability of the former."""
    said = [
        (f"{shortened(classes[predicted], 13)} {probability:.0%}", f"not {shortened(classes[true])}")
        for probability, predicted, true, _ in mistakes
    ]
    return image_grid([image for *_, image in mistakes], ["\n".join(lines) for lines in said])


def image_grid(images: list[Tensor], captions: list[str]) -> "Figure":
    """A grid of images ``(channels, height, width)``, each with a caption of one or two lines."""
    from matplotlib.figure import Figure

    columns = 3
    rows = -(-len(images) // columns)
    caption = 0.04 + 0.145 * max(said.count("\n") + 1 for said in captions)
    width, height = 4.0 / 3, 1.25 + caption
    figure = Figure(figsize=(width * columns, height * rows), dpi=DPI)
    for number, (image, said) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(number, columns)
        shown = image.float()
        low, high = shown.min(), shown.max()
        shown = ((shown - low) / (high - low).clamp_min(1e-6))[None]
        # Placed as it is: a dozen pairs of axes would take longer to draw than an epoch of small images to train.
        room = DPI * (height - caption - 0.04), DPI * (width - 0.08)
        scale = min(room[0] / shown.shape[2], room[1] / shown.shape[3])
        size = max(1, int(scale * shown.shape[2])), max(1, int(scale * shown.shape[3]))
        pixels = F.interpolate(shown, size=size)[0].expand(3, -1, -1).permute(1, 2, 0)
        left, top = column * width + 0.04, (rows - row) * height
        figure.figimage(pixels.numpy(), left * DPI, (top - caption) * DPI - size[0], origin="upper")  # type: ignore[arg-type]
        figure.text(
            left / (width * columns), (top - 0.03) / (height * rows), said, fontsize=8.5, va="top", linespacing=1.05
        )
    return figure
