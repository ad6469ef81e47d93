"""The hidden Markov models against counting by hand and enumeration of all tag sequences."""

import itertools
import math
from collections import Counter

import pytest
import torch
from torch import Tensor

from datamodules.types import IGNORE, TaggingFacts, WordTokens
from modules.nets.tagging.hmm import TaggedHMM
from modules.nets.tagging.trigrams import log_partition_2, viterbi_2

WORDS = ["a", "cat", "sat", "Cats", "sit"]
CHARS = sorted(set("".join(WORDS)))
SENTENCES = [["a", "cat", "sat"], ["Cats", "sit"], ["a", "cat"], ["sit"]]
TAGS = [[0, 1, 2], [1, 2], [0, 1], [2]]


def batch(sentences: list[list[str]], tags: list[list[int]] | None = None) -> tuple[WordTokens, Tensor]:
    length = max(map(len, sentences))
    words = torch.zeros(len(sentences), length, dtype=torch.long)
    target = torch.full_like(words, IGNORE)
    distinct = ["", *dict.fromkeys(word for sentence in sentences for word in sentence)]
    spelled = torch.zeros_like(words)
    spelling = torch.zeros(len(distinct), 8, dtype=torch.long)
    for row, word in enumerate(distinct):
        spelling[row, : len(word)] = torch.tensor([CHARS.index(c) + 2 if c in CHARS else 1 for c in word])
    for i, sentence in enumerate(sentences):
        for t, word in enumerate(sentence):
            words[i, t] = WORDS.index(word) + 2 if word in WORDS else 1
            spelled[i, t] = distinct.index(word)
        if tags:
            target[i, : len(sentence)] = torch.tensor(tags[i])
    return WordTokens(words, words, spelled, spelling), target


def trained(order: int) -> TaggedHMM:
    facts = TaggingFacts(
        tags=["D", "N", "V"], scheme="", words=WORDS, word_counts=[1] * len(WORDS), chars=CHARS, shapes=[], tokenizer=""
    )
    hmm = TaggedHMM(facts, order)
    for sentences, tags in ((SENTENCES[:3], TAGS[:3]), (SENTENCES[3:], TAGS[3:])):
        inputs, target = batch(sentences, tags)
        hmm.add(*hmm.count(inputs.words, target))
    return hmm


def test_counts_are_those_counted_by_hand() -> None:
    hmm = trained(2)
    triples: Counter[tuple[int, int, int]] = Counter()
    pairs: Counter[tuple[int, int]] = Counter()
    for words, tags in zip(SENTENCES, TAGS, strict=True):
        padded = [3, 3, *tags, 3]
        triples.update(zip(padded, padded[1:], padded[2:], strict=False))
        pairs.update((WORDS.index(word) + 2, tag) for word, tag in zip(words, tags, strict=True))
    assert {tuple(i): int(hmm.tag_counts[tuple(i)]) for i in hmm.tag_counts.nonzero().tolist()} == triples
    assert {tuple(i): int(hmm.word_counts[tuple(i)]) for i in hmm.word_counts.nonzero().tolist()} == pairs


@pytest.mark.parametrize("order", [1, 2])
def test_steps_are_probabilities(order: int) -> None:
    hmm = trained(order)
    hmm.fit()
    totals = hmm.steps.exp().sum(2)
    # After three borders nothing can follow; all other histories that occur have a distribution.
    torch.testing.assert_close(totals[3, :3], torch.ones(3, dtype=torch.float64))
    if order == 1:
        assert torch.equal(hmm.steps[0], hmm.steps[1])


def test_deleted_interpolation_by_hand() -> None:
    hmm = trained(2)
    hmm.fit()
    counts = hmm.tag_counts.double().tolist()
    n = range(4)
    pair = [[sum(counts[i][j][k] for i in n) for k in n] for j in n]
    single = [sum(pair[j][k] for j in n) for k in n]
    votes = [0.0, 0.0, 0.0]
    for i, j, k in itertools.product(n, n, n):
        if counts[i][j][k]:
            fractions = [
                (counts[i][j][k] - 1, sum(counts[i][j]) - 1),
                (pair[j][k] - 1, sum(pair[j]) - 1),
                (single[k] - 1, sum(single) - 1),
            ]
            values = [a / b if b else 0.0 for a, b in fractions]
            votes[values.index(max(values))] += counts[i][j][k]
    weights = [vote / sum(votes) for vote in votes]
    for i, j, k in [(3, 3, 0), (3, 0, 1), (0, 1, 2), (0, 1, 3), (3, 1, 2)]:
        parts = [counts[i][j][k] / sum(counts[i][j]), pair[j][k] / sum(pair[j]), single[k] / sum(single)]
        expected = sum(w * p for w, p in zip(weights, parts, strict=True))
        assert math.isclose(math.exp(float(hmm.steps[i, j, k])), expected, rel_tol=1e-9)


def test_words_draw_on_lower_case_and_endings() -> None:
    hmm = trained(2)
    inputs, _ = batch([["cat", "Cat", "bat", "sits"]])
    odds = hmm.emissions(inputs)[0].exp() * hmm.shares  # p(tag | word)
    torch.testing.assert_close(odds.sum(1), torch.ones(4, dtype=torch.float64))
    assert odds[0].argmax() == 1
    assert odds[1, 1] > 1 / 3  # never seen, its lower-case form is
    assert odds[0, 1] > odds[1, 1]
    assert not torch.equal(odds[2], odds[3])


@pytest.mark.parametrize("order", [1, 2])
def test_decoding_agrees_with_enumeration(order: int) -> None:
    hmm = trained(order)
    inputs, _ = batch([["a", "Cats", "bat", "sit"], ["cat"], ["sit", "a"]])
    lengths = (inputs.words != 0).sum(1)
    emissions = hmm.emissions(inputs)
    best, total = hmm.decode(emissions, lengths), hmm.log_partition(emissions, lengths)
    probabilities = hmm.marginals(emissions, lengths)
    for i, length in enumerate(lengths.tolist()):
        scores = {}
        for path in itertools.product(range(3), repeat=length):
            padded = [3, 3, *path, 3]
            steps = sum(float(hmm.steps[a, b, c]) for a, b, c in zip(padded, padded[1:], padded[2:], strict=False))
            scores[path] = steps + sum(float(emissions[i, t, tag]) for t, tag in enumerate(path))
        log_sum = torch.tensor(list(scores.values()), dtype=torch.float64).logsumexp(0)
        torch.testing.assert_close(total[i], log_sum)
        assert tuple(best[i, :length].tolist()) == max(scores, key=scores.__getitem__)
        assert (best[i, length:] == IGNORE).all()
        for t, tag in itertools.product(range(length), range(3)):
            share = sum(math.exp(s - float(log_sum)) for path, s in scores.items() if path[t] == tag)
            assert math.isclose(float(probabilities[i, t, tag]), share, rel_tol=1e-6, abs_tol=1e-9)
        path = max(scores, key=scores.__getitem__)
        given = torch.tensor([list(path) + [IGNORE] * (emissions.shape[1] - length)])
        one = emissions[i : i + 1]
        assert math.isclose(float(hmm.score(one, given, lengths[i : i + 1])), scores[path], rel_tol=1e-9)


def test_second_order_with_random_steps_agrees_with_enumeration() -> None:
    generator = torch.Generator().manual_seed(0)
    steps = torch.randn(4, 4, 4, generator=generator, dtype=torch.float64)
    emissions = 3 * torch.randn(3, 5, 3, generator=generator, dtype=torch.float64)
    lengths = torch.tensor([5, 1, 2])
    best, total = viterbi_2(emissions, steps, lengths), log_partition_2(emissions, steps, lengths)
    for i, length in enumerate(lengths.tolist()):
        scores = {}
        for path in itertools.product(range(3), repeat=length):
            padded = [3, 3, *path, 3]
            weights = sum(float(steps[a, b, c]) for a, b, c in zip(padded, padded[1:], padded[2:], strict=False))
            scores[path] = weights + sum(float(emissions[i, t, tag]) for t, tag in enumerate(path))
        torch.testing.assert_close(total[i], torch.tensor(list(scores.values()), dtype=torch.float64).logsumexp(0))
        assert tuple(best[i, :length].tolist()) == max(scores, key=scores.__getitem__)
