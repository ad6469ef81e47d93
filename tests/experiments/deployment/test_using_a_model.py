"""The page about using a model, run as the notebook that it is."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.test_docs import ROOT, blocks


@pytest.mark.slow
def test_the_page_runs(leyden: Callable[..., int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    names: dict[str, Any] = {}
    for number, block in enumerate(blocks(ROOT / "docs" / "using_a_model.md", "python")):
        exec(compile(block, f"block {number}", "exec"), names)
    assert Path("runs/wine/0/checkpoints/best.ckpt").is_file()
    assert len(names["answers"]) == len(names["wines"]) == 178
    assert names["model"].score(names["table"])["accuracy"] > 0.9
    assert {"README.md", "model.onnx", "predict.py", "preprocess.json"} == {
        path.name for path in names["folder"].iterdir()
    }
    assert names["why"]["because"].str.contains("(+", regex=False).all()
    rows = names["found"]["predictions"]
    assert [row["prediction"] for row in rows] == names["answers"]["prediction"].tolist()[:2]
    assert rows[0]["probability"] == pytest.approx(names["answers"]["probability"][0], abs=1e-5)
