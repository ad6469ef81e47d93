"""Truth values are the same however they are written."""

import itertools

import pytest

from datamodules.targets import ClassTarget, LabelTarget
from datamodules.types import ClassFacts, LabelFacts

WRITTEN = [(True, False), ("TRUE", "FALSE"), ("true", "false"), ("True", "False")]


@pytest.mark.parametrize(("trained", "later"), itertools.product(WRITTEN, WRITTEN))
def test_a_class_is_found_in_another_spelling(trained, later):
    target = ClassTarget(["y"])
    names = [target.read({"y": cell}, "here") for cell in (*trained, *trained)]
    learned = target.learn(names, "t.csv")
    assert learned == {"classes": sorted(str(cell) for cell in trained), "class_counts": [2, 2]}
    encode = target.encoder(ClassFacts(num_inputs=1, **learned))
    assert [encode(target.read({"y": cell}, "here")) for cell in later] == [1, 0]


def test_spellings_of_one_file_are_one_class():
    target = ClassTarget(["y"])
    learned = target.learn(["TRUE", "true", "True", "no idea", "False"], "t.csv")
    assert learned == {"classes": ["False", "TRUE", "no idea"], "class_counts": [1, 3, 1]}


def test_a_label_is_found_in_another_spelling():
    target = LabelTarget(["y"], ";")
    learned = target.learn([target.read({"y": cell}, "here") for cell in ("true;new", "new", "false")], "t.csv")
    facts = LabelFacts(num_inputs=1, **learned)
    encode = target.encoder(facts)
    assert facts.labels == ["false", "new", "true"]
    tensor = target.tensor([encode(target.read({"y": cell}, "here")) for cell in ("TRUE;new", "FALSE")], facts)
    assert tensor.tolist() == [[0, 1, 1], [1, 0, 0]]
