"""Texts to classify."""

import json
import warnings
from pathlib import Path

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.sampling import BatchIndices
from datamodules.text import SST2, TREC, HubTexts, TextFolder, TextTable
from datamodules.text.sources import Text, TextList
from datamodules.text.subwords import SubwordNgrams
from datamodules.tokens import Tokens
from datamodules.types import UNKNOWN, SubwordTokens
from modules.nets.text import TextCNN

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


def test_names_of_labels_are_those_of_the_hub(tmp_path, monkeypatch):
    import datasets

    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    moods = datasets.ClassLabel(names=["glad", "sad", "calm"])
    features = datasets.Features(
        {
            "text": datasets.Value("string"),
            "moods": datasets.Sequence(moods),
            "mood": moods,
            "like": datasets.Value("int64"),
        }
    )
    columns = {"text": [f"t {k}" for k in range(20)], "moods": [[0, 2], [], [1], [2]] * 5, "mood": [0, 1, 2, 0] * 5}
    (tmp_path / "set").mkdir()
    whole = datasets.Dataset.from_dict(columns | {"like": list(range(20))}, features)
    whole.to_parquet(str(tmp_path / "set" / "train.parquet"))
    options = {"test_split": None, "val_fraction": 0.25, "test_fraction": 0.25}
    data = HubTexts(str(tmp_path / "set"), target="moods", kind="labels", **options)
    data.setup("fit")
    assert data.facts.labels == ["calm", "glad", "sad"]
    found = [set(text.label) for split in ("train", "val", "test") for text in data.read(split)]
    assert sorted(map(sorted, found)) == sorted(map(sorted, [{"glad", "calm"}, set(), {"sad"}, {"calm"}] * 5))
    data = HubTexts(str(tmp_path / "set"), target="mood", **options)
    data.setup("fit")
    assert data.facts.classes == ["calm", "glad", "sad"]
    data = HubTexts(str(tmp_path / "set"), target="like", kind="number", **options)
    data.setup("fit")
    assert data.facts.targets == ["like"]


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


@pytest.mark.parametrize("options", [{}, {"ngrams": 50}])
def test_texts_that_are_cut_are_counted(table, tmp_path, options):
    data = table("text,label\n" + "one two three,a\none two three four five six,b\n" * 20, max_length=5, **options)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        data.setup("fit")
    said = [str(one.message) for one in told if "not read" in str(one.message)]
    assert len(said) == 1  # of training
    assert said[0].endswith("of 32 texts are longer than 5 tokens: what follows is not read (--data.max_length)")
    (tmp_path / "new.txt").write_text("one two three\none two three four five" + " " * 400 + "\n" + "one " * 99)
    data.ask(tmp_path / "new.txt")
    with pytest.warns(UserWarning, match="new.txt: 1 of 3 texts are longer than 5 tokens"):
        data.setup("predict")


def test_ngrams_are_of_words():
    with pytest.raises(MisconfigurationException, match="ngrams are of whole words"):
        TREC(tokenizer="bpe", ngrams=10)


SHORT = ["ok", "x", "\U0001f642", "", " ", "\0", "a\0b", "<pad>", "\ud83d", "e\u0301"]


@pytest.mark.parametrize("ngrams", [0, 50])
@pytest.mark.parametrize("batch_size", [1, 2, 20])
def test_short_and_strange_texts_are_texts(table, tmp_path, ngrams, batch_size):
    rows = "".join(f'"so good",a\n"{text}",b\n' for text in SHORT * 3)
    (tmp_path / "new.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in SHORT))
    data = table(
        ("text,label\n" + rows).encode("utf-8", "replace"),
        ngrams=ngrams,
        batch_size=batch_size,
        predict_path=str(tmp_path / "new.jsonl"),
    )
    data.setup("fit")
    data.setup("predict")
    net = TextCNN(data.facts.num_inputs, 2, size=4, num_filters=2)
    for split, num in (("train", 48), ("val", 6), ("predict", len(SHORT))):
        logits = torch.cat([net(inputs) for inputs, _ in data.loader(split)])
        assert logits.shape == (num, 2)
        assert logits.isfinite().all()
    assert [data.describe(i)["text"].encode("utf-8", "replace") for i in (2, 8)] == ["\U0001f642".encode(), b"?"]


def test_padding_written_in_a_text_ends_nothing(table):
    data = table("text,label\n" + "red green,b\nblue,a\n" * 10)
    data.setup("fit")
    written = data.examples(TextList("", [Text("red <pad> green", None, "", {})]), False).__getitems__(
        BatchIndices([0])
    )
    assert data.decode(written.inputs, [0]) == ["red green"]


def test_half_a_character_can_be_written_back(table, tmp_path):
    data = table("text,label\n" + "red,b\nblue,a\n" * 10, text="red \ud83d")
    data.setup("fit")
    data.setup("predict")
    path = data.write([{**data.describe(0), "class": "b"}], tmp_path)
    assert path.read_text(encoding="utf-8").splitlines()[1] == "red ?,b"


def test_predictions_keep_the_users_columns(table, tmp_path):
    (tmp_path / "new.csv").write_text("ticket;text;shop\n007;red;None\n008;;x\n")
    data = table("text,label\n" + "red green,b\nblue,a\n" * 10, predict_path=str(tmp_path / "new.csv"))
    data.setup("fit")
    data.setup("predict")
    assert data.describe(0) == {"ticket": "007", "text": "red", "shop": "None"}
    assert data.describe(1) == {"ticket": "008", "text": "", "shop": "x"}


@pytest.mark.parametrize("tokenizer", ["words", "wordpiece", "bpe"])
def test_text_without_spaces(table, tokenizer, recwarn):
    """Each character is a word, which is said; byte pairs find longer ones."""
    rows = ["\u6211\u559c\u6b22\u8fd9\u90e8\u7535\u5f71,a", "\u6620\u753b\u304c\u5acc\u3044,b"]
    data = table("text,label\n" + "\n".join(rows * 10) + "\n", tokenizer=tokenizer, num_tokens=400)
    data.setup("fit")
    tokens = Tokens(data.facts.tokenizer)
    (known,) = tokens.encode(["\u5f71\u559c\u6b22"])  # its characters occur, the text does not
    assert UNKNOWN not in known
    assert len(known) == 3 or tokenizer == "bpe"
    told = [str(warning.message) for warning in recwarn if "without spaces" in str(warning.message)]
    assert len(told) == (tokenizer != "bpe")
    assert all("each character is taken for a word; --data.tokenizer bpe" in sentence for sentence in told)


@pytest.mark.parametrize("ngrams", [0, 50])
def test_composed_characters_are_those_of_training(table, ngrams):
    """A Mac writes an accent after its letter; it is the same word, by its letters too."""
    data = table("text,label\n" + "caf\u00e9 noir,b\nth\u00e9,a\n" * 10, ngrams=ngrams)
    data.setup("fit")
    examples = data.examples(
        TextList("", [Text(text, None, "", {}) for text in ("Caf\u00e9", "cafe\u0301", "caf\u00e9s", "cafe\u0301s")]),
        train=False,
    )
    inputs = examples.__getitems__(BatchIndices(range(4))).inputs
    tokens = inputs if ngrams == 0 else inputs.subwords[inputs.tokens[:, 0]]
    assert torch.equal(tokens[0], tokens[1])
    assert torch.equal(tokens[2], tokens[3])


def test_words_that_join_the_vocabulary(table, tmp_path):
    (tmp_path / "v.txt").write_text("3 2\nred 1 2\nUnheard 1 2\nNew York 1 2\n")
    data = table("text,label\n" + "red green,b\nblue,a\n" * 10, extra_words=str(tmp_path / "v.txt"), ngrams=7)
    data.setup("fit")
    tokens = Tokens(data.facts.tokenizer)
    assert tokens.words[-1] == "unheard"  # as it is looked up; a word with a blank is none
    assert data.facts.num_inputs == len(tokens) + 7 == 4 + 3 + 1 + 7


def test_the_case_is_a_fact(table, tmp_path):
    """A later option does not change how words were looked up in training."""
    data = table("text,label\n" + "Red GREEN,b\nblue,a\n" * 10, ngrams=50)
    data.setup("fit")
    other = table("text,label\nzzz,a\nyyy,b\n", name="other.csv", lowercase=False, text="RED")
    other.load_state_dict(json.loads(json.dumps(data.state_dict())))
    data.text, data.predict_path = "red", "new.txt"
    with pytest.raises(MisconfigurationException, match=r"--data.text and --data.predict_path are both given"):
        data.setup("predict")
    data.predict_path = None
    for one in (data, other):
        one.setup("predict")
    first, second = (one.datasets["predict"].__getitems__(BatchIndices([0])).inputs for one in (data, other))
    assert torch.equal(first.subwords, second.subwords)


def test_forms_of_own_texts_that_the_config_names(leyden, tmp_path, monkeypatch):
    """The lines for a folder and for a dataset of the hub, as they stand in the config's header."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    config = Path(__file__).parents[3] / "configs" / "own" / "text.yaml"
    lines = [line.split() for line in config.read_text().splitlines() if "--data datamodules.text." in line]
    assert [line[6] for line in lines] == ["datamodules.text.TextFolder", "datamodules.text.HubTexts"]
    folder = tmp_path / "hub"
    folder.mkdir()
    rows = [json.dumps({"text": f"text {i}", "label": "ab"[i % 2]}) for i in range(20)]
    for split in ("train", "test"):
        (folder / f"{split}.jsonl").write_text("\n".join(rows))
    for line, path in zip(lines, (SAMPLES / "texts" / "by_class", folder), strict=True):
        words = ["--config", config, *line[5:-1], path, "--trainer.fast_dev_run", "1"]
        assert leyden("fit", *words) == 0


def test_no_column_of_texts_is_refused():
    with pytest.raises(MisconfigurationException, match="names 0 columns: give one, or two of a pair"):
        TextTable(path="t.csv", column=[])
