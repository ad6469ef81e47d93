"""A project of one's own runs as it was made."""

import subprocess
import sys
from pathlib import Path

import pytest

from experiments.commands.init import FILES, NAME
from experiments.program import main


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "canals"]) == 0
    return tmp_path / "canals"


def test_project_is_named_throughout(project: Path) -> None:
    files = {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}
    assert {target.replace(NAME, "canals") for target in FILES} < files
    assert not [path for path in project.rglob("*.*") if path.is_file() and NAME in path.read_text()]


def test_project_trains_where_it_lies(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(project))])
    quick = ["--trainer.max_epochs=1", "--trainer.accelerator=cpu", "--trainer.enable_progress_bar=false"]
    assert main(["fit", "--config", "configs/anomaly.yaml", *quick]) == 0
    for name in [name for name in sys.modules if name.split(".")[0] == "canals"]:
        monkeypatch.delitem(sys.modules, name)
    sys.path.remove(str(project))
    assert main(["test", "--ckpt_path", "runs/anomaly/0"]) == 0


@pytest.mark.slow
def test_tests_of_the_project_pass(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("folder", "sentence"),
    [
        ("there", "there is there already"),
        ("1a", "'1a' is no name"),
        ("if", "is no name"),
        ("yaml", "a package yaml"),
    ],
)
def test_names_that_cannot_be(
    folder: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    assert main(["init", folder]) == 1
    assert sentence in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
