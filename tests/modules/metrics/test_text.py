import random

import pytest
import torch
from sacrebleu.metrics import BLEU as SacreBLEU
from sacrebleu.metrics import CHRF as SacreCHRF

from modules.metrics import BLEU, ChrF, Distinct

TEXTS = [
    "Ein Hund schläft am Fluss.",
    "",
    "Die Frau, 3,5 Meter groß, singt!",
    "x",
    "Ein Hund rennt.",
    "  zwei  Wörter ",
]
REFERENCES = [
    "Ein Hund schläft an einem Fluss.",
    "Nichts.",
    "Die Frau (3,5 Meter) singt.",
    "ab",
    "Ein Hund rennt.",
    "zwei Wörter",
]


@pytest.mark.parametrize("part", [slice(0, 6), slice(0, 1), slice(3, 4), slice(4, 5), slice(1, 4)])
def test_agree_with_the_tool(part: slice) -> None:
    bleu, chrf = BLEU(), ChrF()
    for text, reference in zip(TEXTS[part], REFERENCES[part], strict=True):  # a sum over batches, not their mean
        bleu.update([text], [reference])
        chrf.update([text], [reference])
    assert bleu.compute().item() == pytest.approx(
        SacreBLEU().corpus_score(TEXTS[part], [REFERENCES[part]]).score, abs=1e-4
    )
    assert chrf.compute().item() == pytest.approx(
        SacreCHRF().corpus_score(TEXTS[part], [REFERENCES[part]]).score, abs=1e-4
    )


def test_say_how_they_are_computed() -> None:
    assert "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp" in BLEU.signature()


def test_sums_of_two_processes_are_those_of_one() -> None:
    whole, parts = (BLEU(), ChrF()), [(BLEU(), ChrF()), (BLEU(), ChrF())]
    for metric in whole:
        metric.update(TEXTS, REFERENCES)
    for metrics, part in zip(parts, (slice(0, 2), slice(2, 6)), strict=True):
        for metric in metrics:
            metric.update(TEXTS[part], REFERENCES[part])
    for one, first, second in zip(whole, *parts, strict=True):
        for name in one.metric_state:
            assert one._reductions[name] is torch.sum or one._reductions[name].__name__ == "dim_zero_sum"
            assert torch.equal(getattr(one, name), getattr(first, name) + getattr(second, name))


def test_scores_of_nothing_are_none() -> None:
    for metric in (BLEU(), ChrF()):
        metric.update([], [])
        assert metric.compute().isnan()
        metric.update(["a", " "], ["", "  "])
        assert metric.compute().isnan(), "there is nothing to be right about"
        metric.update([""], ["a word"])
        assert metric.compute() == 0


def test_distinct_is_brute_force():
    rng = random.Random(0)
    texts = [" ".join(rng.choices(["tea", "Tea", "no", "i'm", "milk"], k=rng.randint(1, 8))) for _ in range(40)]
    metric = Distinct()
    for first in range(0, 40, 7):
        metric.update(texts[first : first + 7])
    for n in (1, 2):
        words = [text.lower().split() for text in texts]
        ngrams = [tuple(text[i : i + n]) for text in words for i in range(len(text) - n + 1)]
        assert float(metric.compute()[f"distinct_{n}"]) == pytest.approx(len(set(ngrams)) / len(ngrams))


def test_distinct_of_punctuation_and_nothing():
    metric = Distinct()
    metric.update(["", "No, no."])
    assert float(metric.compute()["distinct_1"]) == pytest.approx(3 / 4)
    assert float(metric.compute()["distinct_2"]) == 1
    metric.update(["", ""])
    metric.reset()
    metric.update([""])
    assert metric.compute()["distinct_1"].isnan()
    metric.update(["tea"])
    assert float(metric.compute()["distinct_1"]) == 1
    assert metric.compute()["distinct_2"].isnan(), "no pair of words"
