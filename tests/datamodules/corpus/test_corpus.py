"""Plain text for word vectors."""

import gzip
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.corpus import Corpus, NLTKCorpora
from datamodules.corpus.examples import WordBlocks, WordStream
from datamodules.sampling import BatchIndices

SAMPLES = str(Path(__file__).parents[2] / "samples")


@pytest.fixture
def corpus(tmp_path):
    def write(text, **options):
        (tmp_path / "book.txt").write_text(text)
        data = Corpus(str(tmp_path / "book.txt"), root=SAMPLES, **{"min_count": 1, "subsample": 0, **options})
        data.setup("fit")
        return data

    return write


def test_words_in_order_of_frequency_and_lines_apart(corpus):
    data = corpus("The otter, the OTTER!\n\n -- \nthe plum's end", val_fraction=0.1, block=4)
    assert data.facts.words == ["", "the", "otter", "end", "plum's"]
    assert data.facts.word_counts == [0, 3, 2, 1, 1]
    train, val = data.datasets["train"], data.datasets["val"]
    stream = torch.cat([torch.from_numpy(train.words), torch.from_numpy(val.words)])
    assert stream.tolist() == [1, 2, 1, 2, 0, 1, 4, 3, 0]
    assert len(train.words) == 8  # two blocks of 4; the last, begun one is for validation
    assert train.__getitems__(BatchIndices([1, 0])).tolist() == [0, 1, 4, 3, 0, 1, 2, 1, 2, 0]


def test_rare_words_are_left_out(corpus):
    data = corpus("a b a b a rare b\n" * 2 + "once\n", min_count=4, block=2)
    assert data.facts.words == ["", "a", "b"]
    assert torch.from_numpy(data.datasets["train"].words).tolist()[:8] == [1, 2, 1, 2, 1, 2, 0, 1]


def test_paragraphs_go_on_over_lines(corpus):
    text = "one two\nthree\n\nfour\n"
    by_line = corpus(text, block=3)
    assert sum(word == 0 for word in by_line.datasets["train"].words) >= 2
    whole = corpus(text, boundary="paragraph", block=3)
    assert 0 not in whole.datasets["train"].words[:3]


def test_subsampling_is_as_wanted_and_repeatable():
    words = torch.tensor([1, 2] * 5000, dtype=torch.int32)
    blocks = WordBlocks(WordStream(words, torch.tensor([torch.inf, 0.3, 1.5])), 1000, seed=3)
    drawn = blocks.__getitems__(BatchIndices([4, 7], epoch=1))
    assert torch.equal(drawn, blocks.__getitems__(BatchIndices([4, 7], epoch=1)))
    assert not torch.equal(drawn, blocks.__getitems__(BatchIndices([4, 7], epoch=2)))
    first = blocks.__getitems__(BatchIndices([4], epoch=1))
    assert torch.equal(drawn[: len(first)], first)  # it does not matter what else is in the batch
    counts = np.bincount(blocks.__getitems__(BatchIndices(range(10))).numpy())
    assert counts[2] == 5000
    assert 1350 < counts[1] < 1650


def test_keeping_probability(corpus):
    data = corpus("the otter the plum the end the start\n" * 10, subsample=0.01, block=5)
    keep = data.datasets["train"].keep
    share = 0.5 / 0.01
    assert keep[data.facts.words.index("the")] == pytest.approx(share**-0.5 + 1 / share)
    assert torch.from_numpy(data.datasets["val"].keep).isinf().all()  # all words count in validation


def test_nltk_corpora():
    data = NLTKCorpora(root=SAMPLES, min_count=1)
    data.setup("fit")
    assert "café" in data.facts.words  # in latin-1
    assert "x" not in data.facts.words  # a tag of Brown
    assert "readme" not in data.facts.words


def test_no_such_corpus():
    with pytest.raises(MisconfigurationException, match=r"no corpus browm \(data.names\); there are: brown, "):
        NLTKCorpora(names=("browm",))


def test_questions_with_known_words():
    data = NLTKCorpora(root=SAMPLES, min_count=1)
    data.setup("test")
    asked = data.datasets["test"].__getitems__(BatchIndices([0]))
    (name, pairs, scores), _ = asked.similarity
    assert name == "wordsim353"
    assert len(pairs) == len(scores) == 8  # of 9: nobody knows zzz
    assert [data.facts.words[i] for i in pairs[0]] == ["lovely", "warm"]
    assert [data.facts.words[i] for i in asked.analogies[1]] == ["funny", "clumsy", "bright", "grey"]
    assert len(asked.analogies) == 2


def test_words_to_predict(tmp_path):
    data = NLTKCorpora(root=SAMPLES, min_count=1, predict_path=str(tmp_path / "words.txt"))
    (tmp_path / "words.txt").write_text("Otter\nzzz\n")
    with pytest.warns(
        UserWarning, match="1 of 2 words have no vector, such as `zzz`: the text has no such word 1 times"
    ):
        data.setup("predict")
    otter = data.facts.words.index("otter")
    assert data.datasets["predict"].__getitems__(BatchIndices([0, 1])).tolist() == [otter, 0]
    assert data.describe(1) == {"word": "zzz"}


@pytest.mark.parametrize("word", ["zzz", "", "the otter", "--"])
def test_an_unknown_word_is_answered_in_a_sentence(corpus, word):
    data = corpus("the otter the plum\n" * 9, block=5)
    data.text = word
    with pytest.raises(MisconfigurationException, match=f"`{word}` has no vector: the text has no such word 1 times"):
        data.setup("predict")


def test_text_without_spaces(corpus):
    """Each character is a word, which is said; nothing is lost."""
    with pytest.warns(UserWarning, match="without spaces, so each character is taken for a word"):
        data = corpus("\u6211\u559c\u6b22\u8fd9\u90e8\u7535\u5f71\u3002\n" * 4, block=4)
    assert len(data.facts.words) == 1 + 7
    assert data.datasets["train"].__getitems__(BatchIndices([0, 1])).count_nonzero() == 7


def test_composed_characters_and_marks_within_words(corpus):
    data = corpus("cafe\u0301 caf\u00e9 \u0939\u093f\u0928\u094d\u0926\u0940\n" * 4, block=4)
    assert data.facts.words == ["", "caf\u00e9", "\u0939\u093f\u0928\u094d\u0926\u0940"]


def test_a_word_a_line_has_no_neighbours(corpus):
    with pytest.raises(MisconfigurationException, match=r"no two known words stand in one line.*--data.boundary para"):
        corpus("one\ntwo\nthree\n" * 4, block=4)
    assert len(corpus("one\ntwo\nthree\n" * 4, block=4, boundary="paragraph").datasets["train"])
    with pytest.warns(UserWarning, match="of the validation text.*its loss is NaN"):
        corpus("one two\n" * 4 + "one\n" * 9, block=4)


def test_validation_has_more_than_a_block_that_hardly_began(corpus):
    data = corpus("one two " * 100, block=20)  # and the end of the line makes another block
    assert [len(data.datasets[split].words) for split in ("train", "val")] == [180, 21]


def test_no_word_of_the_lists_is_known(corpus):
    data = corpus("uno due tre\n" * 9, block=5)
    with pytest.warns(UserWarning, match="no vectors of the English words.*--data.word_lists false"):
        data.setup("test")


def test_packed_and_hidden_files(tmp_path):
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress("the plum\n".encode("utf-16"), mtime=0))
    for name, text in (("a.txt", "the otter\n" * 5), ("empty.txt", ""), (".hidden.txt", "no no\n"), ("x.md", "no\n")):
        (tmp_path / name).write_text(text)
    data = Corpus(str(tmp_path), min_count=1, block=3, subsample=0)
    data.setup("fit")
    assert data.facts.words == ["", "the", "otter", "plum"]
    (tmp_path / "c.txt").write_bytes(b"fine\ncaf\xe9\n")
    data = Corpus(str(tmp_path), min_count=1, block=3, on_error="skip")
    with pytest.warns(UserWarning, match=r"left out 1 of 3 files; the first: .*c.txt, line 2"):
        data.setup("fit")


def test_word_lists_are_fetched_for_a_test_only(tmp_path, monkeypatch):
    fetched = []
    monkeypatch.setattr("datamodules.corpus.word_lists.fetch", lambda url, path, checksum: fetched.append(path.name))
    (tmp_path / "book.txt").write_text("the otter\n")
    data = Corpus(str(tmp_path / "book.txt"), root=str(tmp_path))
    data.trainer = SimpleNamespace(testing=False)
    data.prepare_data()
    assert fetched == []
    data.trainer.testing = True
    data.prepare_data()
    assert fetched == ["wordsim353.tsv", "simlex999.txt", "questions-words.txt"]
    fetched.clear()
    data.word_lists = False
    data.prepare_data()
    assert fetched == []


def test_without_a_network_the_sentence_names_the_option(tmp_path, monkeypatch):
    def no_network(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    with pytest.raises(MisconfigurationException, match=r"could not fetch .*; or test .* --data.word_lists false"):
        Corpus("book.txt", root=str(tmp_path)).prepare_data()


def test_tests_on_text_without_word_lists(corpus):
    data = corpus("the otter the plum\n" * 9, block=5, word_lists=False)
    data.setup("test")
    assert torch.equal(torch.from_numpy(data.datasets["test"].words), torch.from_numpy(data.datasets["val"].words))


@pytest.mark.parametrize("option", [{"min_count": 0}, {"block": 0}, {"subsample": -1.0}, {"val_fraction": 0.0}])
def test_options_out_of_range(option):
    with pytest.raises(MisconfigurationException, match=f"data.{next(iter(option))} is"):
        Corpus("book.txt", **option)


def test_nothing_to_learn_from(corpus, tmp_path):
    with pytest.raises(MisconfigurationException, match="1 of 3 words occur 2 times or more"):
        corpus("one one two three", min_count=2)
    with pytest.raises(MisconfigurationException, match="do not fill two blocks"):
        corpus("one two three", block=500)
    with pytest.raises(MisconfigurationException, match="there is no text at"):
        Corpus(str(tmp_path / "nowhere")).setup("fit")
    (tmp_path / "bad.txt").write_bytes(b"fine\ncaf\xe9\n")
    with pytest.raises(MisconfigurationException, match=r"bad.txt, line 2: byte 0xe9 is not UTF-8"):
        Corpus(str(tmp_path / "bad.txt")).setup("fit")
