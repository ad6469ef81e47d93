"""Word embeddings with and without subword n-grams."""

import pytest
import torch

from datamodules.types import SubwordTokens
from modules.nets.text.embedding import WordEmbedding


def test_spelled_words():
    embedding = WordEmbedding(20, 4).eval()
    spelling = torch.tensor([[0, 0, 0], [4, 10, 11], [1, 12, 0], [5, 0, 0]])
    vectors, mask = embedding(SubwordTokens(torch.tensor([[1, 2, 3, 0]]), spelling))
    w = embedding.words.weight
    expected = torch.stack([w[4] + (w[10] + w[11]) / 2, w[1] + w[12], w[5], torch.zeros(4)])
    torch.testing.assert_close(vectors[0], expected)
    assert mask.tolist() == [[True, True, True, False]]


def test_forgotten_words_keep_their_letters():
    embedding = WordEmbedding(20, 4, word_dropout=1.0).train()
    spelling = torch.tensor([[0, 0], [4, 10]])
    w = embedding.words.weight
    torch.testing.assert_close(embedding(SubwordTokens(torch.tensor([[1, 0]]), spelling))[0][0, 0], w[1] + w[10])
    vectors, _ = embedding(torch.tensor([[4, 0]]))
    torch.testing.assert_close(vectors[0], torch.stack([w[1], torch.zeros(4)]))
    embedding.eval()
    torch.testing.assert_close(embedding(torch.tensor([[4]]))[0][0, 0], w[4])


def test_forgetting_is_rare():
    torch.manual_seed(0)
    embedding = WordEmbedding(20, 4, word_dropout=0.1).train()
    forgotten = embedding._forget(torch.full((100, 100), 5)) == 1
    assert 0.08 < forgotten.float().mean() < 0.12


@pytest.mark.parametrize("word_dropout", [0.0, 0.5])
def test_words_without_any_ngram(word_dropout):
    """A batch of words of one letter has no n-grams at all: each word is its own vector."""
    torch.manual_seed(0)
    embedding = WordEmbedding(20, 4, word_dropout=word_dropout)
    inputs = SubwordTokens(torch.tensor([[1, 0], [2, 2]]), torch.tensor([[0], [4], [5]]))
    w = embedding.words.weight
    assert embedding(inputs)[0].isfinite().all()
    vectors, _ = embedding.eval()(inputs)
    torch.testing.assert_close(vectors, torch.stack([torch.stack([w[4], w[0]]), torch.stack([w[5], w[5]])]))
