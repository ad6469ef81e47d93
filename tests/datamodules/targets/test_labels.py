"""Labels to predict, any number of them an example, in every form in which people write them."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.sampling import BatchIndices
from datamodules.tables import Tabular
from datamodules.targets import LabelTarget, split_labels
from datamodules.text import TextTable

LABELS = [["drama", "war"], [], ["comedy"], ["comedy", "drama"], ["drama"], ["war"], ["drama", "comedy"], []] * 5
NAMES = ["comedy", "drama", "war"]
WHOLE = {"val_fraction": 0.2, "test_fraction": 0.2}


def learned(values, **options):
    target = LabelTarget(["genres"], **options)
    read = [target.read({"genres": value}, "t.csv, line 2") for value in values]
    return target, read, target.learn(read, "t.csv")


def ended(labels):
    return "".join(f"{label};" for label in labels)


@pytest.mark.parametrize("write", [";".join, "|".join, ", ".join, "; ".join, "\n".join, ended, json.dumps, str, list])
def test_what_stands_between_labels_is_told_from_the_column(write):
    _, read, facts = learned([write(labels) for labels in LABELS])
    assert facts["labels"] == NAMES
    assert facts["label_counts"] == [15, 20, 10]
    assert facts["num_examples"] == 40
    assert [set(split_labels(value, facts["between"])) for value in read] == [set(labels) for labels in LABELS]
    joined = facts["between"].join(LABELS[0])
    assert joined in (write(LABELS[0]), "dramawar", "drama;war", "drama; war")  # as written; lists have nothing between


def test_two_signs_between_labels_are_refused_until_one_is_named():
    cells = ["Action, USA;Drama", "Drama", "Action, USA", "Drama;Action, USA"]
    with pytest.raises(MisconfigurationException, match=r"semicolon or a comma.*`Action, USA;Drama`.*label_separator"):
        learned(cells)
    _, _, facts = learned(cells, between=";")
    assert dict(zip(facts["labels"], facts["label_counts"], strict=True)) == {"Action, USA": 3, "Drama": 3}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["", None, []], "no training example has a label in genres"),
        ([f"text {k}" for k in range(50)], "50 labels that hardly any two examples share, such as `text 0`"),
        ([["a", {"b": 1}]], "t.csv, line 2: `genres` holds an object"),
    ],
)
def test_what_is_no_column_of_labels_is_said(values, message):
    with pytest.raises(MisconfigurationException, match=message):
        learned(values)


def test_one_label_each_may_be_a_class():
    with pytest.warns(UserWarning, match="no example has several labels; .* --data.kind class"):
        assert learned(["a", "b", ""])[2]["labels"] == ["a", "b"]


def cells(form):
    """The column or columns of the labels."""
    if form == "flags":
        return {name: [int(name in labels) for labels in LABELS] for name in NAMES}, NAMES
    return {
        "genres": [list(labels) if form in ("list", "parquet") else "|".join(labels) for labels in LABELS]
    }, "genres"


def examples(data, split):
    found = data.datasets[split]
    return found.__getitems__(BatchIndices(range(len(found)))).target


@pytest.mark.parametrize("form", ["cell", "list", "parquet", "flags"])
@pytest.mark.parametrize("kind", [TextTable, Tabular])
def test_tables_of_every_form_give_the_same_targets(tmp_path, kind, form):
    columns, target = cells(form)
    frame = pd.DataFrame({"text": [f"{k % 7} {' '.join(labels)}" for k, labels in enumerate(LABELS)], **columns})
    if form == "list":
        frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True)
    elif form == "parquet":
        frame.to_parquet(tmp_path / "t.parquet")
    else:
        frame.to_csv(tmp_path / "t.csv", index=False)
    data = kind(str(next(tmp_path.iterdir())), target=target, kind="labels", **WHOLE)
    data.setup("fit")
    data.setup("test")
    assert data.facts.labels == NAMES
    sums = torch.stack([examples(data, split).sum(0) for split in ("train", "val", "test")])
    assert sums[0].tolist() == data.facts.label_counts
    assert sums.sum(0).tolist() == [15, 20, 10]  # no example is left out, also none without a label
    assert [len(data.datasets[split]) for split in ("train", "val", "test")] == [24, 8, 8]
    target = examples(data, "train")
    assert target.shape == (24, 3)
    assert set(target.unique().tolist()) == {0, 1}


@pytest.mark.parametrize("kind", [TextTable, Tabular])
def test_labels_that_training_did_not_have_are_counted(tmp_path, kind):
    lines = ["text,genres", *(f"{k % 3},{';'.join(labels)}" for k, labels in enumerate(LABELS))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    (tmp_path / "other.csv").write_text("text,genres\n0,drama;opera\n1,opera;tango\n2,\n")
    data = kind(str(tmp_path / "t.csv"), target="genres", kind="labels", test_path=str(tmp_path / "other.csv"))
    data.setup("fit")
    with pytest.warns(UserWarning, match=r"no training example has are left out: `opera` \(2\), `tango` \(1\)"):
        data.setup("test")
    assert examples(data, "test").tolist() == [[0, 1, 0], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("kind", [TextTable, Tabular])
def test_columns_of_labels_are_of_0_and_1(tmp_path, kind):
    rows = [f"{k % 3},{k % 2},{'true' if k % 3 else 'False'},0" for k in range(20)]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["text,a,b,c", *rows]))
    data = kind(str(path), target=["a", "b", "c"], kind="labels", **WHOLE)
    with pytest.warns(UserWarning, match="no training example has the labels c, so they cannot be learned"):
        data.setup("fit")
    assert data.facts.labels == ["a", "b", "c"]
    path.write_text("\n".join(["text,a,b,c", *rows, "1,1,2,0"]))
    data = kind(str(path), target=["a", "b", "c"], kind="labels", **WHOLE)
    with pytest.raises(MisconfigurationException, match=r"(line 22|row 21): '2' in column `b` is neither 0 nor 1"):
        data.setup("fit")
        data.setup("test")


@pytest.mark.parametrize("kind", [TextTable, Tabular])
def test_several_columns_are_no_class(kind):
    with pytest.raises(MisconfigurationException, match=r"one column, but target names 2; .* --data.kind labels"):
        kind("t.csv", target=["a", "b"], kind="class")


@pytest.mark.parametrize("write", [tuple, set, np.array, lambda labels: list(np.array(labels, dtype=str))])
def test_lists_of_numpy_and_tuples_are_the_same_in_memory_and_as_a_csv_has_them(write):
    for form in (write, lambda labels: str(write(labels))):
        _, read, facts = learned([form(labels) for labels in LABELS])
        assert (facts["labels"], facts["label_counts"], facts["between"]) == (NAMES, [15, 20, 10], "")
        assert [set(value) for value in read] == [set(labels) for labels in LABELS]


@pytest.mark.parametrize(
    "cell", ["['a' 'b' ... 'c']", "[1 2 ... 9]", "['a', b]", "[a, b]", "('a' 'b')", "{'a': 1}", '{"a": 1}']
)
def test_a_cell_that_looks_like_a_list_and_is_none_is_refused(cell):
    with pytest.raises(MisconfigurationException, match=r"t.csv, line 2: `genres`: .* looks like a list, but is none"):
        learned([cell, "a", "b"])


def test_labels_in_brackets_that_are_no_list_stay_labels():
    _, _, facts = learned(["[deleted];b", "b;[x]", "[deleted];[x]", "(a) b;b", "[b]"])
    assert facts["labels"] == ["(a) b", "[b]", "[deleted]", "[x]", "b"]
