"""Sentences as tensors."""

import json
from pathlib import Path

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.sampling import BatchIndices
from datamodules.tagging import WNUT17, Columns, CoNLL2003, UniversalDependencies
from datamodules.tagging.conll import Sentence
from datamodules.tagging.examples import PieceSentences, WordSentences, normal, shape, tag_ids, vocabulary
from datamodules.tokens import Tokens
from datamodules.types import IGNORE, PieceTokens, TaggingFacts, WordTokens

SAMPLES = Path(__file__).parents[2] / "samples"
SENTENCES = [
    Sentence(["The", "cat", "sat"], ["D", "N", "V"], "a:1"),
    Sentence(["Cats", "x" * 100], ["N", "Q"], "a:5"),
    Sentence(["the"], ["D"], "a:8"),
]


def facts(tokenizer: str = "", tags: str = "D N V", scheme: str = "") -> TaggingFacts:
    return TaggingFacts(
        tags=tags.split(), scheme=scheme, words=["the", "cat"], word_counts=[2, 1], chars=list("thecas"),
        shapes=["x", "Xx"], tokenizer=tokenizer,
    )  # fmt: skip


def test_a_batch_of_words() -> None:
    inputs, target = WordSentences(SENTENCES, facts()).__getitems__(BatchIndices([1, 0, 2]))
    assert isinstance(inputs, WordTokens)
    assert inputs.words.tolist() == [[1, 1, 0], [2, 3, 1], [2, 0, 0]]
    assert inputs.shapes.tolist() == [[3, 2, 0], [3, 2, 2], [2, 0, 0]]
    assert target is not None
    assert target.tolist() == [[1, 3, IGNORE], [0, 1, 2], [0, IGNORE, IGNORE]]  # 3: a tag that is no fact
    letters = ["", "?", *"thecas"]
    spelled = [["".join(letters[i] for i in inputs.spelling[row].tolist()) for row in rows] for rows in inputs.spelled]
    assert spelled == [["?ats", "?" * 32, ""], ["?he", "cat", "sat"], ["the", "", ""]]
    assert len(inputs.spelling) == 7  # padding and the six words of the batch, each once


def test_untagged_sentences_have_no_target() -> None:
    examples = WordSentences([s._replace(tags=[]) for s in SENTENCES], facts())
    assert examples.__getitems__(BatchIndices([0]))[1] is None


def test_vocabulary_counts_the_forms_that_are_looked_up() -> None:
    words, chars, shapes = vocabulary([*SENTENCES, Sentence(["The", "1979", "1980"], [], "b:1")], lower=True)
    assert list(words.items())[:2] == [("the", 3), ("0000", 2)]
    assert "T" in chars
    assert "C" not in chars
    assert shapes[0] == "x"
    assert set(shapes) == {"x", "Xx", "d"}


@pytest.mark.parametrize(
    ("word", "expected"), [("Leyden", "Xx"), ("U.S.", "X.X."), ("1979", "d"), ("iPhone-6s", "xXx-dx"), ("@you", "@x")]
)
def test_shapes(word: str, expected: str) -> None:
    assert shape(word) == expected


def test_normal_forms() -> None:
    assert normal("A4", lower=True) == "a0"
    assert normal("A4", lower=False) == "A4"


@pytest.mark.parametrize("max_pieces", [512, 5, 3])
def test_first_pieces_are_found_in_every_window(max_pieces: int) -> None:
    tokens = Tokens.learn(["the cat sat cats x"] * 3, "wordpiece", 60)
    control = Sentence(["the", "\u200b", "cats"], ["D", "N", "N"], "a:9")
    examples = PieceSentences([SENTENCES[0], control, SENTENCES[2]], facts(tokens.json), limit=max_pieces)
    inputs, _ = examples.__getitems__(BatchIndices([1, 0, 2]))
    assert isinstance(inputs, PieceTokens)
    assert inputs.tokens.shape[1] <= max_pieces
    assert inputs.words.shape == inputs.first.shape
    for row, words in enumerate((["the", None, "cats"], ["the", "cat", "sat"], ["the"])):
        for column, word in enumerate(words):
            if word is not None:
                first = tokens.encode([word])[0][0]
                assert int(inputs.tokens.flatten()[inputs.first[row, column]]) == first


def test_schemes_are_converted_and_written_back(tmp_path: Path) -> None:
    data = CoNLL2003(root=str(SAMPLES))
    data.setup("fit")
    assert data.facts.scheme == "IOB1"
    assert data.facts.tags[0] == "O"
    assert set(data.facts.tags[1:]) == {f"{p}-{kind}" for p in "BIES" for kind in ("LOC", "ORG", "PER")}
    assert not any((tags == len(data.facts.tags)).any() for tags in data.datasets["val"].tags)
    tags = ["B-PER", "E-PER", "S-LOC"]
    data.read_given("a b c")
    path = data.write([{**data.describe(0), "tags": tags, "probabilities": [1, 0.5, 0.25]}], tmp_path)
    assert path.read_text() == "a\tB-PER\t1.0000\nb\tI-PER\t0.5000\nc\tB-LOC\t0.2500\n\n"


def test_tags_that_training_did_not_have_are_numbered_after_its_own() -> None:
    assert tag_ids(facts(), ["N", "Q", "P"]) == {"D": 0, "N": 1, "V": 2, "P": 3, "Q": 4}
    chunks = tag_ids(facts(tags="O B-A I-A", scheme="IOB2"), ["O", "I-X", "B-Y", "S-X"])
    assert {tag: i - 3 for tag, i in chunks.items() if i > 2} == {"I-X": 1, "S-X": 3, "B-Y": 4}


def test_chunks_are_learned_in_the_scheme_of_the_checkpoint() -> None:
    data = CoNLL2003(root=str(SAMPLES), chunks="BIOES")
    data.setup("fit")
    other = CoNLL2003(root=str(SAMPLES), chunks="IOB2")  # as an option given to a trained run
    other.load_state_dict(data.state_dict())
    other.setup("test")
    assert not any((tags >= len(other.facts.tags)).any() for tags in other.datasets["test"].tags)
    assert any((tags == data.facts.tags.index("S-LOC")).any() for tags in other.datasets["test"].tags)


def test_windows_without_room_for_a_word_are_refused() -> None:
    tokens = Tokens.pretrained(str(SAMPLES / "sentence-transformers" / "all-MiniLM-L6-v2"))
    with pytest.raises(MisconfigurationException, match="max_pieces 2 leaves no room for a word"):
        PieceSentences(SENTENCES, facts(tokens.json), limit=2)


def test_words_of_a_file_join_the_vocabulary(tmp_path: Path) -> None:
    path = tmp_path / "vectors.txt"
    path.write_text("Leiden 0.1 0.2\nzebra 0.3 0.4\nit 0.5 0.6\n")
    data = Columns(str(SAMPLES / "tagged"), extra_words=str(path))
    data.setup("fit")
    counts = dict(zip(data.facts.words, data.facts.word_counts, strict=True))
    assert list(counts)[-1] == "zebra"
    assert (counts["zebra"], counts["it"] > 0, "leiden" in counts, "Leiden" in counts) == (0, True, True, False)


def test_a_treebank_of_another_release_has_no_checksums(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fetched: list[tuple[str, str, str | None]] = []
    monkeypatch.setattr(
        "datamodules.tagging.public.fetch", lambda url, path, checksum: fetched.append((url, path.name, checksum))
    )
    UniversalDependencies(root=str(tmp_path)).download()
    UniversalDependencies(root=str(tmp_path), release="r2.8").download()
    assert [name for _, name, _ in fetched[:3]] == [f"en_ewt-ud-{split}.conllu" for split in ("train", "dev", "test")]
    assert all(len(str(checksum)) == 64 for *_, checksum in fetched[:3])
    assert {checksum for *_, checksum in fetched[3:]} == {None}
    assert fetched[3][0].endswith("UD_English-EWT/r2.8/en_ewt-ud-train.conllu")


def test_facts_survive_a_checkpoint() -> None:
    data = WNUT17(root=str(SAMPLES), chunks="BIOES")
    data.setup("fit")
    state = torch.tensor(0), data.state_dict()
    other = WNUT17(root="nowhere", chunks="BIOES", predict_path=str(SAMPLES / "tagged" / "sentences.txt"))
    other.load_state_dict(json.loads(json.dumps(state[1])))
    other.prepare_data()
    other.setup("predict")
    assert other.describe(1)["words"] == ["it", "rains", "in", "New", "Holland", "again", "!"]
    assert other.facts.tags == data.facts.tags


def test_treebank_columns() -> None:
    data = UniversalDependencies(root=str(SAMPLES), target="xpos")
    data.setup("fit")
    assert {"NNP", "VBZ"} <= set(data.facts.tags)
    assert data.facts.scheme == ""
    number = UniversalDependencies(root=str(SAMPLES), target="Number")
    number.setup("fit")
    assert set(number.facts.tags) == {"_", "Sing"}


def test_missing_splits_come_off_the_training_sentences() -> None:
    data = Columns(str(SAMPLES / "tagged"))
    splits = [{s.place for s in data.read(split)} for split in ("train", "val", "test")]
    assert [len(split) for split in splits] == [32, 4, 4]
    assert len(set.union(*splits)) == 40


def test_licensed_files_are_asked_for() -> None:
    with pytest.raises(Exception, match="CoNLL-2003 is licensed, put its files there"):
        CoNLL2003(root="nowhere").setup("fit")
