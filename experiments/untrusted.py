"""What a file from a stranger may say: plain data, and known classes where an option asks for one; never code."""

import contextlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import Namespace
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from experiments import yaml_limits
from experiments.lightning_patches import Refused, guarded
from experiments.runs import CONFIG
from experiments.saved_config import leaves

PACKAGES = ("datamodules", "experiments", "lightning", "modules", "timm", "torch", "torchmetrics", "torchvision")
EVALUATED = ("seed_everything", "name", "model", "data", "figures")  # sections of a configuration that hold for all
SECTIONS = (*EVALUATED, "trainer", "checkpoint")
LONGEST = 1 << 20  # characters of a configuration that a checkpoint carries
MOST, DEEPEST = 100_000_000, 100  # values in a checkpoint, tensors counted as one, and levels

_IMPORT_PATH = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+")
_PLACE = re.compile(r"(?:^|_)(?:dir|dirpath|folder|root)$")  # options that say where to write


class Restriction:
    """Lets a configuration name classes of known packages, but for what the user trusts or typed.

    Args:
        trust: Packages of which everything may be used.
        typed: Import paths that the user typed.
        follow_paths: Whether the path of a YAML file may stand for its content.
    """

    def __init__(self, trust: Sequence[str] = (), typed: Iterable[str] = (), follow_paths: bool = False) -> None:
        self.typed = frozenset(typed)
        # What the user typed may need more of its own package.
        self.trusted = frozenset(trust) | {path.split(".")[0] for path in self.typed} - frozenset(PACKAGES)
        self.packages: Sequence[str] = [*PACKAGES, *(self.trusted - {"jsonargparse"})]
        self.follow_paths = follow_paths
        self.refused: list[str] = []
        _find_here(self.trusted)

    def check_name(self, path: str) -> None:
        """Refuse an import path outside of the known packages, or private, before it is imported."""
        parts = path.split(".")
        if not self._trusts(path) and (parts[0] not in PACKAGES or any(part.startswith("_") for part in parts)):
            self._refuse(path)

    def check_found(self, path: str, found: object) -> None:
        """Refuse what is no class, or comes from elsewhere than its import path says."""
        if not self._trusts(path) and not (inspect.isclass(found) and found.__module__.split(".")[0] in PACKAGES):
            self._refuse(path)

    def check_code(self, value: object) -> None:
        """Refuse a function or class for an option that does not say which."""
        path = value.get("class_path") if isinstance(value, dict | Namespace) else value
        if isinstance(path, str) and not self._trusts(path):
            self._refuse(path)

    def _trusts(self, path: str) -> bool:
        return path in self.typed or any(f"{path}.".startswith(f"{package}.") for package in self.trusted)

    def _refuse(self, path: str) -> None:
        self.refused.append(path)
        raise Refused(f"{path} is no class of the kind that this option asks for, from {', '.join(PACKAGES)}")


def _find_here(packages: Iterable[str]) -> None:
    """Let packages of the user's own be imported from the folder where the user is, as by ``python``."""
    here = Path.cwd()
    for package in packages:
        lies_here = (here / f"{package}.py").is_file() or (here / package / "__init__.py").is_file()
        if lies_here and not {"", str(here)} & set(sys.path):
            sys.path.append(str(here))


def import_paths(words: Iterable[str]) -> set[str]:
    """All that looks like an import path in the words of a command line and in the configurations that they name."""
    found: set[str] = set()
    for word in words:
        found.update(_IMPORT_PATH.findall(word))
        path = Path(word.split("=", 1)[-1])
        with contextlib.suppress(OSError, ValueError):  # too long for a path, not readable, not UTF-8
            if path.suffix in (".yaml", ".yml", ".json") and path.is_file():
                found.update(_IMPORT_PATH.findall(path.read_text(encoding="utf-8")))
    return found


def read_carried(content: dict[str, Any], source: Path, to_train: bool) -> dict[str, Any]:
    """The configuration that a checkpoint carries, as plain data: nothing that it names has been looked at.

    Args:
        content: The checkpoint.
        source: Where it lies.
        to_train: Whether training goes on from it; to evaluate, the trainer's options are not of interest.

    Raises:
        MisconfigurationException: If it is no configuration.
    """
    source = source / CONFIG if source.is_dir() else source  # training begins anew
    text = content["config"]
    if not isinstance(text, str) or len(text) > LONGEST:
        raise MisconfigurationException(f"{source} is damaged: its configuration is no text")
    return read_config(text, source, to_train)


def read_config(text: str, source: Path, to_train: bool) -> dict[str, Any]:
    """Likewise, of the text of a configuration."""
    try:
        tree = yaml_limits.load(text)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise MisconfigurationException(f"{source} holds a configuration that cannot be read: {reason}") from error
    for part in ("model", "data"):
        section = tree.get(part) if isinstance(tree, dict) else None
        if not isinstance(section, dict) or not isinstance(section.get("class_path"), str):
            raise MisconfigurationException(f"{source} holds a configuration that does not say its {part}")
    config = {name: tree[name] for name in (SECTIONS if to_train else EVALUATED) if name in tree}
    if "trainer" in config:
        left: list[str] = []
        config["trainer"] = _without_places(config["trainer"], source.parent, "trainer", left)
        if left:
            rank_zero_warn(f"a run writes into its own folder, so {', '.join(left)} of {source} do not count")
    return config


def _without_places(tree: object, folder: Path, key: str, left: list[str]) -> object:
    """Options of the trainer, without any place elsewhere that something is written or sent to."""
    if isinstance(tree, list):
        return [_without_places(value, folder, key, left) for value in tree]
    if not isinstance(tree, dict):
        return tree
    kept = {}
    for name, value in tree.items():
        inner = key if name == "init_args" else f"{key}.{name}"
        if not isinstance(value, str):
            kept[name] = _without_places(value, folder, inner, left)
        elif isinstance(name, str) and _PLACE.search(name):
            kept[name] = str(folder)
        elif "://" in value or ".." in Path(value).parts or value.startswith(("/", "~")):
            left.append(f"{inner}: {value}")
        else:
            kept[name] = value
    return kept


@contextlib.contextmanager
def restricted(restriction: Restriction, source: Path, config: object) -> Iterator[None]:
    """Parse, and make what was parsed, under a restriction.

    Args:
        restriction: What may be named.
        source: Where the configuration comes from.
        config: The configuration, to find in it what is refused.

    Raises:
        MisconfigurationException: If the configuration names anything else.
    """
    try:
        with guarded(restriction):
            yield
    except MisconfigurationException as error:
        path = next((path for path in reversed(restriction.refused) if path in str(error)), None)
        if path is None:
            raise
        option = next((f" ({key})" for key, value in leaves(config) if path in str(value)), "")
        yours = f"; if it is yours, add --trust {path.split('.')[0]}" if _IMPORT_PATH.fullmatch(path) else ""
        raise MisconfigurationException(
            f"{source} names {path[:100]}{option}, and a file may name nothing but classes of the kind that an option "
            f"asks for, from {', '.join(PACKAGES)}{yours}"
        ) from error


def unfolded_size(tree: Any) -> int:
    """Values in nested containers, each counted as often as it is found: one may stand in many places.

    Args:
        tree: What a checkpoint holds; beyond ``DEEPEST`` levels it counts as ``MOST + 1``.
    """
    sizes: dict[int, int] = {}

    def size(tree: Any, depth: int) -> int:
        if id(tree) not in sizes:
            sizes[id(tree)] = MOST + 1  # until it is known: what holds itself has no end
            if depth <= DEEPEST:
                inner = (*tree.keys(), *tree.values()) if isinstance(tree, dict) else tree
                below = (size(value, depth + 1) for value in inner if isinstance(value, kinds))
                sizes[id(tree)] = 1 + len(inner) + sum(below)
        return sizes[id(tree)]

    kinds = (dict, list, tuple, set, frozenset)
    return size(tree, 0) if isinstance(tree, kinds) else 1
