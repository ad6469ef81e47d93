"""README in two languages: the same commands, links that lead somewhere, figures that stand in the table of results."""

import re
from pathlib import Path

import pytest
import yaml

from benchmarks import results

ROOT = Path(__file__).resolve().parent.parent
READMES = ["README.md", "README.zh-CN.md"]


def blocks(name: str) -> list[list[str]]:
    """The lines of each block of code, without comments."""
    found = re.findall(r"^```\w+\n(.*?)^```", (ROOT / name).read_text(), re.MULTILINE | re.DOTALL)
    return [[line.split("  #")[0].rstrip() for line in block.splitlines()] for block in found]


def test_both_languages_have_the_same_commands() -> None:
    english, chinese = map(blocks, READMES)
    assert len(english) > 5
    assert english == chinese


@pytest.mark.parametrize("name", READMES)
def test_links_and_configs_are_there(name: str) -> None:
    text = (ROOT / name).read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]
    configs = re.findall(r"configs/[\w/]+\.yaml", text)
    assert len(links) > 10
    assert len(configs) > 8
    assert [path for path in [*links, *configs] if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", READMES)
def test_scores_are_those_of_the_table_of_results(name: str) -> None:
    table = yaml.safe_load(results.TABLE.read_text())
    rows = re.findall(r"^\| [^|]+ \| `([\w/]+)` \| (.*) \|$", (ROOT / name).read_text(), re.MULTILINE)
    assert len(rows) > 5
    for config, told in rows:
        known = [results.shown("", values) for values in table[config]["scores"].values()]
        numbers = re.findall(r"\d[\d,]*[.,]\d+(?: ± \d[\d,.]*)?", told)
        seeds = re.findall(r"\((\d+) seed|(\d+) 个种子", told)[0]
        assert any(f" {numbers[0]} ({max(seeds)} seed" in score for score in known), (config, told, known)
