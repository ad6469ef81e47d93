"""A tag for every word from a network: parts of speech, named entities."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from torchmetrics import Metric, MetricCollection

from datamodules.types import IGNORE, PAD, Batch, Row, TaggingFacts
from modules.metrics.entities import EntityScores, TagScores
from modules.nets.tagging.crf import CRF, legal_steps
from modules.task import Step, Task


class TaggingTask(Task[TaggingFacts]):
    """Base of the taggers: scores, and truth."""

    needs = TaggingFacts

    def build(self) -> None:
        """Know the tags."""
        self.tags, self.scheme = self.facts.tags, self.facts.scheme

    def metrics(self) -> MetricCollection:
        """Accuracy, macro F1 and, for chunks, the scores of entities."""
        return tag_scores(self.tags, bool(self.scheme))

    def truth(self, batch: Batch) -> list[Row]:
        """The tags of each sentence by name, as ``truth``; those that training did not have with a question mark."""
        assert batch.target is not None

        def name(tag: int) -> str:
            unseen = tag - len(self.tags)
            if unseen < 0:
                return self.tags[tag]
            return f"{'BIES'[unseen % 4]}-?{unseen // 4}" if self.scheme else f"?{unseen}"

        return [{"truth": [name(tag) for tag in tags if tag != IGNORE]} for tags in batch.target.tolist()]

    def score_rows(self, rows: Sequence[Row]) -> dict[str, float]:
        """All scores but the loss."""
        names = sorted({tag for row in rows for column in ("tags", "truth") for tag in row[column]})
        number = {name: index for index, name in enumerate(names)}
        preds, target = (
            pad_sequence([torch.tensor([number[tag] for tag in row[column]]) for row in rows], True, IGNORE)
            for column in ("tags", "truth")
        )
        scores = tag_scores(names, bool(self.facts.scheme))
        scores.update(preds, target)
        return {name: float(value) for name, value in scores.compute().items()}


class Tagger(TaggingTask):
    """Sequence labelling by a network under a linear-chain CRF, or a softmax for each word.

    Scores: ``accuracy`` over all words and ``f1`` (mean over the tags), of the tags as they are learned; if these mark
    chunks ``entity_f1``, ``entity_precision`` and ``entity_recall``, as conlleval has them.

    Args:
        net: Makes the network from the facts of the data; it maps the inputs of a batch of sentences to emissions
            ``(batch, length, tags)``.
        head: ``crf`` chooses among whole sequences of tags (Lafferty et al. 2001), ``softmax`` each tag by itself.
        outside_bias: Added to the score of ``O`` when chunks are looked for, not in training. Below 0 more are found,
            with less precision (Minkov et al. 2006, "NER systems that suit user's preferences").
        **kwargs: Optimizer, scheduler and the like: see ``modules.task.Task``.
    """

    def __init__(
        self,
        net: Callable[[TaggingFacts], nn.Module],
        head: Literal["crf", "softmax"] = "crf",
        outside_bias: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not math.isfinite(outside_bias):
            raise MisconfigurationException(f"model.outside_bias is {outside_bias}; it must be a finite number")
        self.make_net, self.head, self.outside_bias = net, head, outside_bias

    def build(self) -> None:
        """Make the network and the head."""
        super().build()
        self.net = self.make_net(self.facts)
        if self.outside_bias and not self.scheme:
            raise MisconfigurationException("outside_bias is for tags that mark chunks, and these mark none")
        if self.head == "crf":
            self.crf = CRF(len(self.tags), legal_steps(self.tags) if self.scheme else None)

    def forward(self, inputs: object) -> Tensor:
        """Emissions ``(batch, length, tags)``."""
        emissions: Tensor = self.net(inputs)
        return emissions

    def step(self, batch: Batch) -> Step:
        """Negative log-likelihood per word of ``(inputs, target)``, target ``(batch, length)``."""
        inputs, target = batch
        assert target is not None
        emissions = self(inputs)
        inside = target != IGNORE
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
        return Step(loss, size, self._decode(self._biased(emissions), inside.sum(1)), target)

    def _biased(self, emissions: Tensor) -> Tensor:
        if not self.outside_bias:
            return emissions
        bias = torch.tensor([self.outside_bias * (tag == "O") for tag in self.tags])  # (tags)
        return emissions + bias.to(emissions)

    def _decode(self, emissions: Tensor, lengths: Tensor) -> Tensor:
        if self.head == "crf":
            return self.crf.decode(emissions, lengths)
        return emissions.argmax(2)

    def predict_step(self, batch: Batch, batch_idx: int) -> list[Row]:
        """The tags of each sentence by name, and the probability of each."""
        emissions = self._biased(self(batch.inputs))
        lengths = (batch.inputs.words != PAD).sum(1)
        crf = self.crf if self.head == "crf" else None
        probabilities = crf.marginals(emissions, lengths) if crf else emissions.float().softmax(2)
        return decode_tags(self._decode(emissions, lengths), probabilities, lengths, self.tags)


def tag_scores(tags: Sequence[str], chunks: bool) -> MetricCollection:
    """The scores of a tagger, for tags ``(batch, length)`` with ``IGNORE`` in the target.

    Args:
        tags: All tags.
        chunks: Whether they mark chunks.
    """
    scores: dict[str, Metric | MetricCollection] = {"tags": TagScores(len(tags))}
    if chunks:
        scores["entities"] = EntityScores(tags)
    return MetricCollection(scores)


def decode_tags(best: Tensor, probabilities: Tensor, lengths: Tensor, tags: Sequence[str]) -> list[Row]:
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
