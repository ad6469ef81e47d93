"""Schemes of chunks, against seqeval's reading of conlleval."""

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from seqeval.metrics.sequence_labeling import get_entities

from datamodules.files.faults import Faults
from datamodules.tagging.conll import Sentence
from datamodules.tagging.schemes import conforming, encode, find_scheme, spans


def sentence(tags: str, line: int = 1) -> Sentence:
    return Sentence(["w"] * len(tags.split()), tags.split(), f"file:{line}")


ADVERSARIAL = [
    "I-A I-A O I-B", "B-A I-B I-B", "O I-A B-A B-A", "E-A O E-A", "B-A E-A I-A", "S-A I-A E-A", "B-A B-A I-A",
    "I-A E-A S-A", "O O", "S-A S-A", "B-A O I-A", "E-A", "B-A S-A E-A", "I-A I-B I-A",
]  # fmt: skip


@pytest.mark.parametrize("tags", ADVERSARIAL)
def test_spans_are_those_of_conlleval(tags: str) -> None:
    assert spans(tags.split()) == [(first, last, kind) for kind, first, last in get_entities(tags.split())]


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "BIOES"])
@pytest.mark.parametrize("tags", ["B-A I-A B-A O B-B", "O", "B-A B-B I-B I-B", "B-A B-A I-A O O B-B"])
def test_schemes_convert_without_loss(tags: str, scheme: str) -> None:
    original = tags.split()
    converted = encode(spans(original), len(original), scheme)
    assert spans(converted) == spans(original)
    assert encode(spans(converted), len(original), "IOB2") == original


def test_schemes_are_told_apart() -> None:
    assert find_scheme([sentence("B-A I-A O B-A")]) == "IOB2"
    assert find_scheme([sentence("I-A I-A O I-A B-A")]) == "IOB1"
    assert find_scheme([sentence("B-A E-A O S-A")]) == "BIOES"
    assert find_scheme([sentence("B-A L-A O U-A")]) == "BIOES"  # another name of it
    assert find_scheme([sentence("NOUN VERB O")]) == ""


def checked(*sentences: Sentence, told: bool = False, skip: bool = False) -> list[Sentence]:
    faults = Faults("skip" if skip else "stop", "file")
    return conforming(sentences, find_scheme(sentences), told, faults)


@pytest.mark.parametrize("tags", ["B-A I-A O I-A I-A", "B-A E-A B-A O", "B-A PER O", "S-A I-A O"])
def test_mixed_schemes_are_refused(tags: str) -> None:
    with pytest.raises(MisconfigurationException, match="file:1, word"):
        checked(sentence("O O"), sentence("B-A I-A O B-B"), sentence(tags))


def test_the_fault_names_place_word_and_tag() -> None:
    with pytest.raises(MisconfigurationException, match="file:7, word 2 'w' is tagged I-A, where IOB2 has B-A"):
        conforming([sentence("O I-A", line=7)], "IOB2", False, Faults("stop", "file"))


def test_a_few_faults_are_told_and_read_as_conlleval_does() -> None:
    # As in the published CoNLL-2003 training file: IOB1 but for a B- tag without a chunk before it.
    right = [sentence("I-A I-A O I-A B-A") for _ in range(99)]
    wrong = sentence("O B-A O", line=5)
    assert find_scheme([*right, wrong]) == "IOB1"
    with pytest.warns(UserWarning, match="1 tags of 298 chunks break IOB1, .* at file:5, word 2 'w' is tagged B-A"):
        assert checked(*right, wrong)[-1] == wrong._replace(tags=["O", "I-A", "O"])
    with pytest.raises(MisconfigurationException, match="4 tags of 301 chunks break IOB1"):
        checked(*right, *[wrong] * 4)
    with pytest.warns(UserWarning, match="left out 4 of 103 sentences"):
        assert checked(*right, *[wrong] * 4, skip=True) == right
    assert spans(checked(*right, *[wrong] * 4, told=True)[-1].tags) == [(1, 1, "A")]


def test_a_tag_that_marks_no_chunk_is_never_read_as_one() -> None:
    right = [sentence("B-A I-A O B-B")] * 200
    with pytest.raises(MisconfigurationException, match="file:9, word 1 'w' is tagged PER, which marks no chunk"):
        checked(*right, sentence("PER O", line=9), told=True)
    assert len(checked(*right, sentence("PER O"), skip=True)) == 200


def test_a_part_of_speech_that_looks_like_a_chunk_is_one_of_speech() -> None:
    assert find_scheme([sentence("NOUN VERB ADJ " * 99), sentence("B-x")]) == ""
    with pytest.raises(MisconfigurationException, match=r"file: some tags look as if .*B-x.* most do not .*NOUN"):
        find_scheme([sentence("NOUN VERB B-x")])


def test_bmes_is_bioes_by_another_name() -> None:
    assert find_scheme([sentence("B-A M-A E-A O S-A")]) == "BIOES"
    assert spans(["B-A", "M-A", "E-A", "S-B"]) == [(0, 2, "A"), (3, 3, "B")]
    assert checked(sentence("B-A M-A E-A O S-A")) == [sentence("B-A I-A E-A O S-A")]


@pytest.mark.parametrize(
    "tags",
    ["B I I O B", "b-per i-per O", "b-per i-per o", "B_PER I_PER O", "PER-B PER-I O", "per/b per/i o", "b:PER i:PER O"],
)
def test_chunks_that_are_written_in_another_way_are_said(tags: str) -> None:
    with pytest.warns(UserWarning, match="file: tags such as .* and no entities are scored"):
        assert find_scheme([sentence(tags)]) == ""


@pytest.mark.parametrize("tags", ["NOUN VERB O", "o x", "NN-B VB JJ", "b i", "O O"])
@pytest.mark.filterwarnings("error")
def test_other_tags_are_taken_as_they_are_without_a_word(tags: str) -> None:
    assert find_scheme([sentence(tags)]) == ""
