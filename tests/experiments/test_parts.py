"""Checkpoints in parts, as ModelParallelStrategy writes them."""

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.distributed import checkpoint as dcp

from experiments import checkpoint, parts


class Hostile:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.mkdir, ("executed",)


def in_parts(path: Path, **more: Any) -> Path:
    """Write what a checkpoint file holds as a folder, in its place."""
    content = {**torch.load(path, weights_only=True), **more}
    path.unlink()
    weights = {"state_dict": content.pop("state_dict"), "optimizer_0": content.pop("optimizer_states")[0]}
    dcp.save(weights, checkpoint_id=path, no_dist=True)
    torch.save(content, path / parts.REST)
    return path


@pytest.mark.filterwarnings("ignore:torch.distributed")
def test_parts_are_tested_as_a_file_is_and_hostile_ones_are_refused(
    leyden: Callable[..., int], digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, metrics = Path("runs/digits/0"), Path("runs/digits/0/metrics.json")
    assert leyden("fit", f"--config={digits}", "--trainer.max_epochs=1") == 0
    assert leyden("test", f"--ckpt_path={run}") == 0
    scores = json.loads(metrics.read_text())
    metrics.unlink()
    best = in_parts(run / "checkpoints" / "best.ckpt")
    assert leyden("test", f"--ckpt_path={run}") == 0
    assert json.loads(metrics.read_text()) == {name: scores[name] for name in scores if name.startswith("test/")}
    assert checkpoint.find(best, to_train=True)[0] == best

    (best.with_suffix(".joined")).unlink()
    table = (best / parts.CONTENTS).read_bytes()
    (best / parts.CONTENTS).write_bytes(pickle.dumps(Hostile()))
    capsys.readouterr()
    assert leyden("test", f"--ckpt_path={run}") == 1
    assert "could run code when loaded (posix.mkdir has no place in it)" in capsys.readouterr().err

    place = pickle.loads(table).storage_data
    entry = next(value for index, value in place.items() if "lr" in index.fqn)
    with (best / entry.relative_path).open("r+b") as file:
        file.seek(entry.offset)
        file.write(pickle.dumps(Hostile()))
    (best / parts.CONTENTS).write_bytes(table)
    for to_train in (True, False):
        with pytest.raises(MisconfigurationException, match="damaged, or holds Python objects"):
            checkpoint.find(best, to_train)
    assert not Path("executed").exists()
