"""What a translator writes, and where it looks, in TensorBoard."""

from typing import TYPE_CHECKING

from lightning.pytorch import Trainer
from torch import Tensor

from datamodules.data import data_of
from datamodules.sampling import BatchIndices
from experiments.callbacks.board.loggers import show_text
from experiments.callbacks.figures.base import EvaluationFigures, heat_map, is_due, plain, show_figure
from modules.translation import Translator

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class TranslationSamples(EvaluationFigures[Translator]):
    """Writes the same few sentences of the split in every evaluation, and draws the attention to their words.

    The attention is that of the reference: where the network looked when each of its words was to be written.

    Args:
        num_samples: How many sentences.
        figures_every_n_epochs: Epochs between drawings of the attention; 0 draws none; if None it is drawn in the
            epochs 1, 2, 5, 10, 20, 50 and so on.
    """

    def __init__(self, num_samples: int = 5, figures_every_n_epochs: int | None = None) -> None:
        super().__init__(every_n_epochs=1)
        self.num_samples, self.figures_every_n_epochs = num_samples, figures_every_n_epochs

    def show(self, trainer: Trainer, task: Translator, stage: str) -> None:
        """Write the samples, with the weights that are evaluated (an average, maybe)."""
        if not trainer.is_global_zero:
            return
        examples = data_of(trainer).datasets[stage]
        num = min(self.num_samples, len(examples))
        source, target, references = examples.__getitems__(BatchIndices([i * len(examples) // num for i in range(num)]))
        source, target = source.to(task.device), target.to(task.device)
        texts = task.write(source, task.val_beam_size)
        pictures = task.attention(source, target)
        drawn = self.figures_every_n_epochs != 0 and is_due(trainer, self.figures_every_n_epochs)
        for number, (text, reference, picture) in enumerate(zip(texts, references, pictures, strict=True)):
            words, written, weights = picture
            said = {"source": " ".join(words[:-1]), "written": text, "reference": reference}
            lines = "  \n".join(f"{name}: {plain(value)}" for name, value in said.items())
            show_text(trainer, f"{stage}/sample_{number}", lines)
            if drawn:
                show_figure(trainer, f"{stage}/attention_{number}", attention_figure(weights, written, words))


def attention_figure(weights: Tensor, written: list[str], read: list[str]) -> "Figure":
    """A heat map of attention ``(written, read)``; long texts that were read go down, so that the board can show them.

    Args:
        weights: Of each word that was written, to each word that was read.
        written: The words.
        read: Likewise.
    """
    if len(read) > max(12, len(written)):
        return heat_map(weights.T, read, written, ("read", "written"), limits=(0, 1))
    return heat_map(weights, written, read, ("written", "read"), limits=(0, 1))
