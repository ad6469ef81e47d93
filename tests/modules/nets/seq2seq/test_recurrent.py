import pytest
import torch

from datamodules.types import BEGIN
from modules.nets.seq2seq.attention import MultiplicativeAttention
from modules.nets.seq2seq.encoder_decoder import EncoderDecoder
from modules.nets.seq2seq.recurrent import RecurrentSeq2Seq
from modules.nets.seq2seq.transformer import Transformer, positions


def nets(tied: str = "target") -> dict[str, EncoderDecoder]:
    torch.manual_seed(0)
    options = {"size": 8, "dropout": 0.2, "tied": tied}
    return {
        "gru": RecurrentSeq2Seq(20, 20, hidden=12, **options),
        "lstm": RecurrentSeq2Seq(
            20,
            20,
            hidden=12,
            num_layers=2,
            cell="lstm",
            attention=MultiplicativeAttention,
            input_feeding=False,
            **options,
        ),
        "transformer": Transformer(20, 20, num_layers=2, num_heads=2, hidden=16, **options),
    }


SOURCE = torch.tensor([[5, 6, 7, 3], [8, 3, 0, 0]])
TARGET = torch.tensor([[BEGIN, 9, 10, 11], [BEGIN, 12, 0, 0]])


@pytest.mark.parametrize("name", nets())
def test_neither_padding_nor_neighbours_change_anything(name: str) -> None:
    net = nets()[name].eval()
    together = net(SOURCE, TARGET)
    assert together.shape == (2, 4, 20)
    torch.testing.assert_close(net(SOURCE[1:, :2], TARGET[1:, :2])[0], together[1, :2])


@pytest.mark.parametrize("name", nets())
def test_a_token_does_not_see_later_ones(name: str) -> None:
    net = nets()[name].eval()
    changed = TARGET.clone()
    changed[0, 3] = 15
    before, after = net(SOURCE, TARGET)[0], net(SOURCE, changed)[0]
    torch.testing.assert_close(before[:3], after[:3])
    assert not torch.allclose(before[3], after[3])


@pytest.mark.parametrize("name", nets())
def test_attention_is_a_distribution_over_the_source(name: str) -> None:
    weights = nets()[name].eval().attention(SOURCE, TARGET)
    assert weights.shape == (2, 4, 4)
    torch.testing.assert_close(weights.sum(2), torch.ones(2, 4))
    assert weights[1, :, 2:].abs().max() == 0


@pytest.mark.parametrize("tied", ["all", "target", "none"])
@pytest.mark.parametrize("name", nets())
def test_embeddings_are_tied_as_asked(name: str, tied: str) -> None:
    net = nets(tied)[name]
    assert (net.source_embedding.weight is net.target_embedding.weight) == (tied == "all")
    assert (net.output.weight is net.target_embedding.weight) == (tied != "none")
    for embedding in (net.source_embedding, net.target_embedding):
        assert embedding.weight[0].abs().max() == 0


@pytest.mark.parametrize("name", nets())
def test_every_weight_learns_and_bfloat16_is_close(name: str) -> None:
    net = nets("none")[name].eval()
    net(SOURCE, TARGET).square().sum().backward()
    without = [n for n, p in net.named_parameters() if p.grad is None or p.grad.abs().max() == 0]
    # Adding the same to all keys adds the same to all scores.
    assert [n for n in without if "attend.key.bias" not in n] == []
    with torch.autocast("cpu", torch.bfloat16):
        rough = net(SOURCE, TARGET)
    torch.testing.assert_close(rough.float(), net(SOURCE, TARGET), atol=0.05, rtol=0.05)


@pytest.mark.parametrize("name", nets())
def test_dropout_is_for_training(name: str) -> None:
    net = nets()[name]
    assert not torch.equal(net(SOURCE, TARGET), net(SOURCE, TARGET))
    net.eval()
    assert torch.equal(net(SOURCE, TARGET), net(SOURCE, TARGET))


@pytest.mark.parametrize(("inner", "differs"), [(0.0, False), (0.5, True), (None, True)])
def test_a_transformer_drops_inside_its_parts_what_it_is_told_to(inner: float | None, differs: bool) -> None:
    net = Transformer(20, 20, 8, num_layers=1, num_heads=2, hidden=16, dropout=0.4, inner_dropout=inner)
    features = torch.randn(2, 4, 8)
    for layer in (net.encoder[0], net.decoder[0]):
        attentions = [part for name, part in layer.named_children() if "attention" in name]
        for attention in attentions:
            keys, values = attention.keys_values(features)
            first, second = (attention(features, keys, values, None) for _ in range(2))
            assert torch.equal(first, second) != differs
        assert torch.equal(layer.feed_forward(features), layer.feed_forward(features)) != differs
    assert not torch.equal(net(SOURCE, TARGET), net(SOURCE, TARGET))


def test_positions_are_sines_and_cosines_wherever_they_begin() -> None:
    table = positions(0, 50, 8, torch.device("cpu"))
    torch.testing.assert_close(table[7, 2], torch.tensor(7 / 10000 ** (2 / 8)).sin())
    torch.testing.assert_close(table[7, 3], torch.tensor(7 / 10000 ** (2 / 8)).cos())
    torch.testing.assert_close(positions(30, 4, 8, torch.device("cpu")), table[30:34])


def test_sizes_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="even"):
        RecurrentSeq2Seq(10, 10, hidden=7)
    with pytest.raises(ValueError, match="the source has 10 tokens, the target 11"):
        Transformer(10, 11, tied="all")
