"""The recurrent network over sentences."""

from types import SimpleNamespace

import torch
from torch import nn

from modules.nets.tagging.bilstm import BiLSTM, BiLSTMTagger, CharacterCNN


def test_both_directions_agree_with_packed_sequences() -> None:
    torch.manual_seed(0)
    ours = BiLSTM(5, 4, num_layers=2, dropout=0.0)
    reference = nn.LSTM(5, 4, num_layers=2, batch_first=True, bidirectional=True)
    for k, (ahead, back) in enumerate(zip(ours.forwards, ours.backwards, strict=True)):
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(reference, f"{name}_l{k}").data = getattr(ahead, f"{name}_l0").data
            getattr(reference, f"{name}_l{k}_reverse").data = getattr(back, f"{name}_l0").data
    inputs, lengths = torch.randn(3, 6, 5), torch.tensor([6, 1, 4])
    packed = nn.utils.rnn.pack_padded_sequence(inputs, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = nn.utils.rnn.pad_packed_sequence(reference(packed)[0], batch_first=True)
    found = ours(inputs, lengths)
    for i, length in enumerate(lengths.tolist()):
        torch.testing.assert_close(found[i, :length], expected[i, :length])


def test_the_padding_of_a_word_does_not_change_its_vector() -> None:
    torch.manual_seed(0)
    cnn = CharacterCNN(9, 4, 6, widths=(2, 3))
    short = torch.tensor([[2, 3, 4]])
    assert cnn(short).shape == (1, 12)
    torch.testing.assert_close(cnn(nn.functional.pad(short, (0, 9))), cnn(nn.functional.pad(short, (0, 2))))
    assert not torch.allclose(cnn(short), cnn(torch.tensor([[4, 3, 2]])))


def batch() -> SimpleNamespace:
    words = torch.tensor([[2, 3, 4], [4, 0, 0]])
    return SimpleNamespace(
        words=words, shapes=words.clamp(max=2), spelled=words.clamp(max=2), spelling=torch.tensor([[0], [2], [3]])
    )


def test_padding_does_not_change_the_emissions() -> None:
    torch.manual_seed(0)
    net = BiLSTMTagger(6, 5, 4, 3).eval()
    one = SimpleNamespace(**{k: v[1:, :1] if k != "spelling" else v for k, v in vars(batch()).items()})
    torch.testing.assert_close(net(batch())[1, :1], net(one)[0])


def test_rare_words_are_taken_for_unknown_more_often() -> None:
    torch.manual_seed(0)
    net = BiLSTMTagger(4, 5, 4, 3, dropout=0.0, word_dropout=1.0)
    net.use_facts({"word_counts": [10**9, 1]}.__getitem__)
    seen: list[torch.Tensor] = []
    net.words.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    words = torch.tensor([[2, 3] * 2000 + [0]])
    inputs = SimpleNamespace(words=words, shapes=words * 0, spelled=words * 0, spelling=torch.tensor([[0]]))
    net(inputs)
    assert (seen[-1][words == 2] == 2).all()
    assert 0.45 < (seen[-1][words == 3] == 1).float().mean() < 0.55
    assert (seen[-1][words == 0] == 0).all()
    net.eval()(inputs)
    assert torch.equal(seen[-1], words)
