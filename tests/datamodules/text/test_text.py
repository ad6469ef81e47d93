"""Texts to classify."""

import json
from pathlib import Path

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.sampling import BatchIndices
from datamodules.text import SST2, TREC, HubTexts, TextFolder, TextTable
from datamodules.text.subwords import SubwordNgrams
from datamodules.tokens import Tokens
from datamodules.types import SubwordTokens

SAMPLES = Path(__file__).parents[2] / "samples"
TINY = str(SAMPLES / "sentence-transformers" / "all-MiniLM-L6-v2")


def texts_of(data, split):
    return [(text.text, text.label) for text in data.read(split)]


@pytest.fixture
def table(tmp_path):
    def write(content, name="t.csv", **options):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return TextTable(str(path), **options)

    return write


def test_splits_of_own_files(table, tmp_path):
    other = tmp_path / "test.csv"
    other.write_text("text,label\nonly this,a\n")
    data = table("text,label\n" + "x,a\ny,b\n" * 10, test_path=str(other), val_fraction=0.2)
    assert texts_of(data, "test") == [("only this", "a")]
    assert (len(texts_of(data, "train")), len(texts_of(data, "val"))) == (16, 4)


def test_folder_of_classes():
    data = TextFolder(str(SAMPLES / "texts" / "by_class"), val_fraction=0.2, test_fraction=0.2)
    data.setup("fit")
    assert data.facts.classes == ["negative", "positive"]
    assert data.facts.class_counts == [6, 6]


def test_dataset_that_hugging_face_reads(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "set"
    folder.mkdir()
    for split, rows in (("train", 12), ("test", 3)):
        lines = [json.dumps({"sentence": f"text {i}", "mood": "ab"[i % 2]}) for i in range(rows)]
        (folder / f"{split}.jsonl").write_text("\n".join(lines))
    data = HubTexts(str(folder), column="sentence", target="mood", val_fraction=0.25)
    data.setup("fit")
    assert texts_of(data, "test") == [("text 0", "a"), ("text 1", "b"), ("text 2", "a")]
    assert [len(texts_of(data, split)) for split in ("train", "val")] == [9, 3]
    with pytest.raises(MisconfigurationException, match="no column `text`; there are: sentence, mood"):
        HubTexts(str(folder), target="mood").read("train")


def test_batches_are_of_similar_length_and_padded_to_their_longest(table):
    rows = "".join(f"{' '.join(['word'] * (1 + i % 20))},{'ab'[i % 2]}\n" for i in range(200))
    data = table("text,label\n" + rows, batch_size=8, val_fraction=0.05, test_fraction=0.05)
    data.setup("fit")
    batches = list(data.loader("train"))
    spread = [int((tokens != 0).sum(1).max() - (tokens != 0).sum(1).min()) for tokens, _ in batches]
    assert sum(spread) / len(spread) < 3
    assert all((tokens != 0).any(0).all() for tokens, _ in batches)
    assert sum(len(target) for _, target in batches) == 180


def test_tokens_and_labels_are_right(table):
    data = table("text,label\n" + "red green,b\nblue,a\n" * 10, val_fraction=0.1, test_fraction=0.1)
    data.setup("fit")
    tokens, target = data.datasets["train"].__getitems__(BatchIndices(range(16)))
    for text, label in zip(Tokens(data.facts.tokenizer).decode(tokens.tolist()), target.tolist(), strict=True):
        assert (text, label) in {("red green", 1), ("blue", 0)}
    assert data.decode(tokens, [0]) == [Tokens(data.facts.tokenizer).decode(tokens[:1].tolist())[0]]


def test_ngrams_spell_the_same_words(table):
    data = table("text,label\n" + "red green,b\nblue,a\n" * 10, ngrams=50)
    data.setup("fit")
    (rows, spelling), _ = data.datasets["train"].__getitems__(BatchIndices(range(8)))
    tokens = Tokens(data.facts.tokenizer)
    assert data.facts.num_inputs == len(tokens) + 50
    assert spelling[0].tolist() == [0] * spelling.shape[1]
    reference = SubwordNgrams(tokens, 50)
    for row in spelling[1:]:
        ids = row[row != 0].tolist()
        assert ids == [ids[0], *reference.ngrams(tokens.words[ids[0]])]
    assert (rows == 0).sum() == sum(
        len(text.split()) == 1 for text in data.decode(SubwordTokens(rows, spelling), range(8))
    )


def test_ngrams_of_a_word():
    spelling = SubwordNgrams(Tokens.learn(["otter"]), 1000)
    import zlib

    grams = {"<ot", "ott", "tte", "ter", "er>", "<ott", "otte", "tter", "ter>", "<otte", "otter", "tter>"}
    assert sorted(spelling.ngrams("otter")) == sorted(5 + zlib.crc32(gram.encode()) % 1000 for gram in grams)


def test_pretrained_tokenizer():
    data = SST2(root=str(SAMPLES), tokenizer=TINY)
    data.setup("fit")
    assert data.facts.num_inputs == len(Tokens.pretrained(TINY))
    tokens, _ = data.datasets["val"].__getitems__(BatchIndices([0]))
    assert (tokens[0, 0], tokens[0, -1]) == (2, 3)  # [CLS] and [SEP]


def test_facts_come_from_the_checkpoint(table):
    data = table("text,label\n" + "red green,b\nblue,a\n" * 10, ngrams=50)
    data.setup("fit")
    other = table("text,label\nzzz,a\nyyy,b\n", name="other.csv", test_path=str(data.path))
    other.load_state_dict(json.loads(json.dumps(data.state_dict())))
    other.setup("test")
    assert other.facts.num_inputs == data.facts.num_inputs
    (_, spelling), _ = other.datasets["test"].__getitems__(BatchIndices(range(20)))
    assert spelling[:, 1:].max() >= len(Tokens(data.facts.tokenizer))


def test_predict_a_text_lines_and_a_table(table):
    data = table("text,label\n" + "red green,b\nblue,a\n" * 10, text="blue blue")
    data.setup("predict")
    assert len(data.datasets["predict"]) == 1
    assert data.describe(0) == {"text": "blue blue"}
    data.text, data.predict_path = None, str(SAMPLES / "texts" / "unlabelled.txt")
    data.setup("predict")
    assert [data.describe(i)["text"] for i in range(3)] == ["a warm film about the otter", "", "zzz qqq"]
    tokens, target = data.datasets["predict"].__getitems__(BatchIndices([1]))
    assert (tokens.tolist(), target) == ([[0]], None)
    data.predict_path = str(SAMPLES / "texts" / "reviews.jsonl")
    data.setup("predict")
    assert len(data.datasets["predict"]) == 40


def test_class_that_training_did_not_have(table, tmp_path):
    other = tmp_path / "val.csv"
    other.write_text("text,label\nx,a\ny,c\n")
    data = table("text,label\n" + "x,a\ny,b\n" * 10, val_path=str(other))
    with pytest.raises(MisconfigurationException, match=r"val.csv, line 3: the class `c` does not occur in training"):
        data.setup("fit")


def test_empty_texts_are_counted(table):
    data = table("text,label\n" + 'x,a\n"",b\n' * 10)
    with pytest.warns(UserWarning, match="8 of 16 texts are empty"):
        data.setup("fit")


def test_ngrams_are_of_words():
    with pytest.raises(MisconfigurationException, match="ngrams are of whole words"):
        TREC(tokenizer="bpe", ngrams=10)
