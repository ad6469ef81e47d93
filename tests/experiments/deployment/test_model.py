"""A trained model in Python says what ``leyden predict`` writes, of files and of objects in memory alike."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from PIL import Image

from experiments import load
from experiments.deployment.model import Model

CONFIGS = Path(__file__).parents[3] / "configs"


@pytest.fixture
def trained(samples: Path, leyden: Callable[..., int]) -> Callable[..., Model]:
    """Trains a config for a few batches on the samples; ``Model``."""

    def train(config: str, *words: str) -> Model:
        files = [f"--config={CONFIGS / config}.yaml", f"--config={CONFIGS / 'trainer' / 'debug.yaml'}"]
        assert leyden("fit", *files, "--name=run", *words) == 0
        return load("runs/run/0")

    return train


@pytest.fixture
def predicted(leyden: Callable[..., int]) -> Callable[..., pd.DataFrame]:
    """What ``leyden predict`` writes."""

    def predict(path: str, *words: str) -> pd.DataFrame:
        assert leyden("predict", "--ckpt_path=runs/run/0", f"--data.predict_path={path}", *words) == 0
        return pd.read_csv("runs/run/0/predictions.csv", dtype=str, keep_default_na=False)

    return predict


def as_written(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame as a CSV file gives it back."""
    frame.to_csv("again.csv", index=False)
    return pd.read_csv("again.csv", dtype=str, keep_default_na=False)


def test_table(trained: Callable[..., Model], predicted: Callable[..., pd.DataFrame]) -> None:
    model = trained("own/tabular_classification", "--data.path=tables/people.csv", "--data.target=city")
    written = predicted("tables/people.csv")
    found = model.predict("tables/people.csv")
    pd.testing.assert_frame_equal(as_written(found), written)
    assert found["probability"].dtype == "float64"

    people = pd.read_csv("tables/people.csv").set_index("id", drop=False).rename_axis("person")
    of_frame = model.predict(people.drop(columns="city"))
    assert list(of_frame.index) == list(people.index)
    assert of_frame["prediction"].tolist() == found["prediction"].tolist()
    assert of_frame["probability"].tolist() == found["probability"].tolist()
    assert list(of_frame) == [name for name in written if name != "city"]
    rows = people.to_dict("records")
    assert model.predict(rows)["probability"].tolist() == found["probability"].tolist()
    assert model.predict(rows[3])["probability"].tolist() == pytest.approx([found["probability"][3]], abs=1e-5)

    with pytest.raises(MisconfigurationException, match=r"the table has no column `age`"):
        model.predict(people.drop(columns="age"))
    with pytest.raises(MisconfigurationException, match="a ndarray is no table: give a DataFrame"):
        model.predict(people.to_numpy())
    for size in (0, 2.5):
        with pytest.raises(MisconfigurationException, match=rf"batch_size is {size}; it must be a whole number"):
            model.predict(people, batch_size=size)
    with pytest.raises(MisconfigurationException, match=r"there is no such file or folder"):
        model.predict("nowhere.csv")
    for nothing in (None, [], {}, ()):
        with pytest.raises(MisconfigurationException, match="there is nothing to predict: no inputs"):
            model.predict(nothing)


def test_empty_texts_and_missing_words_of_a_frame_are_those_of_a_file(trained: Callable[..., Model]) -> None:
    text = "a,kind,y\n1,x,1.5\n?,y,2\n3,,3.5\n4,x,4\n5,?,5\n" + "".join(f"{k},x,{k}\n" for k in range(6, 40))
    Path("t.csv").write_text(text)
    model = trained("own/regression", "--data.path=t.csv", "--data.target=y", "--data.missing=['?']")
    table = pd.DataFrame({"a": [1, "?", 3, 4, 5], "kind": ["x", "y", "", None, "?"]})
    Path("few.csv").write_text("a,kind\n1,x\n?,y\n3,\n4,\n5,?\n")
    assert model.predict(table)["prediction"].tolist() == model.predict("few.csv")["prediction"].tolist()
    scores = model.score("t.csv")
    assert model.score(pd.read_csv("t.csv")) == scores
    assert set(scores) == {"loss", "mae", "rmse", "r2"}
    answers = model.predict("t.csv")
    truth = pd.read_csv("t.csv")["y"]
    assert scores["mae"] == pytest.approx((answers["prediction"] - truth).abs().mean(), rel=1e-5)


def test_texts(trained: Callable[..., Model], predicted: Callable[..., pd.DataFrame]) -> None:
    model = trained("own/text", "--data.path=texts/reviews.csv")
    written = predicted("texts/unlabelled.txt")
    lines = Path("texts/unlabelled.txt").read_text().splitlines()
    for inputs in (Path("texts/unlabelled.txt"), lines, pd.DataFrame({"text": lines}), pd.Series(lines)):
        pd.testing.assert_frame_equal(as_written(model.predict(inputs)), written)
    assert model.predict(lines[0])["text"].tolist() == lines[:1]
    table = pd.DataFrame({"number": range(len(lines)), "text": lines}, index=[f"row {k}" for k in range(len(lines))])
    assert list(model.predict(table).columns[:2]) == ["number", "text"]
    with pytest.raises(MisconfigurationException, match=r"is a text, and there is a file of that name: say pathlib"):
        model.predict("texts/unlabelled.txt")
    with pytest.raises(MisconfigurationException, match="input 1 is a int, not a text: 3"):
        model.predict(["a", 3])
    with pytest.raises(MisconfigurationException, match="there is nothing to predict"):
        model.predict([])
    reviews = pd.read_csv("texts/reviews.csv")
    scores = model.score("texts/reviews.csv")
    assert model.score(reviews) == scores
    assert model.score(list(zip(reviews["text"], reviews["label"], strict=True))) == scores


def test_images(trained: Callable[..., Model], predicted: Callable[..., pd.DataFrame]) -> None:
    model = trained("own/images_from_scratch", "--data.path=my_images")
    written = predicted("my_images/cat")
    found = model.predict("my_images/cat")
    pd.testing.assert_frame_equal(as_written(found), written)
    paths = list(found["path"])
    opened = [Image.open(path) for path in paths]
    arrays = [np.array(image.convert("RGB")) for image in opened]
    tensors = [torch.from_numpy(array).permute(2, 0, 1) for array in arrays]
    for inputs in (paths, [Path(path) for path in paths], opened, arrays, tensors):
        again = model.predict(inputs).drop(columns="path")
        pd.testing.assert_frame_equal(again, found.drop(columns="path"))
    assert model.predict(arrays[0])["path"].tolist() == ["image 0"]
    with pytest.raises(MisconfigurationException, match=r"image 0 is an array .* of float64; images are"):
        model.predict([arrays[0] / 255])
    with pytest.raises(MisconfigurationException, match=r"there is no image nothing\.png"):
        model.predict(["nothing.png"])
    labelled = [(path, path.parent.name) for path in sorted(Path("my_images").glob("*/*")) if path.is_file()]
    assert model.score(labelled) == model.score("my_images")


def test_sentences(trained: Callable[..., Model], leyden: Callable[..., int]) -> None:
    model = trained("own/tagging", "--data.path=tagged")
    path = Path("tagged/sentences.txt")
    sentences = [line.split() for line in path.read_text().splitlines()]
    assert leyden("predict", "--ckpt_path=runs/run/0", f"--data.predict_path={path}") == 0
    blocks = Path("runs/run/0/predictions.conll").read_text().strip().split("\n\n")
    written = [[line.split("\t") for line in block.splitlines()] for block in blocks]
    found = model.predict(path)
    assert found["words"].tolist() == sentences
    assert found["prediction"].tolist() == [[tag for _, tag, _ in block] for block in written]
    assert found["probability"].tolist() == [[float(value) for *_, value in block] for block in written]
    for inputs in (sentences, path.read_text().splitlines()):
        pd.testing.assert_frame_equal(model.predict(inputs), found)
    tokens = pd.DataFrame({"key": range(len(sentences)), "tokens": sentences})
    assert model.predict(tokens)["prediction"].tolist() == found["prediction"].tolist()
    tokens.to_json("sentences.jsonl", orient="records", lines=True)
    rows = [json.loads(line) for line in Path("sentences.jsonl").read_text().splitlines()]
    assert model.predict(Path("sentences.jsonl")).to_dict("records") == model.predict(rows).to_dict("records")
    assert model.predict(sentences[0] and [sentences[0]])["words"].tolist() == sentences[:1]
    pairs = [(words, ["O"] * len(words)) for words in sentences]
    assert 0 <= model.score(pairs)["accuracy"] <= 1
    with pytest.raises(MisconfigurationException, match=r"sentence 0 is no list of words: 3|a int is no list of words"):
        model.predict([3])


def test_translations(trained: Callable[..., Model], predicted: Callable[..., pd.DataFrame]) -> None:
    model = trained(
        "own/translation",
        "--data.path=multi30k",
        "--data.num_tokens=320",
        "--data.batch_size=8",
        "--model.max_length=3",
        "--model.net.size=16",
    )
    lines = Path("texts/unlabelled.txt").read_text().splitlines()
    written = predicted("texts/unlabelled.txt")
    for inputs in (
        Path("texts/unlabelled.txt"),
        lines,
        pd.DataFrame({"source": lines}).rename(columns={"source": "en"}),
    ):
        found = as_written(model.predict(inputs))
        assert found["translation"].tolist() == written["translation"].tolist()
    pairs = [("a man walks", "ein Mann geht"), ("a dog", "ein Hund")]
    assert model.score(pairs) == model.score(pd.DataFrame(pairs, columns=["en", "de"]))


def test_dialogues(trained: Callable[..., Model], predicted: Callable[..., pd.DataFrame]) -> None:
    model = trained("own/dialogue", "--data.path=turns.jsonl", "--data.num_tokens=320")
    Path("few.jsonl").write_text('{"turns": ["hello 1", "good day 1", "how are you"]}\n{"turns": ["hello 2"]}\n')
    written = predicted("few.jsonl")
    turns = [["hello 1", "good day 1", "how are you"], ["hello 2"]]
    for inputs in (Path("few.jsonl"), turns, [{"turns": some} for some in turns], pd.DataFrame({"turns": turns})):
        found = model.predict(inputs)
        assert found["reply"].tolist() == written["reply"].tolist()
        assert [list(some) for some in found["turns"]] == turns
    speakers = ("user", "assistant", "user")
    messages = [{"role": role, "content": text} for role, text in zip(speakers, turns[0], strict=True)]
    assert model.predict(messages)["reply"].tolist() == written["reply"].tolist()[:1]
    assert model.predict("hello 2")["reply"].tolist() == written["reply"].tolist()[1:]
    assert model.predict(["hello 2", "hello 2"])["reply"].tolist() == written["reply"].tolist()[1:] * 2
    assert model.score(turns[:1]) == model.score([{"turns": turns[0]}])


def test_series(trained: Callable[..., Model], predicted: Callable[..., pd.DataFrame]) -> None:
    words = ["--data.path=series/shops.csv", "--data.id=shop", "--data.target=sales", "--data.horizon=7"]
    model = trained("own/forecasting", *words, "--data.context=28")
    written = predicted("series/shops.csv")
    pd.testing.assert_frame_equal(as_written(model.predict("series/shops.csv")), written)
    table = pd.read_csv("series/shops.csv", parse_dates=["day"])
    for inputs in (table, table.set_index("day")):
        found = model.predict(inputs)
        assert found["sales"].astype(str).tolist() == written["sales"].tolist()
        assert found["day"].astype(str).tolist() == written["day"].tolist()
    assert model.score("series/shops.csv") == model.score(table)
    with pytest.raises(MisconfigurationException, match=r"`east` was not among the series of training"):
        model.predict(table[table["shop"] == "north"].assign(shop="east"))


def test_words(trained: Callable[..., Model], predicted: Callable[..., pd.DataFrame]) -> None:
    model = trained("own/embedding", "--data.path=texts/book.txt", "--data.min_count=1")
    words = model.data.facts.words[1:4]
    Path("words.txt").write_text("\n".join(words))
    written = predicted("words.txt")
    for inputs in (Path("words.txt"), words):
        pd.testing.assert_frame_equal(as_written(model.predict(inputs)), written)
    assert model.predict(words[0])["word"].tolist() == words[:1]


def test_batch_sizes_scores_and_what_is_shown(leyden: Callable[..., int], digits: Path) -> None:
    assert leyden("fit", "--config", digits) == 0
    assert leyden("test", "--ckpt_path=runs/digits/0") == 0
    model = load("runs/digits/0")
    task, data = model
    assert (task, data) == (model.task, model.data)
    scores = {name: value for name, value in model.scores.items() if name.startswith("test/")}
    assert {f"test/{name}": value for name, value in model.score().items()} == scores
    assert model.score(batch_size=7)["accuracy"] == scores["test/accuracy"]
    said = repr(model)
    weights = sum(parameter.numel() for parameter in task.parameters())
    assert f"Classifier (SmallCNN) of Digits, {weights:,} weights" in said
    assert "10 classes: 0, 1, 2" in said
    assert f"test/accuracy {scores['test/accuracy']:.4g}" in said
    pixels = [np.full((8, 8), shade, np.uint8) for shade in (0, 60, 255)]
    whole, single = (model.predict(pixels, batch_size=size) for size in (None, 1))
    assert whole["class"].tolist() == single["class"].tolist()
    np.testing.assert_allclose(whole["probability"], single["probability"], atol=1e-5)
    assert data.batch_size == 300
