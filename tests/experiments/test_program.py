"""The program's words: what is answered at once, and which command is run."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import __version__
from experiments.program import COMMANDS, LIGHTNING, main, overview, typed

ROOT = Path(__file__).parents[2]


def test_answers_that_need_no_torch() -> None:
    asked = [[], ["-h"], ["--help"], ["--version"], ["fitt"], ["--foo"]]
    code = f"import sys\nfrom experiments.program import main\nfor words in {asked}: print('code', main(words))\n"
    code += (
        "heavy = {'torch', 'lightning', 'numpy', 'yaml', 'jsonargparse'} & sys.modules.keys()\nassert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("code")] == [
        f"code {code}" for code in (2, 0, 0, 0, 2, 2)
    ]
    assert f"leyden {__version__}\n" in done.stdout
    assert done.stderr.splitlines() == [
        "leyden: there is no command fitt - did you mean fit?",
        f"leyden: there is no option foo; the commands are {', '.join([*LIGHTNING, *COMMANDS])}",
    ]


def test_overview_fits_the_screen() -> None:
    lines = overview().splitlines()
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 100
    for name in (*LIGHTNING, *COMMANDS):
        assert sum(line.startswith(f"  {name} ") for line in lines) == 1


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_module(name: str) -> None:
    assert callable(importlib.import_module(COMMANDS[name].module).main)


def test_options_before_the_command_are_lightnings(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--config", "none.yaml", "fit"])
    assert "none.yaml" in capsys.readouterr().err


def test_what_can_be_typed_is_what_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def script(folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "leyden"
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return path

    own, other = tmp_path / "an environment", tmp_path / "other"
    monkeypatch.setattr(sys, "executable", str(own / "python"))
    monkeypatch.setenv("PATH", str(other))
    assert typed() == f"'{own / 'python'}' -m experiments"
    script(own)
    assert typed() == f"'{own / 'leyden'}'"
    script(other)  # of another environment
    assert typed() == f"'{own / 'leyden'}'"
    monkeypatch.setenv("PATH", str(own))
    assert typed() == "leyden"
    monkeypatch.setenv("UV_RUN_RECURSION_DEPTH", "1")
    assert typed() == "uv run leyden"
    assert "  uv run leyden fit --config" in overview()
