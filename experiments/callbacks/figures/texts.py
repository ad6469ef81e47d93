"""What a text classifier gets wrong, in TensorBoard."""

from typing import Any

from lightning.pytorch import Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.data import data_of
from datamodules.text.base import TextData
from experiments.callbacks.board.loggers import show_text
from experiments.callbacks.figures.base import EvaluationFigures, plain


class TextMistakes(EvaluationFigures):
    """Shows the most confident mistakes of a text classifier.

    Args:
        num_mistakes: How many.
        **kwargs: How often: see ``EvaluationFigures``.
    """

    def __init__(self, num_mistakes: int = 20, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_mistakes = num_mistakes
        self._found: list[tuple[float, int, int, str]] = []

    def see(self, trainer: Trainer, pl_module: Any, output: Any, batch: Any, batch_idx: int, num_batches: int) -> None:
        """Look for mistakes."""
        data = data_of(trainer)
        if not isinstance(data, TextData):
            raise MisconfigurationException(f"TextMistakes is of texts, not of {type(data).__name__}")
        probability, predicted = output.preds.max(1)
        wrong = (predicted != output.target).nonzero().flatten()
        worst = wrong[probability[wrong].argsort(descending=True)][: self.num_mistakes].tolist()
        for i, text in zip(worst, data.decode(batch.inputs, worst), strict=True):
            self._found.append((float(probability[i]), int(predicted[i]), int(output.target[i]), text))
        self._found = sorted(self._found, reverse=True)[: self.num_mistakes]

    def show(self, trainer: Trainer, pl_module: Any, stage: str) -> None:
        """Show them."""
        found, self._found = self._found, []
        if found and trainer.is_global_zero:
            lines = []
            for probability, predicted, true, text in found:
                name, right = (plain(pl_module.classes[index]) for index in (predicted, true))
                lines.append(f"- **{name}** {probability:.1%}, not **{right}**: {plain(text)}")
            show_text(trainer, f"{stage}/mistakes", "\n".join(lines))
