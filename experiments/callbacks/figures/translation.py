"""What a translator writes, and where it looks, in TensorBoard."""

from collections.abc import Sequence
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from datamodules.sampling import Draw


class TranslationSamples(Callback):
    """Writes the same few sentences of the validation split in every epoch, and draws the attention to their words.

    The attention is that of the reference: where the network looked when each of its words was to be written.

    Args:
        num_samples: How many sentences.
        figures_every_n_epochs: Epochs between drawings of the attention; 0 draws none.
    """

    def __init__(self, num_samples: int = 5, figures_every_n_epochs: int = 5) -> None:
        self.num_samples, self.figures_every_n_epochs = num_samples, figures_every_n_epochs

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int, *args: Any
    ) -> None:
        """Write the samples, with the weights that are validated (an average, maybe)."""
        if batch_idx or trainer.sanity_checking or not isinstance(trainer.logger, TensorBoardLogger):
            return
        if not trainer.is_global_zero:
            return
        examples = trainer.datamodule.datasets["val"]  # type: ignore[attr-defined]
        num = min(self.num_samples, len(examples))
        source, target, references = examples.__getitems__(Draw([i * len(examples) // num for i in range(num)]))
        source, target = source.to(pl_module.device), target.to(pl_module.device)
        texts = pl_module.write(source, pl_module.val_beam_size)  # type: ignore[operator]
        pictures = pl_module.attention(source, target)  # type: ignore[operator]
        board, step, epoch = trainer.logger.experiment, trainer.global_step, trainer.current_epoch + 1
        drawn = self.figures_every_n_epochs and (
            epoch % self.figures_every_n_epochs == 0 or epoch == trainer.max_epochs or trainer.state.fn != "fit"
        )
        for number, (text, reference, picture) in enumerate(zip(texts, references, pictures, strict=True)):
            words = " ".join(picture[0][:-1])
            board.add_text(
                f"val/sample_{number}", f"source: {words}  \nwritten: {text}  \nreference: {reference}", step
            )
            if drawn:
                board.add_figure(f"val/attention_{number}", attention_figure(*picture), step)


def attention_figure(source: Sequence[str], target: Sequence[str], weights: Tensor) -> Any:
    """A heat map with the words of the source above and those of the target at the left.

    Args:
        source: Words that are looked at.
        target: Words that are written.
        weights: ``(target, source)``.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(2 + 0.35 * len(source), 1.5 + 0.3 * len(target)), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(weights.numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(source)), source, rotation=60, ha="left")
    axes.set_yticks(range(len(target)), target)
    figure.colorbar(image, ax=axes, shrink=0.6)
    return figure
