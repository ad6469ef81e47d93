"""Nobody has to open more than a few files to understand a task from end to end."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = sorted(path for path in (ROOT / "configs").glob("*/*.yaml") if path.parent.name not in ("trainer", "studies"))
FILES, LINES = 16, 2400  # beyond the core
# The core: what is the same for all tasks, or all kinds of data.
CORE = ("modules/task", "modules/accumulation", "modules/distributed", "modules/optimisation", "modules/faults")
CORE += (
    "modules/calibration",
    "modules/nets/loading",
    "modules/nets/checks",
    "modules/metrics/common",
    "modules/metrics/intervals",
    "datamodules/files",
    "datamodules/targets",
    "experiments",
)


def is_core(path: Path) -> bool:
    name = path.relative_to(ROOT).with_suffix("").as_posix()
    return name.startswith(CORE) or (name.startswith("datamodules/") and name.count("/") == 1)


def find(name: str) -> Path | None:
    """The file of a module, or of a class or function by its import path."""
    path = ROOT.joinpath(*name.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    if path.is_dir():
        return path / "__init__.py"
    parent, _, own = name.rpartition(".")
    place = find(parent) if parent else None
    if place is None or place.name != "__init__.py":
        return place
    return next((find(f"{module}.{own}") for module, names in imported(place) if own in names), place)


def imported(path: Path) -> Iterator[tuple[str, list[str]]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, [alias.name for alias in node.names]


def class_paths(tree: Any) -> Iterator[str]:
    if isinstance(tree, dict):
        if isinstance(path := tree.get("class_path"), str):
            yield path
        for value in tree.values():
            yield from class_paths(value)


def way(config: Path) -> set[Path]:
    """The files that the task, the network and the data of a config are made of."""
    content = yaml.safe_load(config.read_text())
    names = [*class_paths(content["model"]), *class_paths(content["data"])]
    left = [path for name in names if name.startswith(("modules", "datamodules")) and (path := find(name))]
    seen: set[Path] = set()
    while left:
        path = left.pop()
        if path in seen or is_core(path):
            continue
        seen.add(path)
        used = (f"{module}.{name}" for module, names in imported(path) for name in names)
        left += [place for name in used if name.startswith(("modules.", "datamodules.")) and (place := find(name))]
    return seen


@pytest.mark.parametrize("config", CONFIGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_task_is_understood_from_a_few_files(config: Path) -> None:
    files = way(config)
    lines = sum(len(path.read_text().splitlines()) for path in files)
    assert len(files) > 3, "the way is not followed"
    assert len(files) <= FILES, sorted(str(path.relative_to(ROOT)) for path in files)
    assert lines <= LINES
