"""Tokenizers."""

import pickle
from pathlib import Path

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.tokens import BEGIN, END, PAD, UNKNOWN, Tokens

TEXTS = ["The dog's bark, don\u2019t it?", "the otter does n't bark ... 's", "naïve K-19 the"]
TINY = str(Path(__file__).parents[1] / "samples" / "sentence-transformers" / "all-MiniLM-L6-v2")


def test_words_by_frequency_and_as_they_are_tokenized():
    tokens = Tokens.learn(TEXTS)
    assert tokens.words[:6] == ["<pad>", "<unk>", "<bos>", "<eos>", "the", "bark"]
    (ids,) = tokens.encode(["The dog's bark, don\u2019t it?"])
    assert [tokens.words[i] for i in ids] == ["the", "dog's", "bark", ",", "don\u2019t", "it", "?"]
    # Text that is tokenized stays as it is.
    assert [tokens.words[i] for i in tokens.encode([TEXTS[1]])[0]] == TEXTS[1].split()
    assert tokens.encode(["zebra", "", " \n"]) == [[UNKNOWN], [], []]


def test_min_count_size_and_case():
    assert Tokens.learn(TEXTS, min_count=2).words[4:] == ["the", "bark"]
    assert len(Tokens.learn(TEXTS, size=6)) == 6
    assert "The" in Tokens.learn(TEXTS, lowercase=False).words


@pytest.mark.parametrize("kind", ["bpe", "wordpiece"])
def test_subwords(kind):
    tokens = Tokens.learn(TEXTS * 5, kind, size=400)
    assert tuple(tokens.words.index(word) for word in ("<pad>", "<bos>", "<eos>")) == (PAD, BEGIN, END)
    assert tokens.decode(tokens.encode(["the otter"])) == ["the otter"]
    (pieces,) = tokens.encode(["dogbark"])
    assert len(pieces) > 1
    assert UNKNOWN not in pieces


def test_bytes_know_everything():
    tokens = Tokens.learn(TEXTS, "bpe", size=300, lowercase=False)
    text = "Ünknown ☃ 漢字"
    ids = tokens.encode([text])
    assert UNKNOWN not in ids[0]
    assert tokens.decode([[BEGIN, *ids[0], END, PAD, PAD]]) == [text]


@pytest.mark.parametrize("kind", ["words", "bpe", "wordpiece"])
def test_learning_is_repeatable(kind):
    fitted = {Tokens.learn(iter(TEXTS * 3), kind, size=320).json for _ in range(4)}
    assert len(fitted) == 1


@pytest.mark.parametrize("kind", ["words", "bpe", "wordpiece"])
def test_json_and_pickle_are_the_whole_of_it(kind):
    tokens = Tokens.learn(TEXTS, kind, size=400)
    tokens.encode(TEXTS)
    for other in (Tokens(tokens.json), pickle.loads(pickle.dumps(tokens))):
        assert other.encode(TEXTS) == tokens.encode(TEXTS)
        assert other.words == tokens.words


def test_words_that_begin_nowhere():
    tokens = Tokens.pretrained(TINY)
    ((ids, first),) = tokens.encode_words([["abc", "\u200b", "d"]])
    assert [tokens.words[i] for i in ids] == ["[CLS]", "a", "##b", "##c", "d", "[SEP]"]
    assert first == [1, -1, 4]
    ((ids, first),) = tokens.encode_words([["abc", "d", "e"]], max_length=4)
    assert (len(ids), first) == (4, [1, -1, -1])


def test_cut_and_pretrained_limit():
    tokens = Tokens.pretrained(TINY)
    assert tokens.max_length == 64
    assert len(tokens.encode(["a " * 1000])[0]) == 64
    (ids,) = tokens.encode(["a b c d e f"], max_length=4)
    assert [tokens.words[i] for i in ids] == ["[CLS]", "a", "b", "[SEP]"]  # its special tokens stay
    assert len(tokens.encode(["a b c"])[0]) == 5  # the limit is gone again


def test_padding_that_is_not_zero_is_exchanged(tmp_path):
    from transformers import PreTrainedTokenizerFast

    PreTrainedTokenizerFast.from_pretrained(TINY, pad_token="c", local_files_only=True).save_pretrained(tmp_path)
    tokens, plain = Tokens.pretrained(str(tmp_path)), Tokens.pretrained(TINY)
    pad = plain.words.index("c")
    assert tokens.words[0] == "c"
    assert tokens.words[pad] == "[PAD]"
    assert tokens.encode(["c"])[0][1] == 0
    assert tokens.encode(["ab"]) == plain.encode(["ab"])


def test_no_such_pretrained_tokenizer(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MisconfigurationException, match="no tokenizer of a pretrained model at no/such/folder"):
        Tokens.pretrained("no/such/folder")


def test_surface():
    tokens = Tokens.learn(TEXTS)
    (pairs,) = tokens.encode_surface(["The Zebra"])
    assert pairs == [(4, "The"), (UNKNOWN, "Zebra")]
