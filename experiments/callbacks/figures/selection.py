"""Which replies are chosen, and where the true one comes."""

from typing import TYPE_CHECKING, Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor

from datamodules.data import data_of
from datamodules.dialogue.base import DialogueData
from datamodules.types import ChoiceBatch
from experiments.callbacks.board.loggers import show_text
from experiments.callbacks.figures.base import EvaluationFigures, plain, show_figure
from modules.dialogue import ResponseSelector
from modules.distributed import from_all
from modules.task import Step

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN = 5  # replies of each context


class SelectionFigures(EvaluationFigures[ResponseSelector]):
    """Draws how often the true reply comes first, second and so on, and writes the best replies to some contexts.

    The contexts are the same in every evaluation, as far as the tokens tell them; their candidates are those of the
    evaluation, with their probabilities.

    Args:
        num_contexts: How many contexts.
        **kwargs: How often: see ``EvaluationFigures``.
    """

    def __init__(self, num_contexts: int = 5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_contexts = num_contexts

    def start(self, task: ResponseSelector, num_batches: int) -> None:
        """Forget."""
        self._ranks: list[Tensor] = []
        self._num_candidates = 0
        self._choices: list[str] = []

    def see(self, trainer: Trainer, task: ResponseSelector, output: Step, batch: ChoiceBatch, batch_idx: int) -> None:
        """Rank, and keep the first choices."""
        self._ranks.append(ranks(output.preds, output.target).cpu())
        self._num_candidates = max(self._num_candidates, output.preds.shape[1])
        data = data_of(trainer)
        if batch_idx == 0 and trainer.is_global_zero and isinstance(data, DialogueData):
            assert batch.replies is not None
            assert batch.candidates is not None
            num = min(self.num_contexts, len(output.preds))
            for i in (k * len(output.preds) // num for k in range(num)):
                context, *replies = data.decode([batch.contexts[i], *batch.replies[batch.candidates[i]]])
                shares = output.preds[i].float().softmax(0).tolist()
                self._choices.append(choice(context, replies, shares, int(output.target[i])))

    def show(self, trainer: Trainer, task: ResponseSelector, stage: str) -> None:
        """Draw, and write."""
        found = [some for part in from_all(self._ranks, trainer.world_size) for some in part]
        if found and trainer.is_global_zero:
            show_figure(trainer, f"{stage}/ranks", rank_figure(torch.cat(found), self._num_candidates))
            show_text(trainer, f"{stage}/choices", "\n\n---\n\n".join(self._choices))


def ranks(scores: Tensor, true: Tensor) -> Tensor:
    """The place of the true candidate ``(batch)``, from 1, by scores ``(batch, candidates)``; of equals, the last."""
    return scores.shape[1] - (scores < scores.gather(1, true[:, None])).sum(1)


def choice(context: str, replies: list[str], shares: list[float], true: int) -> str:
    """Markdown of a context, and of the best replies to it; the true one in bold, whatever its place."""
    order = sorted(range(len(replies)), key=lambda index: (-shares[index], index == true))
    lines = [plain(context), ""]
    for place, index in enumerate(order, start=1):
        if place <= SHOWN or index == true:
            reply = plain(replies[index].removeprefix("me: "))
            said = f"**{reply}** (the true one, place {place})" if index == true else reply
            lines.append(f"- {shares[index]:.1%} {said}")
    return "\n".join(lines)


def rank_figure(found: Tensor, num_candidates: int) -> "Figure":
    """Bars of the shares of the places ``(examples)``, from 1 to ``num_candidates``; a line has that of chance."""
    from matplotlib.figure import Figure

    shares = found.bincount(minlength=num_candidates + 1)[1:].double() / max(1, len(found))
    figure = Figure(figsize=(4.0, 2.8))
    axes = figure.add_axes((0.13, 0.16, 0.84, 0.8))
    places = range(1, num_candidates + 1)
    axes.bar(places, shares.tolist(), width=0.8)
    axes.axhline(1 / num_candidates, color="black", linewidth=0.8, linestyle=":", label="by chance")
    if num_candidates <= 12:
        axes.set_xticks(places)
        over = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # the line
        for place, share in zip(places, shares.tolist(), strict=True):
            axes.text(place, share + 0.002, f"{share:.0%}", ha="center", va="bottom", fontsize=8, bbox=over)
    axes.margins(y=0.1)
    axes.tick_params(labelsize=8, length=2, pad=2)
    axes.set_xlabel(f"place of the true reply among {num_candidates}", labelpad=2)
    axes.set_ylabel("share", labelpad=2)
    axes.legend(fontsize=8.5, frameon=False)
    return figure
