"""Plain text for word vectors."""

from pathlib import Path

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
    data.setup("predict")
    assert data.datasets["predict"].__getitems__(BatchIndices([0, 1])).tolist() == [data.facts.words.index("otter"), 0]
    assert data.describe(1) == {"word": "zzz"}


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
