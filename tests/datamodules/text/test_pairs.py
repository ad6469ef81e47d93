"""Pairs of texts: as one text with a token between them, or as a pretrained tokenizer encodes pairs."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from transformers import AutoModel, AutoTokenizer

from datamodules.sampling import BatchIndices
from datamodules.text import TextTable
from datamodules.tokens import Tokens
from datamodules.types import END, SegmentTokens
from modules.nets.pretrained import PretrainedClassifier
from modules.nets.text import TextCNN, TextRNN

SAMPLES = Path(__file__).parents[2] / "samples"
TINY = str(SAMPLES / "sentence-transformers" / "all-MiniLM-L6-v2")
PAIRS = [("the otter sings", "it sings"), ("a", "the heron swims, and the otter sleeps"), ("", "it")]


def pairs(**options):
    data = TextTable(str(SAMPLES / "texts" / "pairs.csv"), column=["premise", "hypothesis"], **options)
    data.setup("fit")
    return data


def encoded(data, texts):
    data.ask(texts)
    data.setup("predict")
    examples = data.datasets["predict"]
    return examples.__getitems__(BatchIndices(range(len(examples)))).inputs


def test_a_fitted_tokenizer_has_a_token_between_the_texts():
    data = pairs()
    tokens = Tokens(data.facts.tokenizer)
    expected = [tokens.encode([a])[0] + [END] + tokens.encode([b])[0] for a, b in PAIRS]
    inputs = encoded(data, PAIRS)
    assert [[token for token in row if token] for row in inputs.tolist()] == expected


def test_words_with_ngrams_have_it_too():
    data, plain = pairs(ngrams=50), pairs()
    inputs, tokens = encoded(data, PAIRS), encoded(plain, PAIRS)
    words = inputs.subwords[inputs.tokens]  # (batch, length, 1 + n-grams)
    assert words[:, :, 0].equal(tokens)
    between = words[words[:, :, 0] == END]
    assert len(between) == len(PAIRS)
    assert not between[:, 1:].any()  # it has no letters
    assert words[0, 0, 1:].any()


def test_a_pretrained_tokenizer_encodes_pairs_as_its_model_knows_them():
    data = pairs(tokenizer=TINY)
    inputs = encoded(data, PAIRS)
    assert isinstance(inputs, SegmentTokens)
    own = AutoTokenizer.from_pretrained(TINY)(
        *map(list, zip(*PAIRS, strict=True)), padding=True, return_tensors="pt", return_token_type_ids=True
    )
    mask = own["attention_mask"].bool()
    assert (inputs.tokens != 0).equal(mask)
    assert inputs.tokens[mask].equal(own["input_ids"][mask])
    assert inputs.segments.equal(own["token_type_ids"])
    net = PretrainedClassifier(data.facts.num_inputs, 2, TINY).eval()
    net.encoder.load_pretrained()
    model = AutoModel.from_pretrained(TINY).eval()
    with torch.no_grad():
        states = model(**own).last_hidden_state * mask[:, :, None]
        expected = net.output(states.sum(1) / mask.sum(1, keepdim=True))
        torch.testing.assert_close(net(inputs), expected, atol=1e-5, rtol=1e-5)
        assert not torch.allclose(net(inputs), net(inputs.tokens))  # the segments say something


@pytest.mark.parametrize("options", [{}, {"tokenizer": TINY}, {"ngrams": 50}])
@pytest.mark.parametrize("net", [TextCNN, TextRNN])
def test_what_is_said_of_a_pair_does_not_depend_on_its_batch(options, net):
    data = pairs(**options)
    torch.manual_seed(0)
    made = net(data.facts.num_inputs, 2, size=8).eval()
    together = made(encoded(data, PAIRS))
    alone = torch.cat([made(encoded(data, [pair])) for pair in PAIRS])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("options", [{}, {"tokenizer": TINY}, {"ngrams": 50}])
def test_of_a_long_pair_the_longer_text_is_cut(options):
    data = pairs(max_length=30, **options)
    inputs = encoded(data, [("otter " * 40, "it sings")])
    tokens = inputs if isinstance(inputs, torch.Tensor) else inputs.tokens
    assert tokens.shape == (1, 30)
    second = data.decode(encoded(data, [("", "it sings")]), [0])[0]
    assert data.decode(inputs, [0])[0].endswith(second)


def test_pairs_come_from_tables_and_tuples():
    data = pairs()
    alone = encoded(data, PAIRS[0])
    assert encoded(data, [{"premise": PAIRS[0][0], "hypothesis": PAIRS[0][1], "more": 1}]).equal(alone)
    assert data.describe(0)["more"] == 1
    data.predict_path, data.objects = str(SAMPLES / "texts" / "pairs.csv"), None
    data.setup("predict")
    assert len(data.datasets["predict"]) == 40
    scored = data.read_labelled([(PAIRS[0], "same"), (PAIRS[1], "other")])
    assert [(text.parts, text.label) for text in scored] == [(PAIRS[0], "same"), (PAIRS[1], "other")]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("one text", "a pair of texts is not one text: give --data.predict_path a table with the columns premise and"),
        ([("a", "b", "c")], "is not a text for each of premise, hypothesis"),
        ([{"premise": "a"}], "has no column `hypothesis`"),
        (SAMPLES / "texts" / "unlabelled.txt", r"unlabelled.txt holds no pairs of texts: give --data.predict_path"),
    ],
)
def test_what_is_no_pair_is_refused(given, message):
    data = pairs()
    with pytest.raises(MisconfigurationException, match=message):
        encoded(data, given)


def test_three_columns_are_no_pair():
    with pytest.raises(MisconfigurationException, match=r"data.column names 3 columns: give one, or two of a pair"):
        TextTable("t.csv", column=["a", "b", "c"])
