"""Names of classes, labels and tags that are alike are told, whatever kind of data they are of; the same are one."""

import unicodedata
import warnings

import numpy as np
import pytest
from PIL import Image

from datamodules.images import ImageFolder
from datamodules.images.folders import class_folders
from datamodules.tables import Tabular
from datamodules.tagging import Columns
from datamodules.targets import ClassTarget, LabelTarget, warn_of_alike
from datamodules.text import TextFolder
from datamodules.types import TextClassFacts, TextLabelFacts


def said(run):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run()
    return [str(warning.message) for warning in caught if "though only in" in str(warning.message)]


def test_names_are_alike_if_only_case_tells_them_apart():
    assert said(lambda: warn_of_alike(["Yes", "no", "STRASSE", "straße", "strasse"], "classes", "t.csv")) == [
        "t.csv: `STRASSE` and `straße` and `strasse` are different classes, though only in case"
    ]


def test_of_classes_and_labels():
    assert said(lambda: ClassTarget(["y"]).learn(["yes", "no", "Yes"], "t.csv")) == [
        "t.csv: `Yes` and `yes` are different classes, though only in case"
    ]
    assert said(lambda: LabelTarget(["y"], ";").learn(["a;b", "B;c", "b"], "t.csv")) == [
        "t.csv: `B` and `b` are different labels, though only in case"
    ]


def test_of_a_table(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{k * 37 % 11},{('Yes', 'yes', 'no')[k % 3]}\n" for k in range(60)))
    assert said(lambda: Tabular(str(path), "y", "class").setup("fit")) == [
        f"{path}: `Yes` and `yes` are different classes of `y`, though only in case"
    ]


@pytest.mark.parametrize(
    ("tags", "told"),
    [
        (["B-PER", "B-per", "O"], "`PER` and `per` are different kinds of chunks"),
        (["NOUN", "noun", "VERB"], "`NOUN` and `noun` are different tags"),
        (["B-PER", "I-PER", "O"], ""),
    ],
)
def test_of_tags(tmp_path, tags, told):
    sentence = "".join(f"w{k} {tag}\n" for k, tag in enumerate(tags))
    (tmp_path / "t.conll").write_text("\n".join([sentence] * 30))
    found = said(lambda: Columns(str(tmp_path / "t.conll")).setup("fit"))
    assert len(found) == bool(told)
    assert all(told in message for message in found)


CAFE = unicodedata.normalize("NFD", "café")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["New York", "New\u00a0York", "New  York"], r"`New York` and `New\xa0York` and `New  York`"),
        (["tea", "tea\u200b", "milk"], r"`tea` and `tea\u200b`"),
        (["café", CAFE], r"`caf\xe9` and `cafe\u0301`"),
        (["New York", "Newyork", "x\u00b2", "x2", "a-b", "a b"], ""),
    ],
)
def test_names_are_alike_if_only_what_cannot_be_seen_tells_them_apart(names, told):
    why = "are different labels, though only in case, blanks, invisible characters or the form of Unicode"
    found = said(lambda: warn_of_alike(names, "labels", "t.csv"))
    assert [text.replace("é", r"\xe9") for text in found] == ([f"t.csv: {told} {why}"] if told else [])


def facts_of(target, cells, kind):
    read = [target.read({"y": cell}, "t.csv, line 2") for cell in cells]
    return kind(**target.learn(read, "t.csv"), tokenizer="", num_inputs=1), read


def test_a_name_in_two_forms_of_unicode_is_one():
    facts, read = facts_of(ClassTarget(["y"]), ["café", CAFE, "tea"], TextClassFacts)
    assert (facts.classes, facts.class_counts) == (["café", "tea"], [2, 1])
    assert [ClassTarget(["y"]).encoder(facts)(name) for name in read] == [0, 0, 1]
    old = TextClassFacts(classes=["tea", CAFE], class_counts=[1, 1], tokenizer="", num_inputs=1)  # of an older run
    assert ClassTarget(["y"]).encoder(old)("café") == 1
    facts, read = facts_of(LabelTarget(["y"]), [f"{CAFE};tea", "café", ["tea", CAFE]], TextLabelFacts)
    assert (facts.labels, facts.label_counts) == (["café", "tea"], [3, 2])


@pytest.mark.parametrize(
    ("cells", "classes", "counts"),
    [
        (["1", "1.0", "0", "0.0", "0.0"], ["0", "1"], [3, 2]),
        (["1.0", "-2.0", "10"], ["-2", "1", "10"], [1, 1, 1]),
        (["1", "1.0", "a"], ["1", "1.0", "a"], [1, 1, 1]),
        (["01", "01.0", "1"], ["01", "01.0", "1"], [1, 1, 1]),
        (["1.5", "1.0", "1"], ["1", "1.0", "1.5"], [1, 1, 1]),
    ],
)
def test_whole_numbers_are_the_same_with_a_point(cells, classes, counts):
    facts, read = facts_of(ClassTarget(["y"]), cells, TextClassFacts)
    assert (facts.classes, facts.class_counts) == (classes, counts)
    encode = ClassTarget(["y"]).encoder(facts)
    assert np.bincount([encode(name) for name in read]).tolist() == counts
    if classes == ["0", "1"]:
        assert [encode(name) for name in ("1", "1.0", "0", "0.0")] == [1, 1, 0, 0]
        old = TextClassFacts(classes=["0.0", "1", "1.0"], class_counts=[1] * 3, tokenizer="", num_inputs=1)
        assert [ClassTarget(["y"]).encoder(old)(name) for name in ("0", "1", "1.0")] == [0, 1, 2]  # of an older run


def test_labels_that_are_whole_numbers_are_the_same_with_a_point():
    facts, read = facts_of(LabelTarget(["y"]), ["1;2", "1.0", "2.0;1.0;1"], TextLabelFacts)
    assert (facts.labels, facts.label_counts, facts.num_examples) == (["1", "2"], [3, 2], 3)
    target = LabelTarget(["y"])
    encode = target.encoder(facts)
    assert target.tensor([encode(value) for value in read], facts).tolist() == [[1, 1], [1, 0], [1, 1]]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_folders_of_macos_have_the_same_classes(tmp_path, form):
    for split, how in (("train", "NFC"), ("test", form)):
        for name in ("café", "tea"):
            folder = tmp_path / split / unicodedata.normalize(how, name)
            folder.mkdir(parents=True)
            for k in range(4):
                (folder / f"{k}.txt").write_text(f"{name} {k}")
                Image.effect_noise((8, 8), 50).save(folder / f"{k}.png")
    for data in (TextFolder(str(tmp_path), val_fraction=0.25), ImageFolder(str(tmp_path), val_fraction=0.25)):
        data.setup("fit")
        data.setup("test")
        assert data.facts.classes == ["café", "tea"]
        assert len(data.datasets["test"]) == 8
    assert {text.label for text in TextFolder(str(tmp_path)).read("test")} == {"café", "tea"}
    assert {*class_folders(tmp_path / "test").labels} == {"café", "tea"}


def test_tags_in_two_forms_of_unicode_are_one(tmp_path):
    rows = [f"w{k} {tag}" for k, tag in enumerate(["café", CAFE, "tea"])]
    (tmp_path / "t.conll").write_text("\n".join(rows) + "\n" + f"\n{CAFE} tea\n" * 30)
    data = Columns(str(tmp_path / "t.conll"), test_fraction=0)
    assert {tag for sentence in data.read("train") + data.read("val") for tag in sentence.tags} == {"café", "tea"}
    assert CAFE in {word for sentence in data.read("train") for word in sentence.words}


def test_a_table_has_one_class_for_a_name_in_two_forms_of_unicode(tmp_path):
    rows = [f"{k * 37 % 11},{('café', CAFE, 'tea', 'tea')[k % 4]}" for k in range(80)]
    (tmp_path / "t.csv").write_text("\n".join(["x,y", *rows]))
    (tmp_path / "later.csv").write_text(f"x,y\n1,{CAFE}\n2,tea\n3,café\n")
    data = Tabular(str(tmp_path / "t.csv"), "y", "class", test_path=str(tmp_path / "later.csv"), val_fraction=0.1)
    data.setup("fit")
    data.setup("test")
    assert (data.facts.classes, data.facts.class_counts) == (["café", "tea"], [36, 36])
    assert data.datasets["test"].target.tolist() == [0, 1, 0]
