"""Pretrained text encoders, with a tiny one of random weights."""

import json
from pathlib import Path

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from transformers import AutoConfig, AutoModel, BertConfig, BertModel

from modules.nets.pretrained import PretrainedClassifier, PretrainedEncoder

TINY = str(Path(__file__).parents[2] / "samples" / "sentence-transformers" / "all-MiniLM-L6-v2")
TOKENS = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]])


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def test_states_are_those_of_the_model():
    encoder = PretrainedEncoder(93, TINY).eval()
    encoder.load_pretrained()
    model = AutoModel.from_pretrained(TINY).eval()
    expected = model(TOKENS, attention_mask=(TOKENS != 0).long()).last_hidden_state
    torch.testing.assert_close(encoder(TOKENS), expected)
    assert encoder.num_features == 8


@pytest.mark.parametrize("pooling", ["first", "mean", "max"])
def test_pooling(pooling):
    encoder = PretrainedEncoder(93, TINY, pooling).eval()
    states = encoder(TOKENS)[1, :3]
    expected = {"first": states[0], "mean": states.mean(0), "max": states.amax(0)}[pooling]
    torch.testing.assert_close(encoder.sentence(TOKENS)[1], expected)
    torch.testing.assert_close(encoder.sentence(TOKENS[1:, :3])[0], expected)  # padding plays no part


@pytest.mark.parametrize("pooling", ["first", "mean", "max"])
def test_a_text_does_not_depend_on_its_batch(pooling):
    """Not on the longest of it, nor on the order; a text without tokens is a text too."""
    net = PretrainedClassifier(93, 3, TINY, pooling).eval()
    net.encoder.load_pretrained()
    torch.manual_seed(0)
    texts = [torch.randint(1, 93, (length,)) for length in (1, 9, 3, 0, 30, 2, 5, 1)]
    padded = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True)
    together = net(padded)
    assert together.isfinite().all()
    order = torch.randperm(8)
    torch.testing.assert_close(net(padded[order]), together[order], atol=1e-5, rtol=1e-5)
    for text, expected in zip(texts, together, strict=True):
        alone = text[None] if len(text) else torch.zeros(1, 1, dtype=torch.long)
        torch.testing.assert_close(net(alone)[0], expected, atol=1e-5, rtol=1e-5)


def test_what_is_trained():
    def trained(layers):
        return {
            n.split(".")[0:4].__str__()
            for n, p in PretrainedEncoder(93, TINY, trained_layers=layers).named_parameters()
            if p.requires_grad
        }

    assert not trained(0)
    assert all("layer', '1'" in name for name in trained(1))
    assert trained(1) < trained(2) < trained(None)


def test_frozen_encoder_has_no_dropout_and_no_gradient():
    net = PretrainedClassifier(93, 3, TINY, trained_layers=0, dropout=0.0).train()
    torch.testing.assert_close(net(TOKENS), net(TOKENS))
    net(TOKENS).sum().backward()
    assert net.output.weight.grad is not None
    assert not PretrainedClassifier(93, 3, TINY, trained_layers=1).train().encoder(TOKENS).is_leaf


def test_a_trained_encoder_has_dropout():
    net = PretrainedEncoder(93, TINY)  # as it comes, without a call of train()
    assert not torch.equal(net(TOKENS), net(TOKENS))
    net.eval()
    assert torch.equal(net(TOKENS), net(TOKENS))


def test_lower_layers_learn_more_slowly():
    encoder = PretrainedEncoder(93, TINY, rate_decay=0.5)
    rates = {name: parameter.rate for name, parameter in encoder.named_parameters()}
    assert {rate for name, rate in rates.items() if "layer.1." in name} == {0.5}
    assert {rate for name, rate in rates.items() if "layer.0." in name} == {0.25}
    assert {rate for name, rate in rates.items() if "embeddings" in name} == {0.125}


def test_checkpoint_needs_no_model():
    torch.manual_seed(0)
    net = PretrainedClassifier(93, 3, TINY).eval()
    other = PretrainedClassifier(93, 3, "is/not/here")
    with pytest.raises(MisconfigurationException, match="no pretrained model is/not/here"):
        other(TOKENS)
    other.load_state_dict(net.state_dict())
    torch.testing.assert_close(other.eval()(TOKENS), net(TOKENS))


def test_padding_that_is_not_zero(tmp_path):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    torch.manual_seed(0)
    model = BertModel(BertConfig(vocab_size=20, pad_token_id=7, **sizes)).eval()
    model.save_pretrained(tmp_path)
    encoder = PretrainedEncoder(20, str(tmp_path)).eval()
    encoder.load_pretrained()
    theirs = torch.tensor([[2, 0, 3, 7]])  # their padding is 7, and 0 is a token
    ours = torch.tensor([[2, 7, 3, 0]])
    expected = model(theirs, attention_mask=torch.tensor([[1, 1, 1, 0]])).last_hidden_state
    torch.testing.assert_close(encoder(ours), expected)


def test_tokenizer_of_another_model():
    with pytest.raises(MisconfigurationException, match=r"the tokenizer has 94 tokens, but the model .* only 93"):
        PretrainedEncoder(94, TINY)


def test_making_and_loading_it_takes_no_random_numbers():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    encoder = PretrainedEncoder(93, TINY)
    first = torch.rand(1)
    encoder.load_pretrained()
    assert torch.equal(torch.cat([first, torch.rand(1)]), expected)


def test_a_missing_model_is_told_before_training():
    with pytest.raises(MisconfigurationException, match="no pretrained model is/not/here"):
        PretrainedEncoder(93, "is/not/here").load_pretrained()


def test_the_configuration_of_a_checkpoint_fetches_no_code(monkeypatch):
    state = PretrainedEncoder(93, TINY).get_extra_state()
    config = json.loads(bytes(state.tolist()))
    config |= {
        "attn_implementation": "someone/kernel",
        "_attn_implementation": "someone/kernel",
        "auto_map": {"a": "b"},
    }
    seen = []
    make = AutoConfig.for_model
    monkeypatch.setattr(AutoConfig, "for_model", lambda **values: seen.append(values) or make(**values))
    other = PretrainedEncoder(93, "is/not/here")
    other.set_extra_state(torch.tensor(list(json.dumps(config).encode()), dtype=torch.uint8))
    assert "someone/kernel" not in str(seen)
    assert "auto_map" not in seen[0]
    assert other.num_features == 8
    with pytest.raises(MisconfigurationException, match="does not say what the pretrained model is/not/here is like"):
        PretrainedEncoder(93, "is/not/here").set_extra_state(torch.tensor([123], dtype=torch.uint8))
