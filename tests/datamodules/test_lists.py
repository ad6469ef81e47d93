"""Lists in cells of text are read as they were written, or said to be none."""

import io

import numpy as np
import pandas as pd
import pytest

from datamodules.lists import list_in, seems_list

TEXTS = ["it", "it's", 'a "b"', "New York", "1", "x,y", "tab\there", "(", ""]


def of_csv(value):
    file = io.StringIO()
    pd.DataFrame({"a": [value]}).to_csv(file, index=False)
    return pd.read_csv(io.StringIO(file.getvalue()), dtype=str)["a"][0]


@pytest.mark.parametrize(
    "form",
    [list, tuple, np.array, lambda texts: list(np.array(texts)), lambda texts: np.array(texts * 20, dtype=object)],
)
@pytest.mark.parametrize("items", [TEXTS, ["one"], [1, 20, -3], [0.5, 2.25], [True, False]])
def test_what_pandas_writes_of_a_list_is_read_back(form, items):
    value = form(items)
    assert list_in(of_csv(value)) == np.asarray(value).tolist() == items * (len(value) // len(items))


def test_sets_empty_and_missing_items():
    assert set(list_in(of_csv({"a", "b"}))) == {"a", "b"}
    assert [list_in(cell) for cell in ("[]", "()", "set()", of_csv(np.array([])))] == [[], [], [], []]
    assert list_in("['a', nan, None]") == ["a", None, None]
    assert list_in('["a", null]') == ["a", None]


@pytest.mark.parametrize(
    "cell", ["['a' 'b', 'c']", "['a', b]", "['a'", "[a, b]", "(a)", "('a')", "('a' 'b')", "{'a': 1}", "a", "", None, 1]
)
def test_what_is_no_list(cell):
    assert list_in(cell) is None


def test_a_shortened_array_seems_to_be_a_list():
    for items in (np.arange(2000), np.array(["a"] * 2000)):
        assert list_in(of_csv(items)) is None
        assert seems_list(of_csv(items))
    assert not any(map(seems_list, ["[ Applause ]", "[1] as in [2]", "[a] 'b' [c]", "(a)"]))
