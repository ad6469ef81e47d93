"""The tagger on word pieces, with a tiny encoder of random weights."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.types import PieceTokens, TaggingFacts
from modules.nets.tagging.pretrained import PretrainedTagger


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import BertConfig, BertModel

    path = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=20, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=16,
    )  # fmt: skip
    BertModel(config).save_pretrained(path)
    return path


def facts(tokenizer: str = "{}") -> TaggingFacts:
    return TaggingFacts(
        tags=["X", "Y", "Z"], scheme="", words=[], word_counts=[], chars=["a", "b", "c"], shapes=list("abcd"),
        tokenizer=tokenizer,
    )  # fmt: skip


def inputs() -> PieceTokens:
    # Two windows of the first sentence, one of the second.
    tokens = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 9, 3, 0], [2, 10, 3, 0, 0]])
    words = torch.tensor([[2, 3, 4], [5, 0, 0]])
    first, spelling = torch.tensor([[1, 3, 6], [11, 0, 0]]), torch.tensor([[0, 0], [2, 3], [3, 2]])
    return PieceTokens(words, words, words % 3, spelling, tokens, first)


def test_a_word_has_the_state_of_its_first_piece(folder: Path) -> None:
    net = PretrainedTagger(facts(), str(folder)).eval()
    batch = inputs()
    emissions = net(batch)
    assert emissions.shape == (2, 3, 3)
    for place, (row, position) in {(0, 0): (0, 1), (0, 1): (0, 3), (0, 2): (1, 1), (1, 0): (2, 1)}.items():
        window = batch.tokens[row : row + 1]
        expected = net.output(net.encoder(window)[0, position])
        torch.testing.assert_close(emissions[place], expected, rtol=1e-4, atol=1e-5)


def test_characters_and_shapes_join_in(folder: Path) -> None:
    net = PretrainedTagger(facts(), str(folder), char_filters=4, shape_size=2, rate=10.0).eval()
    batch = inputs()
    before = net(batch)
    assert not torch.allclose(net(batch._replace(shapes=batch.shapes.clamp(max=2))), before)
    assert net.output.in_features == 8 + 4 + 2
    assert all(parameter.rate == 10 for parameter in net.output.parameters())


def test_data_without_pieces_is_told(folder: Path) -> None:
    with pytest.raises(MisconfigurationException, match=r"--data\.tokenizer"):
        PretrainedTagger(facts(tokenizer=""), str(folder))


def test_weights_load_where_the_encoder_is_not_at_hand(folder: Path) -> None:
    net = PretrainedTagger(facts(), str(folder)).eval()
    other = PretrainedTagger(facts(), "no/such-encoder")
    other.load_state_dict(net.state_dict())
    torch.testing.assert_close(other.eval()(inputs()), net(inputs()))
