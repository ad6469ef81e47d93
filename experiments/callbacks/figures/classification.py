"""Pictures of a classifier's errors in TensorBoard."""

from typing import Any

import torch.nn.functional as F
from lightning.pytorch import Trainer
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from experiments.callbacks.figures.base import EvaluationFigures, heat_map

Mistake = tuple[float, int, int, Tensor]  # probability, predicted, true, image


class ClassificationFigures(EvaluationFigures):
    """Draws the confusion matrix and the most confident mistakes, with the names of the classes.

    Drawn after validation every ``every_n_epochs`` epochs and in the last one, and after a test. The mistakes are
    drawn if the inputs are images, and are those of the first process. Of more than 100 classes nothing is drawn.

    Args:
        num_mistakes: How many mistakes to draw.
        every_n_epochs: Epochs between drawings.
    """

    def __init__(self, num_mistakes: int = 16, every_n_epochs: int = 10) -> None:
        super().__init__(every_n_epochs)
        self.num_mistakes = num_mistakes
        self._matrix: MulticlassConfusionMatrix | None = None
        self._mistakes: list[Mistake] = []

    def see(self, trainer: Trainer, pl_module: Any, output: Any, batch: Any, batch_idx: int, num_batches: int) -> None:
        """Count, and keep the mistakes."""
        if len(pl_module.classes) > 100:
            return
        if self._matrix is None:
            self._matrix = MulticlassConfusionMatrix(len(pl_module.classes)).to(pl_module.device)
        self._matrix.update(output.preds, output.target)
        inputs = batch[0]
        if isinstance(inputs, Tensor) and inputs.ndim == 4:
            probability, predicted = output.preds.max(1)
            wrong = (predicted != output.target).nonzero().flatten()
            for i in wrong[probability[wrong].argsort(descending=True)][: self.num_mistakes].tolist():
                found = (float(probability[i]), int(predicted[i]), int(output.target[i]), inputs[i].float().cpu())
                self._mistakes.append(found)
            self._mistakes = sorted(self._mistakes, key=lambda found: -found[0])[: self.num_mistakes]

    def show(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        """Draw."""
        if self._matrix is None:
            return
        counts = self._matrix.compute().cpu()  # of all processes
        mistakes, self._mistakes, self._matrix = self._mistakes, [], None
        if trainer.is_global_zero:
            board = trainer.logger.experiment  # type: ignore[union-attr]
            classes: list[str] = pl_module.classes
            board.add_figure(f"{stage}/confusion_matrix", confusion_figure(counts, classes), trainer.global_step)
            if mistakes:
                board.add_figure(f"{stage}/mistakes", mistakes_figure(mistakes, classes), trainer.global_step)


def confusion_figure(counts: Tensor, classes: list[str]) -> Any:
    """A heat map of counts ``(true, predicted)``; shares of each true class give the colour."""
    shares = counts / counts.sum(1, keepdim=True).clamp_min(1)
    return heat_map(shares, classes, classes, ("true", "predicted"), limits=(0, 1), numbers=counts)


def mistakes_figure(mistakes: list[Mistake], classes: list[str]) -> Any:
    """A grid of images with the predicted and the true name and the probability of the former."""
    from matplotlib.figure import Figure

    columns = min(4, len(mistakes))
    rows = -(-len(mistakes) // columns)
    width, height = 2.2, 2.4
    figure = Figure(figsize=(width * columns, height * rows))
    for number, (probability, predicted, true, image) in enumerate(mistakes):
        row, column = divmod(number, columns)
        low, high = image.min(), image.max()
        shown = ((image - low) / (high - low).clamp_min(1e-6))[None]
        # Placed as it is: sixteen pairs of axes would take longer to draw than an epoch of small images to train.
        pixels = F.interpolate(shown, size=(int(0.75 * height * figure.dpi), int(0.9 * width * figure.dpi)))[0]
        pixels = pixels.expand(3, -1, -1).permute(1, 2, 0)
        left, top = column * width + 0.1, (rows - row) * height
        x, y = left * figure.dpi, (top - 0.95 * height) * figure.dpi
        figure.figimage(pixels.numpy(), x, y, origin="upper")  # type: ignore[arg-type] # fractions are fine
        said = f"{classes[predicted]} {probability:.0%}\nnot {classes[true]}"
        place = left / (width * columns), (top - 0.02) / (height * rows)
        figure.text(*place, said, fontsize=8, verticalalignment="top")
    return figure
