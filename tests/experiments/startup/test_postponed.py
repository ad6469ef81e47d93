"""Packages whose import is postponed: nobody notices, but for the time."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.startup.postponed import postpone, postponed

ROOT = Path(__file__).parents[3]
LARGE = """
from pathlib import Path

from large.kinds import Base

SUFFIX = "!"


def shout(text):
    return text.upper() + SUFFIX


def often(times):
    return lambda function: lambda *args: " ".join([function(*args)] * times)
"""
USER = """
from typing import Optional, Union

import large
import large.kinds as kinds
from large import shout
from large.kinds import Base

Kind = Union[Base, int]
Another = Optional[large.kinds.Base]
context = large.often


@context(2)
def say(text):
    return text


def check(value):
    return isinstance(value, Base)


def whisper(text):
    return large.shout(text).lower()
"""


@pytest.fixture(autouse=True)
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "__init__.py").write_text(LARGE)
    (tmp_path / "large" / "kinds.py").write_text("class Base:\n    pass\n")
    (tmp_path / "user.py").write_text(USER)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in ("large", "user")]:
        del sys.modules[name]


def test_who_imports_it_meanwhile_gets_it_when_it_is_used() -> None:
    with postponed("large"):
        import user
    assert "large" not in sys.modules
    assert not user.check(1)
    assert "large" not in sys.modules  # of which nothing can be an instance
    assert user.shout("hey") == "HEY!"
    assert user.whisper("HEY") == "hey!"
    assert user.say("ho") == "ho ho"
    from large.kinds import Base

    assert user.check(Base())


def test_afterwards_it_is_imported_as_ever() -> None:
    with postponed("large"):
        import user  # noqa: F401
    import large

    assert large.SUFFIX == "!"
    assert large.__file__.endswith("__init__.py")


def test_it_is_imported_by_the_first_use(tmp_path: Path) -> None:
    finder = postpone("large", often=lambda times: lambda function: function)
    (tmp_path / "user_of_class.py").write_text("import large\n\n\nclass Own(large.kinds.Base):\n    pass\n")
    try:
        import user

        assert user.say("ho") == "ho"  # what the stand-in answers
        assert finder.packages
        import user_of_class

        assert not finder.packages
        import large.kinds

        assert user_of_class.Own.__mro__[1] is large.kinds.Base
        assert large.often(2)(str)("x") == "x x"
    finally:
        finder.give_up()
        sys.modules.pop("user_of_class", None)


def test_what_is_imported_already_stays() -> None:
    import large

    with postponed("large"):
        import user

        assert user.large is large
    assert sys.modules["large"] is large


def test_what_is_missing_stays_missing() -> None:
    with postponed("no_such_package"), pytest.raises(ImportError):
        import no_such_package  # noqa: F401


PROGRAM = """
import sys
from experiments.startup import prepare
prepare()
import experiments.cli
heavy = {"matplotlib", "scipy", "sympy", "torchvision", "transformers", "triton", "torch._inductor"}
assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()
import torch, torchmetrics, torchvision
from lightning.pytorch.utilities.compile import from_compiled, to_uncompiled
layer = torch.nn.Linear(1, 1)
optimizer = torch.optim.AdamW(layer.parameters())
layer(torch.ones(1, 1)).sum().backward()
optimizer.step()
torchvision.ops.nms(torch.zeros(1, 4), torch.ones(1), 0.5)
assert "torch._inductor" not in sys.modules
metric = torchmetrics.MeanMetric()
metric.update(1.0)
assert type(metric.plot()[0]).__module__ == "matplotlib.figure"
from torchmetrics.audio import PermutationInvariantTraining
from torchmetrics.detection import MeanAveragePrecision
from torchmetrics.functional.audio import permutation_invariant_training as pit
from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio as ratio
assert pit(torch.randn(2, 4, 9), torch.randn(2, 4, 9), ratio)[1].shape == (2, 4)  # by scipy's assignment
def double(x):
    return 2 * x
compiled = torch.compile(double, backend="eager")
assert compiled(torch.ones(1)) == 2
assert sys.modules["torch._dynamo"] is torch._dynamo and torch._dynamo.__file__
assert torch._dynamo.explain(double)(torch.ones(1)).graph_count == 1
optimizer.step()
"""


def test_lightning_without_what_few_runs_need() -> None:
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
