"""A tag for every word: parts of speech, named entities."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

from modules.metrics import EntityScores
from modules.nets.crf import CRF, PADDING, legal_steps
from modules.task import Row, Step, Task


class Tagger(Task):
    """Gives each word of a sentence one of the tags that the data has.

    Scores: ``accuracy`` over all words, ``f1`` (mean over the tags); if the tags mark chunks ``entity_f1``,
    ``entity_precision`` and ``entity_recall``, as conlleval has them.

    Args:
        net: Makes the network from the numbers of words, characters, word shapes and tags; it maps the inputs of a
            batch of sentences to emissions ``(batch, length, tags)``.
        head: ``crf`` chooses among whole sequences of tags (Lafferty et al. 2001), ``softmax`` each tag by itself.
        optimizer: Makes the optimizer from the parameters.
        scheduler: Makes the learning-rate scheduler from the optimizer; a constant rate if None.
        interval: Whether the scheduler goes on after every ``step`` or every ``epoch``.
        decay_all: Whether weight decay also pulls on norms, biases and embeddings.
    """

    def __init__(
        self,
        net: Callable[[int, int, int, int], nn.Module],
        head: Literal["crf", "softmax"] = "crf",
        optimizer: OptimizerCallable = lambda parameters: torch.optim.AdamW(parameters, lr=1e-3),
        scheduler: LRSchedulerCallable | None = None,
        interval: Literal["step", "epoch"] = "epoch",
        decay_all: bool = True,
    ) -> None:
        super().__init__(optimizer, scheduler, interval, decay_all)
        self.make_net, self.head = net, head

    def build(self) -> None:
        """Make the network and the head."""
        self.tags: list[str] = self.fact("tags")
        numbers = (self.fact(name) for name in ("num_words", "num_chars", "num_shapes"))
        self.net = self.make_net(*numbers, len(self.tags))
        self.scheme: str = self.fact("scheme")
        if self.head == "crf":
            self.crf = CRF(len(self.tags), legal_steps(self.tags) if self.scheme else None)

    def metrics(self) -> MetricCollection:
        """Accuracy, macro F1 and, for chunks, the scores of entities."""
        return tag_scores(self.tags, bool(self.scheme))

    def forward(self, inputs: Any) -> Tensor:
        """Emissions ``(batch, length, tags)``."""
        emissions: Tensor = self.net(inputs)
        return emissions

    def step(self, batch: tuple[Any, Tensor]) -> Step:
        """Negative log-likelihood per word of ``(inputs, target)``, target ``(batch, length)``."""
        inputs, target = batch
        emissions = self(inputs)
        inside = target != PADDING
        known = inside & (target < len(self.tags))  # what training did not have, it cannot give a likelihood
        if self.head == "softmax":
            loss = F.cross_entropy(emissions.float()[known], target[known], reduction="sum")
            size = known.sum()
        else:
            lengths = inside.sum(1)
            whole = (known == inside).all(1)  # (batch)
            losses = self.crf(emissions, target.masked_fill(~known, 0), lengths)
            loss, size = (losses * whole).sum(), (lengths * whole).sum()
        loss = loss.float() / size.clamp(min=1)
        if self.training:
            return Step(loss, size)
        return Step(loss, size, self._decode(emissions, inside.sum(1)), target)

    def _decode(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        if self.head == "crf":
            return self.crf.decode(emissions, lengths)
        return emissions.argmax(2)

    def predict_step(self, batch: tuple[Any, Tensor | None], batch_idx: int) -> list[Row]:
        """The tags of each sentence by name, and the probability of each."""
        inputs = batch[0]
        emissions = self(inputs)
        lengths = num_words(inputs)
        best = self._decode(emissions, lengths)
        if self.head == "crf":
            probabilities = self.crf.marginals(emissions, lengths)
        else:
            probabilities = emissions.float().softmax(2)
        return tags_to_rows(best, probabilities, lengths, self.tags)


def num_words(inputs: Any) -> Tensor:
    """Words of each sentence, ``(batch)``; position 0 in word pieces is never a word's, id 0 never a word."""
    ids: Tensor = inputs.words if hasattr(inputs, "words") else inputs.first
    return (ids != 0).sum(1)


def tag_scores(tags: Sequence[str], chunks: bool) -> MetricCollection:
    """The scores of a tagger, for tags ``(batch, length)`` with ``PADDING`` in the target.

    Args:
        tags: All tags.
        chunks: Whether they mark chunks.
    """
    # One class more: the tags that training did not have, which count as errors.
    scores: dict[str, Metric | MetricCollection] = {
        "accuracy": MulticlassAccuracy(len(tags) + 1, average="micro", ignore_index=PADDING),
        "f1": MulticlassF1Score(len(tags) + 1, average="macro", ignore_index=PADDING),
    }
    if chunks:
        scores["entities"] = EntityScores(tags)
    return MetricCollection(scores)


def tags_to_rows(best: Tensor, probabilities: Tensor, lengths: Tensor, tags: Sequence[str]) -> list[Row]:
    """Name the tags of each sentence.

    Args:
        best: ``(batch, length)``.
        probabilities: ``(batch, length, tags)``.
        lengths: ``(batch)``.
        tags: Name of each tag.

    Returns:
        For each sentence ``tags`` and their ``probabilities``, both lists.
    """
    chosen = probabilities.gather(2, best.clamp(min=0)[..., None])[..., 0].tolist()
    rows = []
    for indices, values, length in zip(best.tolist(), chosen, lengths.tolist(), strict=True):
        names = [tags[i] for i in indices[:length]]
        rows.append({"tags": names, "probabilities": [round(value, 6) for value in values[:length]]})
    return rows
