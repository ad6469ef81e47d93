"""``leyden init``: a folder for a task of one's own, beside an installed Leyden."""

import argparse
import keyword
import random
import sys
from importlib.util import find_spec
from pathlib import Path

TEMPLATE = Path(__file__).with_name("template")
NAME = "my_project"  # in the template
FILES = {
    "README.md": "readme.md",
    f"{NAME}/data.py": "data.py",
    f"{NAME}/task.py": "task.py",
    "configs/anomaly.yaml": "config.yaml",
    f"tests/test_{NAME}.py": "test.py",
}


def make(folder: Path) -> None:
    """Make a project: a package of the folder's name with a task and its data, a config, a test and a small table.

    Args:
        folder: The folder, which does not exist.
    """
    name = folder.name
    for target, source in FILES.items():
        path = folder / target.replace(NAME, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((TEMPLATE / f"{source}.template").read_text(encoding="utf-8").replace(NAME, name), "utf-8")
    (folder / name / "__init__.py").write_text(f'"""Tasks and data of {name}."""\n', encoding="utf-8")
    (folder / "conftest.py").write_text('"""Here, so that the tests find the package beside it."""\n', encoding="utf-8")
    chance = random.Random(0)
    rows = [(x := chance.gauss(0, 1), 2 * x + chance.gauss(0, 0.1), -x + chance.gauss(0, 0.1)) for _ in range(200)]
    lines = [",".join(f"{value:.4f}" for value in row) for row in rows]
    (folder / "measurements.csv").write_text("\n".join(["a,b,c", *lines]) + "\n", encoding="utf-8")


def main(words: list[str]) -> int:
    """Run ``leyden init``.

    Args:
        words: The command line, without ``init``.

    Returns:
        Exit code: 0, or 1 if there can be no such folder.
    """
    parser = argparse.ArgumentParser(prog="leyden init", description=(__doc__ or "").partition(": ")[2].capitalize())
    parser.add_argument("folder", type=Path, help="the folder, whose name is that of the package: my_project")
    folder: Path = parser.parse_args(words).folder
    name = folder.name
    if not name.isidentifier() or keyword.iskeyword(name):
        problem = f"{name!r} is no name for a package: take letters, digits and underscores"
    elif folder.exists():
        problem = f"{folder} is there already"
    elif find_spec(name) is not None:
        problem = f"there is a package {name} already: take another name"
    else:
        make(folder)
        print(f"{folder} is a project of your own; next: cd {folder}, and read README.md")
        return 0
    sys.stderr.write(f"leyden: {problem}\n")
    return 1
