"""Names of classes, labels and tags that differ in case only are told, whatever kind of data they are of."""

import warnings

import pytest

from datamodules.tables import Tabular
from datamodules.tagging import Columns
from datamodules.targets import ClassTarget, LabelTarget, warn_of_case


def said(run):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run()
    return [str(warning.message) for warning in caught if "case" in str(warning.message)]


def test_names_are_alike_if_only_case_tells_them_apart():
    assert said(lambda: warn_of_case(["Yes", "no", "yes ", "STRASSE", "straße", "strasse"], "classes", "t.csv")) == [
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
