"""The rules of the house: which way imports point, one name for one class, constructors that hand the rest on."""

import ast
import importlib
import inspect
import textwrap
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonargparse._parameter_resolvers import get_signature_parameters

ROOT = Path(__file__).parents[1]
PACKAGES = ("datamodules", "modules", "experiments")
FILES = sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py") if p.name != "__main__.py")
KINDS = {path.parent.name for path in (ROOT / "datamodules").glob("*/__init__.py")} - {"files", "targets"}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path) -> Iterator[str]:
    """Modules of the project that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_point_one_way(path: Path) -> None:
    package, *folders = path.relative_to(ROOT).parts
    for name in imported(path):
        top, *rest = name.split(".")
        if top not in PACKAGES:
            continue
        if package == "datamodules":
            assert top == "datamodules", f"{path} imports {name}"
            kind = folders[0] if folders[0] in KINDS else None
            other = rest[0] if rest and rest[0] in KINDS else None
            assert other in (None, kind), f"{path}: what is for all kinds, or for another, imports {name}"
        elif package == "modules":
            assert top == "modules" or rest[:1] == ["types"], f"{path} imports {name}"
            if folders[0] == "nets":
                assert top != "modules" or rest[0] == "nets", f"{path}: a plain network imports {name}"
    if package == "modules" and folders[0] == "nets":
        names = [name for name in imported(path) if name.startswith("lightning")]
        allowed = ("MisconfigurationException", "rank_zero_info", "rank_zero_warn")
        assert all(name.endswith(allowed) for name in names), f"{path}: a plain network imports {names}"


def public_classes() -> Iterator[tuple[str, type]]:
    for path in FILES:
        module = importlib.import_module(module_name(path))
        for name, value in vars(module).items():
            if inspect.isclass(value) and value.__module__ == module.__name__ and not name.startswith("_"):
                yield f"{module.__name__}.{name}", value


CLASSES = dict(public_classes())


def test_no_two_public_classes_share_a_name() -> None:
    places = defaultdict(list)
    for path, value in CLASSES.items():
        places[value.__name__].append(path)
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_folders_can_be_looked_over(package: str) -> None:
    for folder in [ROOT / package, *(path for path in (ROOT / package).rglob("*") if path.is_dir())]:
        assert len(list(folder.glob("*.py"))) <= 16, folder


def hands_on(cls: type) -> bool:
    own = vars(cls).get("__init__")
    kinds = [] if own is None else [p.kind for p in inspect.signature(own).parameters.values()]
    return inspect.Parameter.VAR_KEYWORD in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds  # of Protocols


HANDING_ON = {path: cls for path, cls in CLASSES.items() if hands_on(cls)}


def test_constructors_hand_on() -> None:
    assert len(HANDING_ON) > 20


def keywords_to_base(cls: type) -> set[str]:
    """Options that a constructor sets itself in ``super().__init__(option=...)``."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls.__init__)))  # type: ignore[misc]
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "super().__init__"
    ]
    return {keyword.arg for call in calls for keyword in call.keywords if keyword.arg is not None}


@pytest.mark.parametrize("path", HANDING_ON)
def test_options_of_the_base_stay_whole(path: str) -> None:
    """The command line sees every option of the base, but for those that the class sets itself; none is misspelt."""
    cls = HANDING_ON[path]
    base = next(parent for parent in cls.__mro__[1:] if "__init__" in vars(parent))
    options = {parameter.name for parameter in get_signature_parameters(cls, None)}
    inherited = {parameter.name for parameter in get_signature_parameters(base, None)}
    own = set(inspect.signature(cls.__init__).parameters) - {"self", "kwargs"}  # type: ignore[misc]
    given = keywords_to_base(cls)
    assert given <= inherited, f"the base has no option {given - inherited}"
    assert inherited - options == given - own, "options of the base that the command line does not see"


@pytest.mark.parametrize("path", HANDING_ON)
def test_options_are_described(path: str) -> None:
    cls = HANDING_ON[path]
    described = inspect.getdoc(cls) or ""
    for name in set(inspect.signature(cls.__init__).parameters) - {"self", "kwargs"}:  # type: ignore[misc]
        assert f"\n    {name}: " in described, f"{path}: `{name}` is not described"
