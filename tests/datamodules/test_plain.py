from typing import Any

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor

from datamodules.plain import fits
from datamodules.types import ImageClassFacts, SeriesFacts

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "form", "fit"),
    [
        ({"a": [1, 2.5]}, dict[str, list[float]], True),
        ({"a": [1, NAN]}, dict[str, list[float]], False),
        ({1: 1}, dict[str, int], False),
        ("a", dict[str, str], False),
        (None, dict[str, str], False),
        (True, int, False),
        (True, float, False),
        (True, bool | None, True),
        (None, bool | None, True),
        ("x", list[str], False),
        (("x",), list[str], True),
        (torch.zeros(2), Tensor, True),
        (3, Tensor, False),
        ([NAN], list[Any], False),
        ([None, "x"], list[Any], True),
    ],
)
def test_form_of_plain_values(value: Any, form: Any, fit: bool) -> None:
    assert fits(value, form) is fit


def test_undefined_numbers_are_allowed_where_asked() -> None:
    assert fits({"a": NAN}, dict[str, float], finite=False)


FACTS: dict[str, Any] = {
    "classes": ["a", "b"],
    "class_counts": [1, 2],
    "num_inputs": 1,
    "mean": [0.5],
    "std": [0.1],
    "preset": {},
    "size": [8, 8],
    "fingerprint": "",
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mean", [NAN]),
        ("std", "x"),
        ("size", [None, 8]),
        ("classes", 3),
        ("num_inputs", 1.5),
        ("class_counts", ["1", "2"]),
    ],
)
def test_facts_of_another_form_are_refused(name: str, value: Any) -> None:
    assert ImageClassFacts.from_state(FACTS).classes == ["a", "b"]
    with pytest.raises(MisconfigurationException, match=f"`{name}` is not a fact of ImageClassFacts"):
        ImageClassFacts.from_state({**FACTS, name: value})


def test_what_older_runs_lack_is_empty() -> None:
    size = {"season": 1, "context": 2, "horizon": 1}
    texts = dict.fromkeys(("time", "frequency", "date_order", "zone", "decimal", "scale"), "")
    lists: dict[str, list[str]] = {name: [] for name in ("targets", "past", "known", "calendar", "series")}
    scaling = ("mean", "std", "known_mean", "known_std", "seasonal_error", "usual_range")
    facts = SeriesFacts(**size, **texts, **lists, **dict.fromkeys(scaling, torch.zeros(0)), units={"y": "kg"})
    state = facts.state()
    assert SeriesFacts.from_state(state).units == {"y": "kg"}
    del state["units"]
    assert SeriesFacts.from_state(state).units == {}
    del state["zone"]
    with pytest.raises(MisconfigurationException, match=r"does not hold the facts of SeriesFacts \(zone\)"):
        SeriesFacts.from_state(state)
