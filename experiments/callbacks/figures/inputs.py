"""What training sees."""

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from datamodules.data import data_of
from datamodules.text.base import TextData
from datamodules.types import Batch
from experiments.callbacks.board.loggers import has_board, show_text
from experiments.callbacks.figures.base import plain, shortened, show_figure
from experiments.callbacks.figures.classification import image_grid
from modules.classification import Classifier


class TrainingInputs(Callback):
    """Shows examples of the first batch as training sees them: images after augmentation, texts as they are encoded.

    What a task does itself with a whole batch, such as MixUp, is not yet done.

    Args:
        num_examples: How many.
    """

    def __init__(self, num_examples: int = 12) -> None:
        self.num_examples = num_examples

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Show them, once in the life of a run."""
        if trainer.global_step or batch_idx or not has_board(trainer):
            return
        if not trainer.is_global_zero or not isinstance(pl_module, Classifier):
            return
        inputs, target = batch
        assert target is not None
        data = data_of(trainer)
        number = min(self.num_examples, len(target))
        names = [pl_module.classes[index] for index in target[:number].tolist()]
        if isinstance(inputs, Tensor) and inputs.ndim == 4:
            figure = image_grid(list(inputs[:number].cpu()), [shortened(name, 20) for name in names])
            show_figure(trainer, "train/inputs", figure)
        elif isinstance(data, TextData):
            rows = zip(names, data.decode(inputs, list(range(number))), strict=True)
            lines = [f"- **{plain(name)}**: {plain(text)}" for name, text in rows]
            show_text(trainer, "train/inputs", "\n".join(lines))
