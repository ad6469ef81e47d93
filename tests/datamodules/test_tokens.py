"""Tokenizers."""

import pickle
from pathlib import Path

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.text.examples import encode
from datamodules.tokens import BEGIN, BLANK, END, PAD, UNKNOWN, Tokens, find_words, num_unspaced

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


def test_pairs_are_encoded_without_parsing_the_tokenizer_for_each(monkeypatch):
    tokens = Tokens.pretrained(TINY)
    assert tokens.is_pretrained
    assert len(tokens) > 0
    monkeypatch.setattr("datamodules.tokens.json.loads", lambda text: pytest.fail("it was parsed again"))
    assert len(list(encode(iter([("a", "b")] * 3), tokens, None, 9, []))) == 3


def test_a_decoded_text_shows_where_a_word_has_no_token():
    tokens = Tokens.learn(TEXTS)
    (ids,) = tokens.encode(["the zebra zebra bark zebra"])
    assert tokens.decode([[BEGIN, *ids, END, PAD], []]) == ["the \ufffd bark \ufffd", ""]
    pretrained = Tokens.pretrained(TINY)
    assert "\ufffd" in pretrained.decode(pretrained.encode(["a cat \u0e01\u0e02"]))[0]


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


def test_what_is_cut_is_counted():
    tokens = Tokens.learn(TEXTS)
    assert not tokens.is_cut("the dog's bark", 3)
    assert tokens.is_cut("the dog's bark it", 3)
    assert tokens.is_cut(("the dog's", "bark it"), 4)  # which has a token between
    assert tokens.is_cut("the" + " " * 300 + "bark", 3)
    assert not tokens.is_cut("the bark it" + " " * 300, 3)
    pretrained = Tokens.pretrained(TINY)
    length = len(pretrained.encode(["a cat"])[0])  # with the tokens that it adds
    assert not pretrained.is_cut("a cat", length)
    assert pretrained.is_cut("a cat", length - 1)
    for some in (tokens, pretrained):
        some.num_cut = 0
        some.encode(["a", "the dog's bark it sees"], 3)
        list(some.encode_pairs([("a", "the dog's bark it sees")], 5))
        some.encode_surface(["the dog's bark it sees"], 4)
        assert some.num_cut == 3


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
    (composed,) = tokens.encode_surface(["nai\u0308ve"])
    assert composed == [(tokens.words.index("na\u00efve"), "na\u00efve")]


def test_words_as_they_are_written():
    """With the words that each token is of, whatever the pieces."""
    text = "The otters, nai\u0308ve \U0001f9a6 cafe\u0301"
    words = ["The", "otters", ",", "na\u00efve", "\U0001f9a6", "caf\u00e9"]
    for tokens in (Tokens.learn(TEXTS), Tokens.learn(TEXTS, "bpe", 280), Tokens.learn(TEXTS, "wordpiece", 40)):
        ((found, owners),) = tokens.written_words([text])
        assert found == words
        assert owners == sorted(owners)
        assert set(owners) == set(range(6))
        assert len(owners) == len(tokens.encode([text])[0])
    ((found, owners),) = tokens.written_words([("The otter", "a bird")])
    assert found == ["The", "otter", "a", "bird"]
    assert owners.count(-1) == 1  # between the two
    assert Tokens.learn(TEXTS, "bpe", 280).written_words(["the "])[0][0] == ["the", BLANK]
    assert Tokens.learn(TEXTS).written_words(["the otter", ""], 1) == [(["the"], [0]), ([], [])]


def test_scripts_without_spaces_are_read_by_character():
    text = "\u6211\u6709iPhone-8\u3001\u0e01\u0e32"
    assert find_words(text) == ["\u6211", "\u6709", "iPhone-8", "\u0e01", "\u0e32"]
    assert num_unspaced(text) == 4
    tokens = Tokens.learn([text])
    assert [tokens.words[i] for i in tokens.encode([text])[0]] == [
        "\u6211", "\u6709", "iphone-8", "\u3001", "\u0e01", "\u0e32",
    ]  # fmt: skip


def test_a_long_line_without_spaces_is_not_one_unknown_word():
    line = "\u6211\u6709\u4eba" * 60  # word pieces make one unknown of a word of more than 100 characters
    (ids,) = Tokens.learn([line], "wordpiece", size=100).encode([line])
    assert len(ids) == 180
    assert UNKNOWN not in ids


def test_words_of_running_text():
    assert find_words("The otter's K-19 -- 'tis rock-'n'-roll, naïve") == [
        "The", "otter's", "K-19", "tis", "rock", "n", "roll", "naïve",
    ]  # fmt: skip
    assert find_words("cafe\u0301 don\u2019t") == ["caf\u00e9", "don\u2019t"]
    assert find_words("\u0939\u093f\u0928\u094d\u0926\u0940 \u092d\u093e\u0937\u093e\u0964") == [
        "\u0939\u093f\u0928\u094d\u0926\u0940", "\u092d\u093e\u0937\u093e",
    ]  # fmt: skip


def test_more_words():
    tokens = Tokens.learn(TEXTS)
    more = tokens.extended(["Zebra", "the", "New York", ". . .", "zebra", "\u6211\u6709", "nai\u0308f"])
    assert more.words == [*tokens.words, "zebra", "na\u00eff"]
    assert tokens.encode(["zebra"]) == [[UNKNOWN]]
    assert more.encode(["Zebra"]) == [[len(tokens)]]


@pytest.mark.parametrize("kind", ["words", "bpe", "wordpiece"])
def test_what_cannot_be_read(kind):
    """The token of padding written in a text is nothing; half a character is a character that cannot be read."""
    tokens = Tokens.learn(TEXTS, kind, size=400)
    assert tokens.encode(["the <pad> otter"]) == tokens.encode(["the  otter"])
    assert PAD not in tokens.encode(["the <pad> \ud83d otter"])[0]
    if kind == "words":
        assert tokens.encode_surface(["the <pad> otter"]) == tokens.encode_surface(["the otter"])
