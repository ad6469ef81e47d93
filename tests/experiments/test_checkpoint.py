"""Files that are damaged, dangerous or cannot be written."""

import builtins
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from experiments import checkpoint
from experiments.callbacks.writing import DirectCheckpointIO, write_checkpoints
from experiments.runs import FORMAT
from modules.classification import Classifier


def a_checkpoint(path: Path, step: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    config = "model: {class_path: a.B}\ndata: {class_path: c.D}\n"
    parts = {name: kind() for name, kind in checkpoint.PARTS.items()}
    torch.save({**parts, "config": config, "global_step": step, "format": FORMAT, "D": {"classes": ["x"]}}, path)
    return path


class Payload:
    def __reduce__(self) -> Any:
        return builtins.exec, ("import pathlib; pathlib.Path('executed').touch()",)


def test_pickle_payload_is_refused_and_not_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {}, "config": "", "payload": Payload()}, "evil.ckpt")
    with pytest.raises(MisconfigurationException, match=r"evil.ckpt holds Python objects .* not loaded"):
        checkpoint.read(Path("evil.ckpt"))
    assert not Path("executed").exists()
    pickle.loads(pickle.dumps(Payload()))  # the payload is a real one
    assert Path("executed").exists()


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all", b"\x80\x04garbage" * 100, None])
def test_damaged_file_is_named(content: bytes | None, tmp_path: Path) -> None:
    path = a_checkpoint(tmp_path / "a.ckpt")
    path.write_bytes(path.read_bytes()[:-200] if content is None else content)
    with pytest.raises(MisconfigurationException, match=r"a.ckpt is damaged or not a checkpoint"):
        checkpoint.read(path)


def test_file_of_another_program_is_named(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(1)}, tmp_path / "a.ckpt")
    with pytest.raises(MisconfigurationException, match=r"a.ckpt is not a checkpoint written by leyden fit"):
        checkpoint.read(tmp_path / "a.ckpt")


@pytest.mark.parametrize("part", checkpoint.PARTS)
@pytest.mark.parametrize("value", [None, 1.5, "absent"])
def test_damaged_part_is_named(part: str, value: Any, tmp_path: Path) -> None:
    content = torch.load(a_checkpoint(tmp_path / "a.ckpt"), weights_only=True)
    content[part] = value
    if value == "absent":
        del content[part]
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(MisconfigurationException, match=rf"a.ckpt is (damaged: its part {part} |not a checkpoint)"):
        checkpoint.read(tmp_path / "a.ckpt")


@pytest.mark.parametrize("version", [None, 1, 3])
def test_checkpoint_of_another_format_is_refused_by_name(version: int | None, tmp_path: Path) -> None:
    content = torch.load(a_checkpoint(tmp_path / "a.ckpt"), weights_only=True)
    content["format"] = version
    if version is None:
        del content["format"]
    torch.save(content, tmp_path / "a.ckpt")
    with pytest.raises(MisconfigurationException, match=rf"a.ckpt has the format {version or 1} of another .* reads 2"):
        checkpoint.read(tmp_path / "a.ckpt")


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.ckpt")
    with pytest.raises(MisconfigurationException, match=r"a.ckpt is no file"):
        checkpoint.read(tmp_path / "a.ckpt")


def test_run_stands_for_its_best_or_last(tmp_path: Path) -> None:
    best = a_checkpoint(tmp_path / "checkpoints" / "best.ckpt")
    last = a_checkpoint(tmp_path / "checkpoints" / "last.ckpt")
    assert checkpoint.find(tmp_path, to_train=False)[0] == best
    assert checkpoint.find(tmp_path, to_train=True)[0] == last
    assert checkpoint.run_folder(best) == tmp_path
    assert checkpoint.facts(checkpoint.read(best), {"data": {"class_path": "c.D"}}) == {"classes": ["x"]}


def test_training_falls_back_to_the_newest_readable(tmp_path: Path) -> None:
    best = a_checkpoint(tmp_path / "checkpoints" / "best.ckpt", step=7)
    (tmp_path / "checkpoints" / "last.ckpt").write_bytes(b"half")
    with pytest.warns(UserWarning, match=r"last.ckpt is damaged.*going on from .*best.ckpt, step 7"):
        assert checkpoint.find(tmp_path, to_train=True)[0] == best


def test_testing_does_not_fall_back(tmp_path: Path) -> None:
    a_checkpoint(tmp_path / "checkpoints" / "last.ckpt")
    (tmp_path / "checkpoints" / "best.ckpt").write_bytes(b"half")
    with pytest.raises(MisconfigurationException, match=r"best.ckpt is damaged"):
        checkpoint.find(tmp_path, to_train=False)


def test_run_without_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match="holds no checkpoint"):
        checkpoint.find(tmp_path, to_train=True)
    (tmp_path / "config.yaml").write_text("model: 1")
    assert checkpoint.find(tmp_path, to_train=True) == (None, {"config": "model: 1"})
    with pytest.raises(MisconfigurationException, match="holds no checkpoint"):
        checkpoint.find(tmp_path, to_train=False)


def test_failed_write_leaves_the_checkpoint_before(
    leyden: Callable[..., int], digits: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save = Trainer.save_checkpoint

    def full(self: Trainer, path: Any, **options: Any) -> None:
        if self.global_step < 8:
            return save(self, path, **options)
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Trainer, "save_checkpoint", full)
    assert leyden("fit", "--config", digits) == 1
    said = capsys.readouterr().err
    assert "best.ckpt could not be written (No space left on device); the one before it is untouched" in said
    assert "leyden fit --ckpt_path runs/digits/0" in said
    folder = Path("runs/digits/0/checkpoints")
    assert sorted(path.name for path in folder.iterdir()) == ["best.ckpt", "last.ckpt"]
    assert checkpoint.read(folder / "last.ckpt")["global_step"] == 4


def test_failed_first_write_says_that_there_is_none(
    leyden: Callable[..., int], digits: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(self: Trainer, path: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "save_checkpoint", full)
        assert leyden("fit", "--config", digits) == 1
    assert "it would have been the first" in capsys.readouterr().err
    assert leyden("fit", "--ckpt_path", "runs/digits/0") == 0
    assert checkpoint.read(Path("runs/digits/0/checkpoints/last.ckpt"))["global_step"] == 8


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_reason_of_a_failed_write_is_that_of_the_disk() -> None:
    with pytest.raises(OSError, match="No space left on device"):
        DirectCheckpointIO().save_checkpoint({"weights": torch.zeros(100_000)}, Path("/dev/full"))


def test_folder_takes_the_place_of_a_folder(tmp_path: Path) -> None:
    """As sharded strategies write them."""

    class Sharded:
        is_global_zero = True
        strategy = SimpleNamespace(checkpoint_io=None, broadcast=lambda value: value)

        def save_checkpoint(self, path: Path, weights_only: bool) -> None:
            path.mkdir()
            (path / "shard").write_text(self.text)  # type: ignore[attr-defined]

    trainer: Any = Sharded()
    for text in ("first", "second"):
        trainer.text = text
        write_checkpoints(trainer, tmp_path, ["best", "last"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.ckpt", "last.ckpt"]
    assert [(tmp_path / name / "shard").read_text() for name in ("best.ckpt", "last.ckpt")] == ["second"] * 2


@pytest.mark.parametrize("rename", [True, False])
def test_folder_that_goes_away_during_training(
    rename: bool,
    leyden: Callable[..., int],
    digits: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    step = Classifier.training_step

    def then_gone(self: Classifier, batch: Any, batch_idx: int) -> Any:
        if self.global_step == 5 and Path("runs/digits").exists():
            for logger in self.trainer.loggers:
                logger.save()
            shutil.move("runs/digits", "elsewhere") if rename else shutil.rmtree("runs/digits")
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Classifier, "training_step", then_gone)
    assert leyden("fit", "--config", digits, "--trainer.max_epochs=50") == 1
    said = capsys.readouterr().err
    assert "the folder runs/digits/0 of the run is gone: it was renamed or deleted during training" in said
    if rename:
        assert leyden("fit", "--ckpt_path", "elsewhere/0", "--trainer.max_epochs=2") == 0


def test_broken_configuration_in_the_folder_does_not_matter_to_a_test(leyden: Callable[..., int], digits: Path) -> None:
    leyden("fit", "--config", digits)
    Path("runs/digits/0/config.yaml").write_text("{: [")
    assert leyden("test", "--ckpt_path", "runs/digits/0") == 0
    assert "test/accuracy" in Path("runs/digits/0/metrics.json").read_text()


def test_broken_configuration_of_a_run_that_begins_anew(
    leyden: Callable[..., int], digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leyden("fit", "--config", digits)
    shutil.rmtree("runs/digits/0/checkpoints")
    Path("runs/digits/0/config.yaml").write_text("{: [")
    assert leyden("fit", "--ckpt_path", "runs/digits/0") == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("leyden: ")]
    assert len(said) == 1
    assert "config.yaml" in said[0]
