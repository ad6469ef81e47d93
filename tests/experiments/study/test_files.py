"""The runs of a study are on the same files."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.study.work import Work

Leyden = Callable[..., int]
CONFIG = Path(__file__).parents[3] / "configs/own/regression.yaml"


class Killed(BaseException):
    """Stands for SIGKILL."""


def write(rows: int) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(60, 2)), columns=["a", "price"])
    frame.head(rows).to_csv("some.csv", index=False)


SEARCH = ["--study.search.model.optimizer.lr", "[0.1, 0.01, 0.001]", "--study.trials"]


@pytest.mark.parametrize(("before", "after"), [(["--study.folds=3"],) * 2, ([*SEARCH, 1], [*SEARCH, 3])])
def test_files_that_have_changed(
    before: list[object],
    after: list[object],
    leyden: Leyden,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(60)
    words = ["--config", CONFIG, "--data.path=some.csv", "--data.target=price", "--trainer.max_epochs=1", "--name=some"]
    test, done = Work._test, list[str]()

    def killed(self: Work, *args: object) -> str:
        if done:
            raise Killed
        done.append(test(self, *args))  # type: ignore[arg-type]
        return done[-1]

    with monkeypatch.context() as patch:
        patch.setattr(Work, "_test", killed)
        with pytest.raises(Killed):
            leyden("study", *words, *before)
    folders = {path.parent.name for path in Path("runs/some").glob("*/config.yaml")}
    shutil.copy("some.csv", "old.csv")
    write(40)
    assert leyden("study", *words, *after) == 1
    error = capsys.readouterr().err
    assert "some.csv is not what it was when the study some began" in error
    assert "another study with --name" in error
    assert {path.parent.name for path in Path("runs/some").glob("*/config.yaml")} == folders
    assert not Path("runs/some/study.json").exists()
    shutil.copy("old.csv", "some.csv")  # as it was, but later
    assert leyden("study", *words, *after) == 0
