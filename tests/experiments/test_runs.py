"""Folders of runs: one each, with plain names, given back if nothing was trained."""

import json
import math
import os
import shlex
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from experiments import runs
from experiments.cli import LeydenCLI


def test_runs_are_numbered(tmp_path: Path) -> None:
    folders = [runs.claim(tmp_path / "runs", "x").folder for _ in range(11)]
    assert [folder.name for folder in folders] == [str(n) for n in range(11)]
    assert all(folder.is_dir() for folder in folders)


def test_runs_that_start_at_one_instant_get_a_folder_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    together, mkdir = threading.Barrier(8), os.mkdir

    def slow(path: str, *options: int) -> None:
        if Path(path).name == "0":
            together.wait(10)
        mkdir(path, *options)

    monkeypatch.setattr(os, "mkdir", slow)
    folders: list[Path] = []
    threads = [
        threading.Thread(target=lambda: folders.append(runs.claim(tmp_path / "runs", "x").folder)) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(int(folder.name) for folder in folders) == list(range(8))


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "../up", "a/b", "/a", "a\\b", "x" * 101, "x\n", "\0", "\N{OCTOPUS}" * 90]
)
def test_what_is_no_plain_name_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(MisconfigurationException, match="is no name for a run"):
        runs.claim(tmp_path / "runs", name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x", "my run", "a.b-c_d", "übung", "..x", "-x", "x" * 100])
def test_plain_names(name: str, tmp_path: Path) -> None:
    assert runs.claim(tmp_path, name).folder == tmp_path / name / "0"


@pytest.mark.parametrize("file", ["runs", "runs/x"])
def test_a_file_in_the_place_of_the_folder(file: str, tmp_path: Path) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).touch()
    with pytest.raises(MisconfigurationException, match=r"cannot have a folder in .*runs/x .*default_root_dir"):
        runs.claim(tmp_path / "runs", "x")


def test_what_is_given_back_is_gone_but_not_what_others_have(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    first = runs.claim(tmp_path / "mine" / "runs", "x")
    (first.folder / "file").touch()
    runs.give_back(first)
    assert list((tmp_path / "mine").iterdir()) == []
    first, second = (runs.claim(tmp_path / "runs", "x") for _ in range(2))
    runs.give_back(first)
    assert second.folder.is_dir()
    runs.give_back(second)
    assert (tmp_path / "runs" / "x").is_dir(), "made for the first"
    assert runs.claim(tmp_path / "runs", "x").folder.name == "0"


def test_commands_can_be_pasted() -> None:
    words = shlex.split(runs.command("test --ckpt_path", Path("my runs/it's/0")))
    assert words == ["leyden", "test", "--ckpt_path", "my runs/it's/0"]


def test_every_call_in_one_process_makes_a_run(leyden: Callable[..., int], digits: Path) -> None:
    for _ in range(3):
        LeydenCLI(["fit", "--config", str(digits), "--trainer.max_epochs=1", "--trainer.enable_progress_bar=false"])
    assert sorted(path.name for path in Path("runs/digits").iterdir()) == ["0", "1", "2"]
    assert all((Path("runs/digits") / n / "checkpoints" / "best.ckpt").exists() for n in "012")


@pytest.mark.parametrize(
    "fault",
    [
        ["--data=datamodules.images.ImageFolder", "--data.path=no"],
        ["--checkpoint.monitor=val/acc"],
        ["--model.net=torch.nn.Linear"],
        ["--trainer.fast_dev_run=true"],
    ],
)
def test_a_run_that_never_trained_leaves_nothing_behind(
    fault: list[str], leyden: Callable[..., int], digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        leyden("fit", "--config", digits, *fault)
    except RuntimeError as error:  # not of the user's making
        assert "mat1" in str(error)  # noqa: PT017
    assert not Path("runs").exists()


def test_names_outside_of_the_folder_of_runs(
    leyden: Callable[..., int], digits: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leyden("fit", "--config", digits, "--name=../up") == 1
    assert "'../up' is no name for a run" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [digits]


def test_printed_commands_are_quoted(
    leyden: Callable[..., int], digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert leyden("fit", "--config", digits, "--trainer.default_root_dir=my runs") == 0
    said = capsys.readouterr().out
    assert "next: leyden test --ckpt_path 'my runs/digits/0'\n" in said
    command = said[said.index("next: leyden ") + len("next: leyden ") :].splitlines()[0]
    assert leyden(*shlex.split(command)) == 0
    assert "--ckpt_path 'my runs/digits/0'" in capsys.readouterr().out


def test_scores_are_written_beside_others(tmp_path: Path) -> None:
    path = runs.write_scores(tmp_path / "new", {"val/loss": 1.0, "val/f1": 0.5})
    runs.write_scores(tmp_path / "new", {"val/loss": 2.0, "test/loss": float("nan")})
    scores = json.loads(path.read_text())
    assert (scores["val/loss"], scores["val/f1"]) == (2.0, 0.5)
    assert math.isnan(scores["test/loss"])
    assert [file.name for file in path.parent.iterdir()] == ["metrics.json"]


@pytest.mark.parametrize("damaged", ["", "{", "[1]"])
def test_damaged_scores_are_written_anew(damaged: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(damaged)
    with pytest.warns(UserWarning, match=r"metrics.json is damaged, and written anew"):
        runs.write_scores(tmp_path, {"val/loss": 1.0})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"val/loss": 1.0}


def test_training_writes_the_scores_of_the_best_checkpoint(leyden: Callable[..., int], digits: Path) -> None:
    assert leyden("fit", "--config", digits, "--trainer.max_epochs=4", "--model.optimizer.lr=0.3") == 0
    fitted = json.loads(Path("runs/digits/0/metrics.json").read_text())
    assert set(fitted) >= {"val/loss", "val/accuracy", "val/f1"}
    assert leyden("validate", "--ckpt_path", "runs/digits/0") == 0
    assert json.loads(Path("runs/digits/0/metrics.json").read_text()) == pytest.approx(fitted)


def test_interrupted_write_leaves_the_former_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "config.yaml"
    runs.write(path, "before")

    def full(*names: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        runs.write(path, "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
