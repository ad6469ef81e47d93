"""Scores of tags and of the entities that they mark, as counts that stay exact over any number of processes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from modules.metrics.common import ScoresMetric


class TagScores(ScoresMetric):
    """Accuracy over all words, and F1 as the mean over the tags that occur, in the truth or in the predictions.

    A tag that training did not have is in the target a number from that of the tags on: never right, and each with an
    F1 of 0.

    Args:
        num_tags: Number of tags.
    """

    UNSEEN = 1000  # tags that are told apart among those that training did not have

    higher_is_better = {"accuracy": True, "f1": True}  # noqa: RUF012
    correct: Tensor
    predicted: Tensor
    true: Tensor

    def __init__(self, num_tags: int) -> None:
        super().__init__()
        self.size = num_tags + self.UNSEEN
        for name in ("correct", "predicted", "true"):
            self.add_state(name, torch.zeros(self.size, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Count the words of a batch.

        Args:
            preds: Tags ``(batch, length)``, anything where the target is negative.
            target: Tags ``(batch, length)``; negative after a sentence's end.
        """
        inside = target >= 0
        preds, target = preds[inside], target[inside].clamp(max=self.size - 1)
        self.correct += torch.bincount(target[preds == target], minlength=self.size)
        self.predicted += torch.bincount(preds, minlength=self.size)
        self.true += torch.bincount(target, minlength=self.size)

    def compute(self) -> dict[str, Tensor]:
        """``accuracy`` and ``f1``; NaN if there was no word."""
        total = self.predicted + self.true
        f1 = 2 * self.correct[total > 0].float() / total[total > 0]
        return {"accuracy": self.correct.sum().float() / self.true.sum(), "f1": f1.mean()}


class EntityScores(ScoresMetric):
    """Precision, recall and F1 of entities: a predicted one is right if its first word, last word and type all are.

    Chunks are read as by the conlleval script of CoNLL-2000 (which is also seqeval's default), ill-formed ones too.

    The target may hold tags that training did not have, as numbers from that of the tags on: four for each type, in the
    order B, I, E, S. Such entities count as not found.

    Args:
        tags: All tags, in IOB1, IOB2 or BIOES.
    """

    higher_is_better = dict.fromkeys(("entity_precision", "entity_recall", "entity_f1"), True)
    correct: Tensor
    predicted: Tensor
    true: Tensor
    kinds: Tensor
    opens: Tensor
    closes: Tensor

    def __init__(self, tags: Sequence[str]) -> None:
        super().__init__()
        self.types = sorted({tag[2:] for tag in tags if tag != "O"})
        kinds = [0 if tag == "O" else 1 + self.types.index(tag[2:]) for tag in tags]
        self.register_buffer("kinds", torch.tensor(kinds), persistent=False)
        # After the tags, in turn, the four of a type that training did not have.
        for name, marks in (("opens", ("B-", "S-")), ("closes", ("E-", "S-"))):
            there = [tag[:2] in marks for tag in (*tags, "B-", "I-", "E-", "S-")]
            self.register_buffer(name, torch.tensor(there), persistent=False)
        for name in ("correct", "predicted", "true"):
            self.add_state(name, torch.zeros(len(self.types) + 2, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Count the entities of a batch.

        Args:
            preds: Tags ``(batch, length)``, anything where the target is negative.
            target: Tags ``(batch, length)``; negative after a sentence's end.
        """
        inside = target >= 0
        found = [self._entities(tags.masked_fill(~inside, -1)) for tags in (preds, target)]
        (kinds, starts, ends), (true_kinds, true_starts, true_ends) = found
        right = starts & true_starts & (kinds == true_kinds) & (ends == true_ends)
        size = len(self.correct)
        kinds, true_kinds = kinds.clamp(max=size - 1), true_kinds.clamp(max=size - 1)  # unseen types together
        self.correct += torch.bincount(kinds[right], minlength=size)
        self.predicted += torch.bincount(kinds[starts], minlength=size)
        self.true += torch.bincount(true_kinds[true_starts], minlength=size)

    def _entities(self, tags: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of each position: the type (0 is none), whether an entity starts, and where the next one to end does."""
        padding = tags.new_full((len(tags), 1), -1)
        tags = torch.cat([padding, tags, padding], 1)  # (batch, length + 2)
        num, is_tag = len(self.kinds), tags >= 0
        unseen = (tags - num).clamp(min=0)
        kinds = torch.where(tags < num, self.kinds[tags.clamp(0, num - 1)], 1 + len(self.types) + unseen // 4) * is_tag
        places = torch.where(tags < num, tags.clamp(min=0), num + unseen % 4)
        opens, closes = self.opens[places] & is_tag, self.closes[places] & is_tag
        here = kinds[:, 1:-1] > 0
        starts = here & (opens[:, 1:-1] | closes[:, :-2] | (kinds[:, 1:-1] != kinds[:, :-2]))
        stops = here & (closes[:, 1:-1] | opens[:, 2:] | (kinds[:, 1:-1] != kinds[:, 2:]))
        places = torch.arange(here.shape[1], device=tags.device).expand_as(here).masked_fill(~stops, here.shape[1])
        ends = places.flip(1).cummin(1).values.flip(1)
        return kinds[:, 1:-1], starts, ends

    def compute(self) -> dict[str, Tensor]:
        """``entity_precision``, ``entity_recall`` and ``entity_f1`` over all types together (micro-averaged).

        NaN where there is nothing to count: precision if nothing was predicted, recall if there is no entity.
        """
        return self._scores(self.correct.sum(), self.predicted.sum(), self.true.sum())

    def by_type(self) -> dict[str, dict[str, Tensor]]:
        """The three scores and ``support``, the number of true entities, of each type."""
        columns = (self.correct[1:-1], self.predicted[1:-1], self.true[1:-1])
        rows = zip(self.types, *columns, strict=True)
        return {name: {**self._scores(*counts), "support": counts[2]} for name, *counts in rows}

    @staticmethod
    def _scores(correct: Tensor, predicted: Tensor, true: Tensor) -> dict[str, Tensor]:
        correct = correct.float()
        return {
            "entity_precision": correct / predicted,
            "entity_recall": correct / true,
            "entity_f1": 2 * correct / (predicted + true),
        }
