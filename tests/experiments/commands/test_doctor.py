"""What the doctor says."""

import importlib.metadata
from pathlib import Path

import pytest

from experiments.commands import doctor
from experiments.program import main


def test_doctor_tells_the_machine_and_nothing_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LEYDEN_DATA", str(tmp_path / "sets"))
    (tmp_path / "sets" / "trec").mkdir(parents=True)
    (tmp_path / "runs" / "digits" / "0").mkdir(parents=True)
    (tmp_path / "runs" / "digits" / "0" / "config.yaml").touch()
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert f"torch {importlib.metadata.version('torch')}" in said
    assert "~/sets ($LEYDEN_DATA): 1 folders" in said
    assert "1 runs" in said
    assert str(tmp_path) not in said
    assert "bfloat16 is" in said


def test_missing_library_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "LIBRARIES", ("torch", "no_such_library"))
    assert main(["doctor"]) == 1
    assert "leyden: no_such_library cannot be found" in capsys.readouterr().err
