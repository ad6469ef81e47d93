"""Predictions beside the user's own columns."""

import csv

from datamodules.text import TextTable
from datamodules.types import joined


def test_a_column_of_the_users_is_not_lost_to_one_of_the_same_name():
    given = {"id": "007", "class": "4b", "text": "so good"}
    assert list(joined(given, {"class": "yes", "probability": 0.9}).items()) == [
        ("id", "007"),
        ("given_class", "4b"),
        ("text", "so good"),
        ("class", "yes"),
        ("probability", 0.9),
    ]
    assert joined({"set": 1, "given_set": 2}, {"set": "x"}) == {"given_given_set": 1, "given_set": 2, "set": "x"}


def test_rows_with_keys_of_their_own(tmp_path):
    rows = [{"text": "a", "class": "x"}, {"text": "b", "shop": 3, "class": "y"}]
    path = TextTable("t.csv").write(rows, tmp_path)
    with path.open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"text": "a", "class": "x", "shop": ""},
            {"text": "b", "class": "y", "shop": "3"},
        ]
