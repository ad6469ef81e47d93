"""What a search may choose from is read as it is written, or refused in a sentence."""

from typing import Any

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from optuna.trial import FixedTrial

from experiments.study.space import Choices, Range, check_value, read_space, words


@pytest.mark.parametrize(
    ("written", "space"),
    [
        ("log(1e-4, 1e-1)", Range("log", 1e-4, 1e-1)),
        (" uniform( 0,0.5 ) ", Range("uniform", 0.0, 0.5)),
        ("int(-1, 8)", Range("int", -1, 8)),
        ("[16, 32]", Choices([16, 32])),
        ("[a, null, true, 1.5]", Choices(["a", None, True, 1.5])),
        ([[64], [64, 32]], Choices(["[64]", "[64, 32]"])),
    ],
)
def test_forms(written: Any, space: Range | Choices) -> None:
    assert read_space("model.net.width", written) == space
    assert read_space("model.net.width", str(space)) == space  # as it is kept


@pytest.mark.parametrize(
    ("option", "written", "said"),
    [
        ("model.lr", "log(1, 2, 3)", "say log(a, b)"),
        ("model.lr", "log(0, 1)", "above 0"),
        ("model.lr", "log(2, 1)", "must be greater"),
        ("model.lr", "uniform(1, inf)", "must be greater"),
        ("model.lr", "int(1, 2.5)", "two whole numbers"),
        ("model.lr", "int(a, 2)", "two numbers"),
        ("model.lr", "0.1", "say log(a, b)"),
        ("model.lr", "[", "say log(a, b)"),
        ("model.lr", [], "say log(a, b)"),
        ("model.lr", "[1, 1]", "twice"),
        ("checkpoint.monitor", "[a, b]", "options of model, data, trainer"),
    ],
)
def test_what_is_wrong_is_said(option: str, written: Any, said: str) -> None:
    with pytest.raises(MisconfigurationException, match=f"search.{option}") as error:
        read_space(option, written)
    assert said in str(error.value)


def test_a_value_is_typed_as_it_was_written() -> None:
    params = {"data.name": "001", "model.hidden": "[64, 32]", "model.lr": 1e-05, "model.bias": False, "model.net": None}
    typed = ["--data.name=001", "--model.hidden=[64, 32]", "--model.lr=1e-05", "--model.bias=false", "--model.net=null"]
    assert words(params) == typed
    lr: Any = read_space("model.lr", "log(1e-5, 1)")
    assert lr.suggest(FixedTrial({"model.lr": 0.5}), "model.lr") == 0.5


def test_a_range_needs_an_option_of_numbers() -> None:
    space = Range("uniform", 0, 1)
    check_value("model.lr", space, 1.0, 1)
    for found in ("1.0", None, True, [1.0]):
        with pytest.raises(MisconfigurationException, match=r"data.path: this option takes no number"):
            check_value("data.path", space, 1.0, found)
    check_value("data.path", Choices(["a"]), "a", "a")
