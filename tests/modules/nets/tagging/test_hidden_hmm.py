import itertools
import math
from types import SimpleNamespace

import torch

from modules.nets.tagging.hidden_hmm import HiddenHMM


def test_expectation_maximisation_agrees_with_enumeration() -> None:
    torch.manual_seed(0)
    hmm = HiddenHMM(5, 2, smoothing=0.0)
    words = torch.tensor([[2, 3, 4], [4, 2, 0]])
    steps, table = hmm.steps.exp().tolist(), hmm.words.exp().tolist()
    step_counts = torch.zeros(3, 3)
    word_counts = torch.zeros(2, 5)
    for sentence in ([2, 3, 4], [4, 2]):
        weights = {}
        for path in itertools.product(range(2), repeat=len(sentence)):
            weight = math.prod(steps[a][b] for a, b in itertools.pairwise([2, *path, 2]))
            weights[path] = weight * math.prod(table[s][w] for s, w in zip(path, sentence, strict=True))
        for path, weight in weights.items():
            share = weight / sum(weights.values())
            for a, b in itertools.pairwise([2, *path, 2]):
                step_counts[a, b] += share
            for s, w in zip(path, sentence, strict=True):
                word_counts[s, w] += share
    hmm.add(*hmm.count(words))
    torch.testing.assert_close(hmm.step_counts, step_counts)
    torch.testing.assert_close(hmm.word_counts, word_counts)
    hmm.fit()
    torch.testing.assert_close(hmm.words.exp(), word_counts / word_counts.sum(1, keepdim=True))
    assert (hmm.step_counts == 0).all()


def test_every_iteration_makes_the_words_likelier() -> None:
    torch.manual_seed(1)
    hmm = HiddenHMM(12, 3, smoothing=0.0)
    words = torch.randint(2, 12, (20, 6))
    inputs, lengths = SimpleNamespace(words=words), torch.full((20,), 6)
    before = -math.inf
    for _ in range(8):
        likelihood = float(hmm.log_partition(hmm.emissions(inputs), lengths).sum())
        assert likelihood > before
        before = likelihood
        hmm.add(*hmm.count(words))
        hmm.fit()
