"""Predictions beside the user's own columns."""

from datamodules.own_columns import joined


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
