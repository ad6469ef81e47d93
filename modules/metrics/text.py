"""Scores of generated text, as sums that stay exact over any number of processes."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from modules.metrics.common import ScoresMetric


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

    def update(self, preds: Sequence[str], target: Sequence[str]) -> None:
        """Add the matches of texts with their references."""
        from sacrebleu import metrics as sacrebleu

        if not preds:  # the tool cannot bear it
            return
        score = sacrebleu.BLEU().corpus_score(list(preds), [list(target)])
        device = self.counts.device
        self.counts += torch.tensor(score.counts, device=device)
        self.totals += torch.tensor(score.totals, device=device)
        self.lengths += torch.tensor([score.sys_len, score.ref_len], device=device)

    def compute(self) -> Tensor:
        """The score of all texts together; NaN if the references have no word."""
        from sacrebleu import metrics as sacrebleu

        lengths = self.lengths.tolist()
        if not lengths[1]:
            return torch.tensor(torch.nan, device=self.counts.device)
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

    def update(self, preds: Sequence[str], target: Sequence[str]) -> None:
        """Add the matches of texts with their references."""
        sums = torch.zeros(3, self.ORDER, dtype=torch.long)
        for text, reference in zip(preds, target, strict=True):
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
        """The F-score of the means over n of precision and recall, of all texts together; NaN without a reference."""
        if not self.wanted.any():
            return torch.tensor(torch.nan, device=self.wanted.device)
        counted = (self.written > 0) & (self.wanted > 0)
        precision = (self.matched[counted] / self.written[counted]).sum() / counted.sum().clamp(min=1)
        recall = (self.matched[counted] / self.wanted[counted]).sum() / counted.sum().clamp(min=1)
        weighed = self.BETA**2 * precision + recall
        return 100 * (1 + self.BETA**2) * precision * recall / weighed.where(weighed > 0, 1)


class Distinct(ScoresMetric):
    """How diverse texts are: different n-grams over all n-grams, for n = 1 and 2 (Li et al. 2016).

    Words and punctuation marks are counted, in lower case.
    """

    higher_is_better = {"distinct_1": True, "distinct_2": True}  # noqa: RUF012
    ngrams_1: list[Tensor]
    ngrams_2: list[Tensor]
    size: Tensor

    def __init__(self) -> None:
        super().__init__()
        # Different n-grams by their hashes: the chance that any two of a million share one is 3e-8.
        self.add_state("ngrams_1", [], dist_reduce_fx="cat")
        self.add_state("ngrams_2", [], dist_reduce_fx="cat")
        self.add_state("size", torch.zeros(2, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, preds: Sequence[str], target: Sequence[str] | None = None) -> None:
        """Add texts; what they are compared with is not used."""
        words = [re.findall(r"\w+(?:'\w+)*|[^\w\s]", text.lower()) for text in preds]
        for n, kept in ((1, self.ngrams_1), (2, self.ngrams_2)):
            ngrams = [" ".join(text[i : i + n]) for text in words for i in range(len(text) - n + 1)]
            hashes = [hashlib.blake2b(ngram.encode(), digest_size=8).digest() for ngram in set(ngrams)]
            numbers = [int.from_bytes(digest, "little", signed=True) for digest in hashes]
            kept.append(torch.tensor(numbers, dtype=torch.long, device=self.device))
            self.size[n - 1] += len(ngrams)

    def _sync_dist(self, *args: Any, **kwargs: Any) -> None:
        # A process without texts must send integers like the others.
        for kept in (self.ngrams_1, self.ngrams_2):
            if not kept:
                kept.append(torch.empty(0, dtype=torch.long, device=self.device))
        super()._sync_dist(*args, **kwargs)

    def compute(self) -> dict[str, Tensor]:
        """``distinct_1`` and ``distinct_2``; NaN without any n-gram."""
        states: list[object] = [self.ngrams_1, self.ngrams_2]
        # A tensor once the processes have come together, a list before.
        joined = [torch.cat(state) if isinstance(state, list) and state else torch.as_tensor(state) for state in states]
        different = torch.stack([numbers.unique().numel() * torch.ones((), device=self.device) for numbers in joined])
        first, second = different / self.size
        return {"distinct_1": first, "distinct_2": second}
