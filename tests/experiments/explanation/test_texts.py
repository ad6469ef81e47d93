"""One word decides."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor, nn

from datamodules.sampling import BatchIndices
from datamodules.text import TextTable
from experiments.deployment.model import Model
from experiments.explanation import texts
from experiments.explanation.texts import ExplainedText, TextExplainer, embedding_of
from modules.classification import Classifier
from modules.nets.pretrained import PretrainedClassifier
from modules.nets.text import BagOfEmbeddings, TextCNN, TextRNN

TINY = str(Path(__file__).parents[2] / "samples" / "sentence-transformers" / "all-MiniLM-L6-v2")
TEXTS = ["a good film", "a bad film", "the film is good", "the film is bad"] * 10


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def model(net: Callable[[int, int], nn.Module], **options: object) -> Model:
    """A classifier of random weights for texts, with an unknown word in its vocabulary."""
    labels = ["good" if "good" in text else "bad" for text in TEXTS]
    rows = [f'"{text}",{label},{label}' for text, label in zip(TEXTS, labels, strict=True)]
    Path("films.csv").write_text("\n".join(["text,said,label", *rows]))
    data = TextTable("films.csv", **options)  # type: ignore[arg-type]
    data.setup("fit")
    torch.manual_seed(0)
    task = Classifier(net=net)
    task.use(data.facts)
    task.configure_model()
    return Model(task.eval(), data)


NETS = {
    "bag": partial(BagOfEmbeddings, size=8),
    "cnn": partial(TextCNN, size=8, num_filters=6),
    "lstm": partial(TextRNN, size=8, hidden=6),
    "attention": partial(TextRNN, size=8, hidden=6, pooling="attention", cell="gru"),
}


@pytest.mark.parametrize("name", NETS)
def test_one_word_decides(name: str) -> None:
    """The vectors of all others are like that of padding."""
    found = model(NETS[name])
    vectors = found.task.net.embedding.words.weight
    with torch.no_grad():
        vectors[[k for k, word in enumerate(found.data.decode(torch.arange(len(vectors))[:, None], range(len(vectors))))
                 if word != "good"]] = 0  # fmt: skip
    answers = found.predict(["Is it a Good film , or is it not ?", "good film", "bad film", ""], explain=True)
    first = answers["contributions"][0]
    assert [word for word, _ in first] == ["Is", "it", "a", "Good", "film", ",", "or", "is", "it", "not", "?"]
    assert [word for word, value in first if value] == ["Good"]
    assert answers["because"][0].startswith("Good (")
    assert answers["because"][1].startswith("good (")
    assert answers["because"][2:].tolist() == ["", ""]


@pytest.mark.parametrize("options", [{}, {"ngrams": 50}, {"tokenizer": "bpe", "num_tokens": 280}])
def test_contributions_add_up_to_the_log_odds(options: dict[str, object]) -> None:
    found = model(NETS["lstm"], **options)
    given = ["the film is unheard", "good", "a bad film bad bad", "nai\u0308ve \U0001f9a6 film"]
    plain, answers = found.predict(given), found.predict(given, explain=True)
    assert answers[list(plain)].equals(plain)
    for text, probability, said, parts in answers[["text", "probability", "class", "contributions"]].itertuples(False):
        length = found.data.examples(found.data.read_objects([text]), train=False).__getitems__([0]).inputs
        assert [word for word, _ in parts] == {given[3]: ["na\u00efve", "\U0001f9a6", "film"]}.get(text, text.split())
        layer = found.task.net.embedding
        inner = layer.register_forward_hook(lambda module, inputs, output: (0 * output[0], output[1]))
        empty = found.task(length)[0].softmax(0)[found.task.classes.index(said)].item()
        inner.remove()
        expected = math.log(probability / (1 - probability)) - math.log(empty / (1 - empty))
        assert sum(value for _, value in parts) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("options", [{}, {"ngrams": 50}, {"column": ["text", "said"], "tokenizer": TINY}])
def test_some_texts_of_a_batch_are_done_again(options: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    found = model(partial(PretrainedClassifier, name=TINY) if "column" in options else NETS["lstm"], **options)
    done: list[int] = []

    def some(score: Callable[[Tensor, Tensor], Tensor], vectors: Tensor, reference: Tensor) -> Tensor:
        rows = torch.tensor([2, 0, 2])
        torch.testing.assert_close(score(vectors[rows], rows), score(vectors, torch.arange(len(vectors)))[rows])
        done.extend(rows.tolist())
        stay = (reference == vectors).all(2)
        assert stay[:, 0].all() == ("column" in options)  # what the tokenizer adds
        assert not stay[:, 1].any()
        return vectors

    monkeypatch.setattr(texts, "integrated_gradients", some)
    given = ["a good film", "the film", "bad bad is bad"]
    found.predict([(text, "good") for text in given] if "column" in options else given, explain=True)
    assert done == [2, 0, 2]


@pytest.mark.parametrize("trained_layers", [None, 0])
def test_pieces_of_a_word_are_added_up(trained_layers: int | None) -> None:
    net = partial(PretrainedClassifier, name=TINY, trained_layers=trained_layers)
    found = model(net, tokenizer=TINY)
    with torch.no_grad():
        found.task.net.output.weight.mul_(10)
    (tokens,) = found.data.examples(found.data.read_objects(["the otters"]), train=False).__getitems__([0]).inputs
    answers = found.predict(["the otters", "the otters swim in a river here"], explain=True)
    assert len(tokens) > 4  # pieces, and two that stand for beginning and end
    parts = answers["contributions"][0]
    assert [word for word, _ in parts] == ["the", "otters"]

    embedding = found.task.net.encoder.model.get_input_embeddings()
    assert embedding_of(found.task, 93) is embedding

    def blank(module: nn.Module, inputs: tuple[Tensor], vectors: Tensor) -> Tensor:
        vectors = vectors.clone()
        vectors[:, 1:-1] = embedding.weight[embedding.padding_idx]
        return vectors

    (said, probability) = answers.loc[0, ["class", "probability"]]
    handle = embedding.register_forward_hook(blank)
    empty = found.task(tokens[None])[0].softmax(0)[found.task.classes.index(said)].item()
    handle.remove()
    expected = math.log(probability / (1 - probability)) - math.log(empty / (1 - empty))
    assert sum(value for _, value in parts) == pytest.approx(expected, rel=0.02)


def test_both_texts_of_a_pair_are_explained() -> None:
    rows = [f"{text},{other},{label}" for text, other, label in [("good", "fine", "a"), ("bad", "poor", "b")] * 20]
    Path("pairs.csv").write_text("\n".join(["one,other,label", *rows]))
    data = TextTable("pairs.csv", column=["one", "other"])
    data.setup("fit")
    task = Classifier(net=NETS["bag"])
    task.use(data.facts)
    task.configure_model()
    answers = Model(task.eval(), data).predict([("good film", "bad"), ("fine", "poor indeed")], explain=True)
    words = [[word for word, _ in parts] for parts in answers["contributions"]]
    assert words == [["good", "film", "bad"], ["fine", "poor", "indeed"]]
    assert all(value for parts in answers["contributions"] for word, value in parts if word in "good bad fine poor")


def test_words_that_the_model_does_not_read_are_left_out() -> None:
    (parts,) = model(NETS["bag"], max_length=2).predict("a good film", explain=True)["contributions"]
    assert [word for word, _ in parts] == ["a", "good"]


def test_a_word_that_is_there_twice_counts_as_one() -> None:
    text = ExplainedText("yes", ["so", "good", "so"], [0.5, 0.8, 0.5])
    assert text.columns("_x") == {"because_x": "so (+1), good (+0.8)"}


def test_a_network_without_embedding_is_refused() -> None:
    with pytest.raises(MisconfigurationException, match="no embedding of tokens"):
        embedding_of(nn.Sequential(nn.Linear(1, 1), nn.Embedding(5, 2)), 6)


class Twice(nn.Module):
    """Looks at its words twice."""

    def __init__(self, num_inputs: int, num_outputs: int) -> None:
        super().__init__()
        self.words = nn.Embedding(num_inputs, num_outputs)

    def forward(self, tokens: Tensor) -> Tensor:
        vectors: Tensor = self.words(tokens) * self.words(tokens)
        return vectors.sum(1)


def test_a_network_of_another_make_is_refused() -> None:
    with pytest.raises(MisconfigurationException, match="the Embedding of this network does not make one vector of"):
        model(Twice).predict("good", explain=True)


def test_the_words_that_decide_are_drawn() -> None:
    explainer = TextExplainer(*model(NETS["bag"]))
    long = ExplainedText("$x$", [f"w{k}" for k in range(200)], [0.0] * 150 + [1.0, -2.0] + [0.0] * 48)
    figure = explainer.draw([long, ExplainedText("empty", [], []), ExplainedText("money", ["$5", "$6"], [0.1, 0.2])])
    figure.draw_without_rendering()
    grounds = {text.get_text(): text.get_bbox_patch() for text in figure.texts}
    assert {"$x$", "empty", "money", "w150", "w151", "$5", "$6", "\u2026"} <= grounds.keys()
    assert "w0" not in grounds
    red, blue = (grounds[word].get_facecolor() for word in ("w150", "w151"))
    assert red[0] > red[2]
    assert blue[2] > blue[0]


def test_a_text_that_goes_on_is_drawn_with_dots() -> None:
    found = model(NETS["bag"], max_length=2)
    explainer = TextExplainer(found.task, found.data)
    found.data.ask(["good film", "good film is bad"])
    found.data.setup("predict")
    inputs = found.data.datasets["predict"].__getitems__(BatchIndices([0, 1]))[0]
    (explained,) = explainer.complete([{}, {}], inputs, found.task(inputs), [0, 1]).values()
    assert [one.is_cut for one in explained] == [False, True]
    shown = [[text for line in texts._lines(one) for text, _ in line] for one in explained]
    assert shown == [["good", "film"], ["good", "film", "\u2026"]]
