"""The recurrent network over sentences."""

import torch
from torch import nn

from datamodules.types import TaggingFacts, WordTokens
from modules.nets.tagging.bilstm import BiLSTMTagger, CharacterCNN


def facts(word_counts: list[int]) -> TaggingFacts:
    names = [str(i) for i in range(len(word_counts))]
    return TaggingFacts(
        tags=["X", "Y", "Z"], scheme="", words=names, word_counts=word_counts, chars=["a", "b", "c"],
        shapes=["x", "d"], tokenizer="",
    )  # fmt: skip


def test_the_padding_of_a_word_does_not_change_its_vector() -> None:
    torch.manual_seed(0)
    cnn = CharacterCNN(9, 4, 6, widths=(2, 3))
    short = torch.tensor([[2, 3, 4]])
    assert cnn(short).shape == (1, 12)
    for convolution in cnn.convolutions:  # where a filter has a positive bias, padding has more than many a word
        nn.init.uniform_(convolution.bias, 0.0, 1.0)
    short = torch.randint(2, 9, (50, 3))
    alone = cnn(short)
    chars = cnn.embedding(short).transpose(1, 2)
    whole = [nn.functional.relu(convolution(chars)).amax(2) for convolution in cnn.convolutions]
    torch.testing.assert_close(alone, torch.cat(whole, 1))
    for more in (1, 2, 9):
        torch.testing.assert_close(cnn(nn.functional.pad(short, (0, more))), alone)
    assert not torch.allclose(cnn(short), cnn(torch.tensor([[4, 3, 2]])))


def batch() -> WordTokens:
    words = torch.tensor([[2, 3, 4], [4, 0, 0]])
    return WordTokens(words, words.clamp(max=2), words.clamp(max=2), torch.tensor([[0], [2], [3]]))


def test_padding_does_not_change_the_emissions() -> None:
    torch.manual_seed(0)
    net = BiLSTMTagger(facts([1] * 4)).eval()
    one = WordTokens(*(tensor[1:, :1] for tensor in batch()[:3]), batch().spelling)
    torch.testing.assert_close(net(batch())[1, :1], net(one)[0])


def test_rare_words_are_taken_for_unknown_more_often() -> None:
    torch.manual_seed(0)
    net = BiLSTMTagger(facts([10**9, 1]), dropout=0.0, word_dropout=1.0)
    seen: list[torch.Tensor] = []
    net.words.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    words = torch.tensor([[2, 3] * 2000 + [0]])
    inputs = WordTokens(words, words * 0, words * 0, torch.tensor([[0]]))
    net(inputs)
    assert (seen[-1][words == 2] == 2).all()
    assert 0.45 < (seen[-1][words == 3] == 1).float().mean() < 0.55
    assert (seen[-1][words == 0] == 0).all()
    net.eval()(inputs)
    assert torch.equal(seen[-1], words)
