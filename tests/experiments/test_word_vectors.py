"""Word vectors in and out, and the mistakes of a text classifier."""

from pathlib import Path

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.sampling import Draw
from datamodules.tagging import WNUT17
from experiments import load
from experiments.callbacks.word_vectors import read_vectors, write_vectors

SAMPLES = Path(__file__).parents[1] / "samples"

CONFIG = """
model:
  class_path: modules.classification.Classifier
  init_args: {net: {class_path: modules.nets.text.BagOfEmbeddings, init_args: {size: 4}}}
data:
  class_path: datamodules.text.TextTable
  init_args: {path: PATH, batch_size: 8}
trainer:
  max_epochs: 1
  callbacks+:
    - experiments.callbacks.averaging.EMA
    - class_path: experiments.callbacks.word_vectors.PretrainedVectors
      init_args: {path: VECTORS, frozen: true}
    - experiments.callbacks.word_vectors.TextMistakes
"""


def test_there_and_back(tmp_path):
    vectors = torch.randn(3, 5)
    write_vectors(tmp_path / "v.txt", ["the", "naïve", "3.5"], vectors)
    found = dict(read_vectors(tmp_path / "v.txt"))
    assert list(found) == ["the", "naïve", "3.5"]
    torch.testing.assert_close(torch.tensor(list(found.values())), vectors, atol=1e-5, rtol=1e-5)


def test_without_a_first_line_and_damaged(tmp_path):
    (tmp_path / "glove.txt").write_text("the 1 2\na 3 4\n")
    assert dict(read_vectors(tmp_path / "glove.txt")) == {"the": [1, 2], "a": [3, 4]}
    (tmp_path / "bad.txt").write_text("the 1 2\na 3 x\n")
    with pytest.raises(MisconfigurationException, match=r"bad.txt, line 2 is not a word and its vector"):
        list(read_vectors(tmp_path / "bad.txt"))
    with pytest.raises(MisconfigurationException, match="there are no word vectors at"):
        list(read_vectors(tmp_path / "none.txt"))


def fit(leyden, tmp_path, vectors, *words):
    (tmp_path / "v.txt").write_text(vectors)
    text = CONFIG.replace("PATH", str(SAMPLES / "texts" / "reviews.csv")).replace("VECTORS", str(tmp_path / "v.txt"))
    (tmp_path / "c.yaml").write_text(text)
    return leyden("fit", "--config", tmp_path / "c.yaml", *words)


def test_embedding_starts_from_vectors(leyden, tmp_path, monkeypatch):
    said: list[str] = []
    monkeypatch.setattr("experiments.callbacks.word_vectors.rank_zero_info", said.append)
    assert fit(leyden, tmp_path, "2 4\nfilm 1 2 3 4\nunheard 1 1 1 1\n") == 0
    task, data = load(tmp_path / "runs" / "c" / "0")
    from datamodules.tokens import Tokens

    row = Tokens(data.tokenizer).words.index("film")
    assert task.net.embedding.words.weight[row].tolist() == [1, 2, 3, 4]  # and it stayed frozen
    assert said[0].startswith(f"1 of {data.num_inputs} words have a vector")
    assert leyden("test", "--ckpt_path", tmp_path / "runs" / "c" / "0") == 0


@pytest.mark.parametrize("ngrams", [0, 50])
def test_words_of_the_vectors_join_the_vocabulary(leyden, tmp_path, ngrams):
    from datamodules.tokens import Tokens

    vectors = "film 1 2 3 4\nunheard 1 1 1 1\n"
    (tmp_path / "v.txt").write_text(vectors)
    extended = CONFIG.replace("frozen: true", "frozen: true, extend: true")
    text = extended.replace("PATH", str(SAMPLES / "texts" / "reviews.csv")).replace("VECTORS", str(tmp_path / "v.txt"))
    (tmp_path / "c.yaml").write_text(text)
    assert leyden("fit", "--config", tmp_path / "c.yaml", f"--data.ngrams={ngrams}", "--trainer.max_epochs=2") == 0
    run = tmp_path / "runs" / "c" / "0"
    task, data = load(run)
    words = Tokens(data.tokenizer).words
    assert words[-1] == "unheard"
    assert len(task.net.embedding.words.weight) == data.num_inputs == len(words) + ngrams
    assert task.net.embedding.words.weight[len(words) - 1].tolist() == [1, 1, 1, 1]
    (tmp_path / "v.txt").unlink()
    assert leyden("test", "--ckpt_path", run) == 0
    # Known to the trained network: another text than one whose words are all unknown.
    known, unknown = (
        float(task(data.examples(data.read_given(t), False).__getitems__(Draw([0]))[0]).detach()[0, 0])
        for t in ("unheard", "unheardof")
    )
    assert known != unknown


def test_words_join_only_a_vocabulary_of_words(leyden, tmp_path, capfd):
    (tmp_path / "v.txt").write_text("film 1 2 3 4\n")
    text = CONFIG.replace("frozen: true", "extend: true").replace("batch_size: 8", "tokenizer: bpe, num_tokens: 300")
    text = text.replace("PATH", str(SAMPLES / "texts" / "reviews.csv")).replace("VECTORS", str(tmp_path / "v.txt"))
    (tmp_path / "c.yaml").write_text(text)
    assert leyden("fit", "--config", tmp_path / "c.yaml") == 1
    assert "words cannot be added to the tokenizer bpe" in capfd.readouterr().err


def test_words_join_that_of_a_tagger_as_it_looks_them_up():
    data = WNUT17(str(SAMPLES))
    data.setup("fit")
    words, num = list(data.words), data.num_words
    data.add_words([words[0], "Unheard", "unheard", "1984"])
    assert data.words == [*words, "unheard", "0000"]
    assert data.num_words == num + 2
    assert data.word_counts[-2:] == [0, 0]


def test_vectors_that_do_not_fit(leyden, tmp_path, capfd):
    assert fit(leyden, tmp_path, "film 1 2 3\n") != 0
    assert "vectors of 3 numbers, but the network's embedding has 4" in capfd.readouterr().err
    assert fit(leyden, tmp_path, "unheard 1 2 3 4\n") != 0
    assert "none of the" in capfd.readouterr().err


def test_mistakes_are_shown(leyden, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fit(leyden, tmp_path, "film 1 2 3 4\n", "--data.val_fraction=0.5")
    board = EventAccumulator(str(tmp_path / "runs" / "c" / "0"), size_guidance={"tensors": 0})
    board.Reload()
    text = board.Tensors("val/mistakes/text_summary")[0].tensor_proto.string_val[0].decode()
    assert "| probability | predicted | true | text |" in text
    assert "film about the" in text
