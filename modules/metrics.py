"""Scores that torchmetrics lacks, as sums that stay exact over any number of processes."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric


class Generated(NamedTuple):
    """What a model wrote, for the metrics of generated text.

    Attributes:
        texts: One text an example.
        loss: Summed negative log-likelihood of the true texts.
        num_tokens: Number of their tokens.
    """

    texts: list[str]
    loss: Tensor
    num_tokens: int


class BLEU(Metric):
    """Corpus BLEU (Papineni et al. 2002), 0 to 100, as the tool sacrebleu computes it by default (Post 2018)."""

    higher_is_better = True
    counts: Tensor
    totals: Tensor
    lengths: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, size in (("counts", 4), ("totals", 4), ("lengths", 2)):
            self.add_state(name, torch.zeros(size, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, preds: Generated, target: Sequence[str]) -> None:
        """Add the matches of texts with their references."""
        from sacrebleu import metrics as sacrebleu

        score = sacrebleu.BLEU().corpus_score(preds.texts, [list(target)])
        device = self.counts.device
        self.counts += torch.tensor(score.counts, device=device)
        self.totals += torch.tensor(score.totals, device=device)
        self.lengths += torch.tensor([score.sys_len, score.ref_len], device=device)

    def compute(self) -> Tensor:
        """The score of all texts together."""
        from sacrebleu import metrics as sacrebleu

        lengths = self.lengths.tolist()
        score = sacrebleu.BLEU.compute_bleu(self.counts.tolist(), self.totals.tolist(), *lengths, smooth_method="exp")
        return torch.tensor(score.score, device=self.counts.device)

    @staticmethod
    def signature() -> str:
        """How sacrebleu says that it computes the score."""
        from sacrebleu import metrics as sacrebleu

        bleu = sacrebleu.BLEU()
        bleu.corpus_score(["a"], [["a"]])  # it knows the number of references only then
        return str(bleu.get_signature())


class ChrF(Metric):
    """Character n-gram F-score (Popović 2015), 0 to 100, as sacrebleu computes it by default: n to 6, beta 2."""

    higher_is_better = True
    ORDER, BETA = 6, 2
    written: Tensor
    wanted: Tensor
    matched: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("written", "wanted", "matched"):
            self.add_state(name, torch.zeros(self.ORDER, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, preds: Generated, target: Sequence[str]) -> None:
        """Add the matches of texts with their references."""
        sums = torch.zeros(3, self.ORDER, dtype=torch.long)
        for text, reference in zip(preds.texts, target, strict=True):
            text, reference = "".join(text.split()), "".join(reference.split())
            for order in range(1, self.ORDER + 1):
                written = Counter(text[i : i + order] for i in range(len(text) - order + 1))
                wanted = Counter(reference[i : i + order] for i in range(len(reference) - order + 1))
                matched = (written & wanted).total()
                # sacrebleu forgets what was written where the reference is too short to have an n-gram.
                sums[:, order - 1] += torch.tensor([written.total() if wanted else 0, wanted.total(), matched])
        for state, more in zip((self.written, self.wanted, self.matched), sums, strict=True):
            state += more.to(state.device)

    def compute(self) -> Tensor:
        """The F-score of the means over n of precision and recall, of all texts together."""
        counted = (self.written > 0) & (self.wanted > 0)
        precision = (self.matched[counted] / self.written[counted]).sum() / counted.sum().clamp(min=1)
        recall = (self.matched[counted] / self.wanted[counted]).sum() / counted.sum().clamp(min=1)
        weighed = self.BETA**2 * precision + recall
        return 100 * (1 + self.BETA**2) * precision * recall / weighed.where(weighed > 0, 1)


class Perplexity(Metric):
    """Exponential of the mean negative log-likelihood of a token."""

    higher_is_better = False
    loss: Tensor
    num_tokens: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("loss", torch.zeros((), dtype=torch.double), dist_reduce_fx="sum")
        self.add_state("num_tokens", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, preds: Generated, target: Sequence[str]) -> None:
        """Add the likelihood of the true texts."""
        self.loss += preds.loss
        self.num_tokens += preds.num_tokens

    def compute(self) -> Tensor:
        """Perplexity of a token."""
        return (self.loss / self.num_tokens).exp().float()


class ForecastErrors(Metric):
    """Errors of forecasts and of the seasonal naive forecast, meant over every window, step and series.

    ``update`` takes named tuples: forecasts ``scaled`` and ``original`` ``(batch, horizon, targets, outputs)``, whose
    middle output is scored, ``naive`` and ``naive_original`` ``(batch, horizon, targets)``, ``seasonal_error``
    ``(batch, 1, targets)``; and the truth ``scaled`` and ``original`` ``(batch, horizon, targets)``.
    ``smape`` is ``2 |y - f| / (|y| + |f|)``, from 0 to 2, and 0 where both are 0.
    """

    NAMES = ("mse", "mae", "mae_original", "mse_original", "smape", "mase", "naive_mse", "naive_mae", "naive_mase")
    full_state_update = False
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in self.NAMES:
            self.add_state(name, torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds: Any, target: Any) -> None:
        """Add a batch."""
        middle = preds.scaled.shape[-1] // 2
        forecast, original = preds.scaled[..., middle], preds.original[..., middle]
        scaled, error = forecast - target.scaled, (original - target.original).abs()
        naive, naive_error = preds.naive - target.scaled, (preds.naive_original - target.original).abs()
        size = original.abs() + target.original.abs()
        terms = (
            scaled.square(),
            scaled.abs(),
            error,
            error.square(),
            2 * error / size.clamp(min=1e-12),
            error / preds.seasonal_error,
            naive.square(),
            naive.abs(),
            naive_error / preds.seasonal_error,
        )
        for name, term in zip(self.NAMES, terms, strict=True):
            setattr(self, name, getattr(self, name) + term.sum())
        self.count = self.count + scaled.numel()

    def compute(self) -> dict[str, Tensor]:
        """All the means, and the roots of the mean squares."""
        means = {name: getattr(self, name) / self.count for name in self.NAMES}
        return {
            **{name: mean for name, mean in means.items() if name != "mse_original"},
            "rmse": means["mse"].sqrt(),
            "rmse_original": means["mse_original"].sqrt(),
        }


class QuantileScores(Metric):
    """Scores of forecast quantiles.

    ``coverage`` is the share of truths between the outermost quantiles, ends included: 0.8 is right for 0.1 to 0.9.
    ``crps``, of the scaled series, is twice the mean pinball loss: the continuous ranked probability score (Gneiting &
    Raftery 2007) as an integral over these levels.

    Args:
        levels: Levels of the quantiles, rising.
    """

    full_state_update = False
    levels: Tensor
    covered: Tensor
    loss: Tensor
    count: Tensor

    def __init__(self, levels: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        self.add_state("loss", torch.tensor(0.0), dist_reduce_fx="sum")
        for name in ("covered", "count"):
            self.add_state(name, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, preds: Any, target: Any) -> None:
        """Add a batch of ``preds.scaled`` (..., levels) and ``target.scaled`` (...)."""
        truth = target.scaled.unsqueeze(-1)
        error = truth - preds.scaled
        inside = (truth >= preds.scaled[..., :1]) & (truth <= preds.scaled[..., -1:])
        self.covered = self.covered + inside.sum()
        self.loss = self.loss + torch.maximum(self.levels * error, (self.levels - 1) * error).mean(-1).sum()
        self.count = self.count + truth.numel()

    def compute(self) -> dict[str, Tensor]:
        """Coverage and CRPS."""
        return {"coverage": self.covered / self.count, "crps": 2 * self.loss / self.count}


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


class Ranking(Metric):
    """Where the true one comes among scored candidates: recall at k, and the mean reciprocal rank.

    A candidate of the same score comes first, so that a constant score earns nothing.

    Args:
        at: For each k, the share of examples whose true candidate is among the k best.
    """

    full_state_update = False
    higher_is_better = True
    found: Tensor
    reciprocal: Tensor
    size: Tensor

    def __init__(self, at: Sequence[int] = (1, 5)) -> None:
        super().__init__()
        self.at = tuple(at)
        self.add_state("found", torch.zeros(len(self.at), dtype=torch.long), dist_reduce_fx="sum")
        self.add_state("reciprocal", torch.zeros((), dtype=torch.double), dist_reduce_fx="sum")
        self.add_state("size", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, preds: Tensor, target: Tensor) -> None:
        """Rank the candidates of a batch.

        Args:
            preds: Scores ``(batch, candidates)``.
            target: Which candidate is the true one, ``(batch)``.
        """
        true = preds.gather(1, target[:, None])  # (batch, 1)
        ranks = (preds >= true).sum(1)  # the true one counts itself
        self.found += torch.stack([(ranks <= k).sum() for k in self.at])
        self.reciprocal += ranks.double().reciprocal().sum()
        self.size += len(ranks)

    def compute(self) -> dict[str, Tensor]:
        """``recall_at_1``, ``recall_at_5`` (or whatever k were asked for) and ``mrr``."""
        size = self.size.clamp(min=1)
        recalls = {f"recall_at_{k}": found / size for k, found in zip(self.at, self.found, strict=True)}
        return {**recalls, "mrr": (self.reciprocal / size).float()}


class Distinct(Metric):
    """How diverse texts are: different n-grams over all n-grams, for n = 1 and 2 (Li et al. 2016).

    Words and punctuation marks are counted, in lower case.
    """

    full_state_update = False
    higher_is_better = True
    size: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Different n-grams by their hashes: the chance that any two of a million share one is 3e-8.
        self.add_state("ngrams_1", [], dist_reduce_fx="cat")
        self.add_state("ngrams_2", [], dist_reduce_fx="cat")
        self.add_state("size", torch.zeros(2, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, preds: Any, target: Any = None) -> None:
        """Add texts.

        Args:
            preds: Texts, or what has them as its ``texts``.
            target: Not used.
        """
        texts = getattr(preds, "texts", preds)
        words = [re.findall(r"\w+(?:'\w+)*|[^\w\s]", text.lower()) for text in texts]
        for n, kept in ((1, self.ngrams_1), (2, self.ngrams_2)):
            ngrams = [" ".join(text[i : i + n]) for text in words for i in range(len(text) - n + 1)]
            hashes = [hashlib.blake2b(ngram.encode(), digest_size=8).digest() for ngram in set(ngrams)]
            numbers = [int.from_bytes(digest, "little", signed=True) for digest in hashes]
            kept.append(torch.tensor(numbers, dtype=torch.long, device=self.device))  # type: ignore[union-attr,operator]
            self.size[n - 1] += len(ngrams)

    def _sync_dist(self, *args: Any, **kwargs: Any) -> None:
        # A process without texts must send integers like the others.
        for kept in (self.ngrams_1, self.ngrams_2):
            if not kept:
                kept.append(torch.empty(0, dtype=torch.long, device=self.device))  # type: ignore[union-attr,operator]
        super()._sync_dist(*args, **kwargs)

    def compute(self) -> dict[str, Tensor]:
        """``distinct_1`` and ``distinct_2``."""
        states: list[Any] = [self.ngrams_1, self.ngrams_2]
        # A tensor once the processes have come together, a list before.
        joined = [torch.cat(state) if isinstance(state, list) and state else torch.as_tensor(state) for state in states]
        different = torch.stack([numbers.unique().numel() * torch.ones((), device=self.device) for numbers in joined])
        first, second = different / self.size.clamp(min=1)
        return {"distinct_1": first, "distinct_2": second}
