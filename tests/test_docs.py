"""What the documentation says to type can be typed: commands, configs, options; Python is Python."""

import itertools
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.commands.configs import find
from experiments.program import COMMANDS, LIGHTNING
from tests.parsing import parse

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / name for name in ("README.md", "README.zh-CN.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def typed() -> Iterator[tuple[str, list[str]]]:
    """Every command of the program that a page shows."""
    for page in PAGES:
        for block in blocks(page, "(?:bash|sh|console|text)"):
            for line in block.replace("\\\n", " ").splitlines():
                found = re.search(r"(?:^|&& |run |[\w/]/)(?:leyden|python -m experiments) (.+)", line)
                if found:
                    yield page.name, shlex.split(re.split(r" [|&;>]", found[1])[0], comments=True)


TYPED = list(typed())


def test_there_are_commands() -> None:
    assert len(TYPED) > 25


@pytest.mark.parametrize(("page", "words"), TYPED, ids=[f"{page} {' '.join(words)[:60]}" for page, words in TYPED])
def test_commands_and_configs_are_there(page: str, words: list[str]) -> None:
    known = {*LIGHTNING, *COMMANDS, "--help", "--version"}
    assert words[0] in known or set(words[0]) <= set("A-Z_."), words
    configs = [after for word, after in itertools.pairwise(words) if word in ("--config", "-c")]
    for config in configs:
        placeholder = config.isupper() or "<" in config or "my_" in config or config.startswith("runs/")
        assert placeholder or (ROOT / config).is_file() or find(config), config


def fits() -> list[list[str]]:
    """The commands that train, each once."""
    found = {tuple(words) for _, words in TYPED if words[0] == "fit" and "--config" in words}
    return [list(words) for words in sorted(found) if not any("..." in word or "<" in word for word in words)]


@pytest.mark.parametrize("number", range(len(blocks(ROOT / "docs" / "training.md", "yaml"))))
def test_overlays_are_parsed(number: int, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text(blocks(ROOT / "docs" / "training.md", "yaml")[number])
    parse(["fit", "--config", str(find("digits")), "--config", str(overlay)])


@pytest.mark.slow
@pytest.mark.parametrize("words", fits(), ids=[" ".join(words)[:80] for words in fits()])
def test_options_are_there(words: list[str]) -> None:
    given = {word for option, word in itertools.pairwise(words) if option == "--config"}
    parse([str(find(word) or ROOT / word) if word in given else word for word in words])


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_python_is_python(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block, page.name, "exec")


@pytest.mark.slow
def test_the_site_is_built(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in ("index.html", "results/index.html", "api/modules/index.html", "zh/index.html"):
        assert (tmp_path / "site" / page).is_file()
    assert "modules.task.Task" in (tmp_path / "site" / "api" / "modules" / "index.html").read_text()
