"""Scores of entities, as counts that stay exact over any number of processes."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric


class EntityScores(Metric):
    """Precision, recall and F1 of entities: a predicted one is right if its first word, last word and type all are.

    Chunks are read as by the conlleval script of CoNLL-2000 (which is also seqeval's default), ill-formed ones too.

    Args:
        tags: All tags, in IOB1, IOB2 or BIOES.
    """

    full_state_update = False
    higher_is_better = True
    correct: Tensor
    predicted: Tensor
    true: Tensor
    kinds: Tensor
    opens: Tensor
    closes: Tensor

    def __init__(self, tags: Sequence[str]) -> None:
        super().__init__()
        self.types = sorted({tag[2:] for tag in tags if tag != "O"})
        # A tag that training did not have (the one after the last) is an entity of a type of its own: never right.
        kinds = [0 if tag == "O" else 1 + self.types.index(tag[2:]) for tag in tags] + [1 + len(self.types)]
        self.register_buffer("kinds", torch.tensor(kinds), persistent=False)
        self.register_buffer(
            "opens", torch.tensor([tag[:2] in ("B-", "S-") for tag in tags] + [False]), persistent=False
        )
        self.register_buffer(
            "closes", torch.tensor([tag[:2] in ("E-", "S-") for tag in tags] + [False]), persistent=False
        )
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
        self.correct += torch.bincount(kinds[right], minlength=size)
        self.predicted += torch.bincount(kinds[starts], minlength=size)
        self.true += torch.bincount(true_kinds[true_starts], minlength=size)

    def _entities(self, tags: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of each position: the type (0 is none), whether an entity starts, and where the next one to end does."""
        padding = tags.new_full((len(tags), 1), -1)
        tags = torch.cat([padding, tags, padding], 1)  # (batch, length + 2)
        is_tag, tags = tags >= 0, tags.clamp(min=0)
        kinds: Tensor = self.kinds[tags] * is_tag
        opens, closes = self.opens[tags] & is_tag, self.closes[tags] & is_tag
        here = kinds[:, 1:-1] > 0
        starts = here & (opens[:, 1:-1] | closes[:, :-2] | (kinds[:, 1:-1] != kinds[:, :-2]))
        stops = here & (closes[:, 1:-1] | opens[:, 2:] | (kinds[:, 1:-1] != kinds[:, 2:]))
        places = torch.arange(here.shape[1], device=tags.device).expand_as(here).masked_fill(~stops, here.shape[1])
        ends = places.flip(1).cummin(1).values.flip(1)
        return kinds[:, 1:-1], starts, ends

    def compute(self) -> dict[str, Tensor]:
        """``entity_precision``, ``entity_recall`` and ``entity_f1`` over all types together (micro-averaged)."""
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
            "entity_precision": correct / predicted.clamp(min=1),
            "entity_recall": correct / true.clamp(min=1),
            "entity_f1": 2 * correct / (predicted + true).clamp(min=1),
        }
