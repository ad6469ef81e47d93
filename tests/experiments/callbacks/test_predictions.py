"""Predictions beside the user's own columns."""

import csv
import math
import warnings

import pytest

from datamodules.text import TextTable
from experiments.callbacks.predictions import in_order


def test_rows_with_keys_of_their_own(tmp_path):
    rows = [{"text": "a", "class": "x"}, {"text": "b", "shop": 3, "class": "y"}]
    path = TextTable("t.csv").write(rows, tmp_path)
    with path.open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"text": "a", "class": "x", "shop": ""},
            {"text": "b", "class": "y", "shop": "3"},
        ]


@pytest.mark.parametrize(
    "odd", [{"value": math.nan}, {"class": "a", "shares": [0.5, math.inf]}, {"quantiles": {0.1: [[1.0, math.nan]]}}]
)
def test_answers_that_are_no_numbers_are_told(odd):
    rows = [(2, {"value": 1.0, "words": ["a"]}), (1, odd), (0, {"value": -1e30})]
    with pytest.warns(UserWarning, match="1 of 3 predictions are no finite numbers, first that of input 2"):
        found = in_order(Numbered(), rows)
    assert found == [{"index": 0, **rows[2][1]}, {"index": 1, **odd}, {"index": 2, **rows[0][1]}]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        in_order(Numbered(), [rows[0], rows[2]])


class Numbered(TextTable):
    """Tells the number of an input alone."""

    def __init__(self):
        super().__init__("t.csv")

    def describe(self, index):
        return {"index": index}
