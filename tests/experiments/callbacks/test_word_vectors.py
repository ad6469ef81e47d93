"""Word vectors in and out."""

from pathlib import Path

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.sampling import BatchIndices
from datamodules.tagging import UniversalDependencies
from datamodules.tokens import Tokens
from datamodules.types import ClassFacts, CorpusFacts, TaggingFacts
from datamodules.vectors import read_vectors
from experiments import load
from experiments.callbacks.word_vectors import matching, vocabulary

SAMPLES = Path(__file__).parents[2] / "samples"

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
"""


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
    row = Tokens(data.facts.tokenizer).words.index("film")
    assert task.net.embedding.words.weight[row].tolist() == [1, 2, 3, 4]  # and it stayed frozen
    assert said[0].startswith(f"1 of {data.facts.num_inputs} words have a vector")
    assert leyden("test", "--ckpt_path", tmp_path / "runs" / "c" / "0") == 0


@pytest.mark.parametrize("ngrams", [0, 50])
def test_words_of_the_vectors_join_the_vocabulary(leyden, tmp_path, ngrams):
    vectors = "film 1 2 3 4\nunheard 1 1 1 1\n"
    options = [f"--data.ngrams={ngrams}", f"--data.extra_words={tmp_path / 'v.txt'}", "--trainer.max_epochs=2"]
    assert fit(leyden, tmp_path, vectors, *options) == 0
    run = tmp_path / "runs" / "c" / "0"
    task, data = load(run)
    words = Tokens(data.facts.tokenizer).words
    assert words[-1] == "unheard"
    assert len(task.net.embedding.words.weight) == data.facts.num_inputs == len(words) + ngrams
    assert task.net.embedding.words.weight[len(words) - 1].tolist() == [1, 1, 1, 1]
    (tmp_path / "v.txt").unlink()
    assert leyden("test", "--ckpt_path", run) == 0
    # Known to the trained network: another text than one whose words are all unknown.
    known, unknown = (
        float(task(data.examples(data.read_given(t), False).__getitems__(BatchIndices([0]))[0]).detach()[0, 0])
        for t in ("unheard", "unheardof")
    )
    assert known != unknown


def test_words_join_only_a_vocabulary_of_words(leyden, tmp_path, capfd):
    words = [f"--data.extra_words={tmp_path / 'v.txt'}", "--data.tokenizer=bpe", "--data.num_tokens=300"]
    assert fit(leyden, tmp_path, "film 1 2 3 4\n", *words) != 0
    assert "words cannot be added to the tokenizer bpe" in capfd.readouterr().err


def test_the_first_vector_of_a_word_counts_and_padding_has_none():
    vectors = [("a", [1.0]), ("<pad>", [9.0]), ("b", [2.0]), ("a", [3.0]), ("c", [4.0])]
    assert matching(vectors, ["<pad>", "<unk>", "b", "a"], 1, Path("v.txt")) == {3: [1.0], 2: [2.0]}


def test_rows_of_an_embedding_by_the_facts():
    assert vocabulary(CorpusFacts(words=["", "the"], word_counts=[0, 1])) == ["", "the"]
    tagging = TaggingFacts(tags=[], scheme="", words=["the"], word_counts=[1], chars=[], shapes=[], tokenizer="")
    assert vocabulary(tagging) == ["", "", "the"]  # its ids start at 2
    with pytest.raises(MisconfigurationException, match="word vectors are of words, and the data has classes"):
        vocabulary(ClassFacts(classes=["a", "b"], class_counts=[1, 1], num_inputs=1))


def test_a_tagger_starts_from_vectors(leyden, tmp_path):
    """The embedding of a tagger has two rows before those of its words."""
    data = UniversalDependencies(root=str(SAMPLES))
    data.setup("fit")
    first, second = data.facts.words[:2]
    (tmp_path / "v.txt").write_text(f"{first} 1 2 3 4\n{second} 5 6 7 8\n")
    (tmp_path / "t.yaml").write_text(f"""
model:
  class_path: modules.tagging.Tagger
  init_args: {{net: {{class_path: modules.nets.tagging.BiLSTMTagger, init_args: {{word_size: 4, hidden: 4}}}}}}
data: {{class_path: datamodules.tagging.UniversalDependencies, init_args: {{root: {SAMPLES}, batch_size: 8}}}}
trainer:
  max_epochs: 1
  callbacks+:
    - class_path: experiments.callbacks.word_vectors.PretrainedVectors
      init_args: {{path: {tmp_path / "v.txt"}, frozen: true}}
""")
    assert leyden("fit", "--config", tmp_path / "t.yaml") == 0
    task, _ = load(tmp_path / "runs" / "t" / "0")
    assert task.net.words.weight[2:4].tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_words_that_hold_blanks(leyden, tmp_path):
    """The other words of such a file get their vectors."""
    vectors = "film 1 2 3 4\n. . . 0 0 0 0\nat name@example.com 0 0 0 1\n"
    assert fit(leyden, tmp_path, vectors) == 0
    task, data = load(tmp_path / "runs" / "c" / "0")
    row = Tokens(data.facts.tokenizer).words.index("film")
    assert task.net.embedding.words.weight[row].tolist() == [1, 2, 3, 4]
    assert len(list(read_vectors(tmp_path / "v.txt"))) == 3


def test_vectors_that_do_not_fit(leyden, tmp_path, capfd):
    assert fit(leyden, tmp_path, "film 1 2 3\n") != 0
    assert "vectors of 3 numbers, but the network's embedding has 4" in capfd.readouterr().err
    assert fit(leyden, tmp_path, "unheard 1 2 3 4\n") != 0
    assert "none of the" in capfd.readouterr().err
