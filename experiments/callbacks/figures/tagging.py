"""Pictures of a tagger in TensorBoard."""

from collections.abc import Iterable
from typing import Any

import torch
from lightning.pytorch import Trainer
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from datamodules.types import IGNORE, Batch, PieceTokens, WordTokens
from experiments.callbacks.board.loggers import show_text
from experiments.callbacks.figures.base import EvaluationFigures, heat_map, plain, show_figure
from experiments.callbacks.figures.classification import confusion_figure
from modules.metrics import EntityScores
from modules.tagging import HMMTagger, Tagger
from modules.task import Step


class TaggingFigures(EvaluationFigures[Tagger | HMMTagger]):
    """Draws the confusion matrix of the tags and the transitions, and writes the scores of each tag and some sentences.

    The confusion matrix of entities is by their kind, whatever the place of a word in one. The sentences are those
    of the first process, their words as the tagger sees them (characters that training did not have as �).

    Args:
        num_sentences: How many sentences to write with their true and predicted tags; those with errors come first.
        **kwargs: How often: see ``EvaluationFigures``.
    """

    def __init__(self, num_sentences: int = 10, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.num_sentences = num_sentences

    def start(self, task: Tagger | HMMTagger, num_batches: int) -> None:
        """Forget."""
        self._matrix = MulticlassConfusionMatrix(len(task.tags) + 1, ignore_index=IGNORE).to(task.device)
        self._entities = EntityScores(task.tags).to(task.device) if task.scheme else None
        self._sentences: list[tuple[int, str]] = []

    def see(self, trainer: Trainer, task: Tagger | HMMTagger, output: Step, batch: Batch, batch_idx: int) -> None:
        """Count, and keep sentences."""
        self._matrix.update(output.preds, output.target.clamp(max=len(task.tags)))
        if self._entities is not None:
            self._entities.update(output.preds, output.target)
        if len(self._sentences) < 4 * self.num_sentences:
            self._sentences += sentences(batch.inputs, output.preds, output.target, task.tags, task.facts.chars)

    def show(self, trainer: Trainer, task: Tagger | HMMTagger, stage: str) -> None:
        """Draw."""
        counts = self._matrix.compute().cpu()[:-1, :-1]  # of all processes
        rows = {}
        if self._entities is not None:
            with self._entities.sync_context():
                each = self._entities.by_type()
            rows = {kind: [float(value) for value in row.values()] for kind, row in each.items()}
        if not trainer.is_global_zero:
            return
        tags = task.tags
        if len(tags) <= 100:
            kinds = by_kind(counts, tags) if task.scheme else (counts, tags)
            show_figure(trainer, f"{stage}/confusion_matrix", confusion_figure(*kinds))
            show_figure(trainer, f"{stage}/transitions", heat_map(transitions(task), tags, tags, ("tag", "next tag")))
        show_text(trainer, f"{stage}/tags", table(tag_rows(counts, tags)))
        if rows:
            show_text(trainer, f"{stage}/entities", table(rows.items()))
        worst = sorted(self._sentences, key=lambda pair: -pair[0])[: self.num_sentences]
        show_text(trainer, f"{stage}/sentences", "\n\n---\n\n".join(text for _, text in worst))


def sentences(
    inputs: WordTokens | PieceTokens, preds: Tensor, target: Tensor, tags: list[str], chars: list[str]
) -> list[tuple[int, str]]:
    """Number of errors and Markdown of each sentence: words with their true tag, and a wrong one in bold."""
    letters = ["", "\ufffd", *chars]
    words = [plain("".join(letters[i] for i in ids)) for ids in inputs.spelling.tolist()]
    found = []
    for row, ours, theirs in zip(inputs.spelled.tolist(), preds.tolist(), target.tolist(), strict=True):
        parts, errors = [], 0
        for place, ours_here, true in zip(row, ours, theirs, strict=True):
            if true < 0:
                break
            errors += ours_here != true
            name = tags[true] if true < len(tags) else "(unseen)"
            wrong = f" **not {tags[ours_here]}**" if ours_here != true else ""
            parts.append(f"{words[place]} `{name}`{wrong}" if wrong or name != "O" else words[place])
        found.append((errors, " ".join(parts)))
    return found


def by_kind(counts: Tensor, tags: list[str]) -> tuple[Tensor, list[str]]:
    """Counts ``(true kind, predicted kind)`` from those of the tags, and the kinds: of B-LOC and I-LOC it is LOC."""
    kind_of = [tag.split("-", 1)[-1] for tag in tags]
    kinds = list(dict.fromkeys(kind_of))
    rows = torch.tensor([kinds.index(kind) for kind in kind_of], device=counts.device)
    summed = counts.new_zeros(len(kinds), len(tags)).index_add_(0, rows, counts)
    return counts.new_zeros(len(kinds), len(kinds)).index_add_(1, rows, summed), kinds


def transitions(task: Tagger | HMMTagger) -> Tensor:
    """Scores of a CRF or probabilities of an HMM, ``(tag, next tag)``; NaN where a step is forbidden."""
    if isinstance(task, Tagger) and task.head == "crf":
        scores: Tensor = task.crf.transitions.detach().float().cpu()
        return scores.masked_fill(task.crf.forbidden[:-1, :-1].cpu(), torch.nan)
    if isinstance(task, HMMTagger):
        pairs: Tensor = task.net.tag_counts.sum(0)[:-1].cpu()
        return (pairs / pairs.sum(1, keepdim=True).clamp(min=1))[:, :-1]
    return torch.full((len(task.tags), len(task.tags)), torch.nan)


def tag_rows(counts: Tensor, tags: list[str]) -> list[tuple[str, list[float]]]:
    """Precision, recall, F1 and number of words of each tag, from the matrix of counts ``(true, predicted)``."""
    right, true, predicted = counts.diag(), counts.sum(1), counts.sum(0)
    columns = (
        right / predicted.clamp(min=1),
        right / true.clamp(min=1),
        2 * right / (true + predicted).clamp(min=1),
        true,
    )
    return list(zip(tags, torch.stack([c.float() for c in columns], 1).tolist(), strict=True))


def table(rows: Iterable[tuple[str, list[float]]]) -> str:
    """Markdown of rows of precision, recall, F1 and a count."""
    lines = [f"| {name} | {p:.3f} | {r:.3f} | {f:.3f} | {n:.0f} |" for name, (p, r, f, n) in rows]
    return "\n".join(["| | precision | recall | F1 | number |", "|---|---|---|---|---|", *lines])
