"""What a text classifier gets wrong, in TensorBoard."""

from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.data import data_of
from datamodules.text.base import TextData
from datamodules.types import Batch
from experiments.callbacks.board.loggers import show_text
from experiments.callbacks.figures.base import EvaluationFigures, plain
from experiments.callbacks.figures.classification import most_confident_mistakes
from modules.classification import Classifier
from modules.task import Step


class TextMistakes(EvaluationFigures[Classifier]):
    """Shows the most confident mistakes of a text classifier.

    Args:
        num_mistakes: How many.
        **kwargs: How often: see ``EvaluationFigures``.
    """

    def __init__(self, num_mistakes: int = 20, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_mistakes = num_mistakes

    def start(self, task: Classifier, num_batches: int) -> None:
        """Forget."""
        self._found: list[tuple[float, int, int, str]] = []

    def see(self, trainer: Trainer, task: Classifier, output: Step, batch: Batch, batch_idx: int) -> None:
        """Look for mistakes."""
        data = data_of(trainer)
        if not isinstance(data, TextData):
            raise MisconfigurationException(f"TextMistakes is of texts, not of {type(data).__name__}")
        found = most_confident_mistakes(output, self.num_mistakes)
        texts = data.decode(batch.inputs, [row for *_, row in found])
        self._found += [(p, taken, true, text) for (p, taken, true, _), text in zip(found, texts, strict=True)]
        self._found = sorted(self._found, reverse=True)[: self.num_mistakes]

    def show(self, trainer: Trainer, task: Classifier, stage: str) -> None:
        """Show them."""
        if self._found and trainer.is_global_zero:
            lines = []
            for probability, predicted, true, text in self._found:
                name, right = (plain(task.classes[index]) for index in (predicted, true))
                lines.append(f"- **{name}** {probability:.1%}, not **{right}**: {plain(text)}")
            show_text(trainer, f"{stage}/mistakes", "\n".join(lines))
