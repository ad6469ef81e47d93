"""Runs to compare: single ones, all runs of a name, or the tested runs of a study."""

import json
import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import yaml
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.types import Row
from experiments import checkpoint, runs, yaml_limits
from experiments.saved_config import leaves
from experiments.study.results.folds import read_predictions
from experiments.study.results.scores import Spread, spreads
from experiments.untrusted import read_carried

# Options of which examples are tested on.
_TESTED: tuple[str, ...] = ("data", "data.path", "data.test_path", "data.test_fraction", "data.borders", "data.variant")
_TESTED += ("data.name", "data.group_column", "data.time_column", "data.split_column")
_TESTED += ("data.fold.index", "data.fold.count")


class Run:
    """A run that was scored.

    Args:
        folder: Of the run.

    Attributes:
        options: Named as on the command line.
        scores: In ``metrics.json``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.options = dict(leaves(yaml_limits.read(folder / runs.CONFIG)))
        self.scores = runs.read_scores(folder)

    @property
    def pair(self) -> tuple[object, object]:
        """Seed and fold: runs that have both in common are compared with each other."""
        return self.options.get("seed_everything"), self.options.get("data.fold.index")

    @cached_property
    def tested_on(self) -> dict[str, object]:
        """What says which examples the run was tested on."""
        known = {name: self.options[name] for name in _TESTED if self.options.get(name) is not None}
        seed = self.options.get("data.split_seed")
        known["seed of the split"] = self.options.get("seed_everything") if seed is None else seed
        return known | {"files": self._fingerprint()}

    def _fingerprint(self) -> str:
        path, content = checkpoint.find(self.folder, to_train=False)
        config = read_carried(content, path or self.folder, to_train=False)
        return str(checkpoint.facts(content, config).get("fingerprint", ""))

    @cached_property
    def predictions(self) -> dict[int, Row]:
        """The kept predictions of the test split, by the number of the example."""
        return {row["example"]: row for row in read_predictions(self.folder)}


class Group:
    """Runs whose scores are averaged.

    Args:
        path: A run, a study, or a folder of runs.
    """

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.runs = [Run(folder) for folder in _folders(path)]

    @property
    def options(self) -> dict[str, object]:
        """The options of all runs; of one in which they differ all values."""
        names = dict.fromkeys(name for run in self.runs for name in run.options)
        found = {}
        for name in names:
            values = [run.options.get(name) for run in self.runs]
            found[name] = values[0] if all(value == values[0] for value in values) else _Several(values)
        return found

    @property
    def scores(self) -> dict[str, Spread]:
        """Mean and spread of each score that all runs have."""
        return spreads([run.scores for run in self.runs])

    @property
    def numbers_examples(self) -> bool:
        """Whether a number of an example means the same one in all folds: then no two folds of a seed have it."""
        seen = set[tuple[object, int]]()
        for (seed, _), (run, *_again) in self.by_pair().items():
            here = {(seed, example) for example in run.predictions}
            if seen & here:
                return False
            seen |= here
        return True

    def by_pair(self) -> Mapping[tuple[object, object], list[Run]]:
        """The runs of each seed and fold."""
        found: dict[tuple[object, object], list[Run]] = {}
        for run in self.runs:
            found.setdefault(run.pair, []).append(run)
        return found

    def means(self, score: str) -> dict[tuple[object, object], float]:
        """A score by seed and fold: runs of the same ones are no independent runs, and averaged."""
        each = {pair: [run.scores[score] for run in of if score in run.scores] for pair, of in self.by_pair().items()}
        return {pair: math.fsum(values) / len(values) for pair, values in each.items() if values}


class _Several(list[object]):
    def __str__(self) -> str:
        different = list(dict.fromkeys(map(str, self)))
        return ", ".join(different) if len(different) < 4 else f"{len(different)} values"


def _folders(path: Path) -> list[Path]:
    study = path / "study.json"
    if study.is_file():
        try:
            return [path / str(run["run"]) for run in json.loads(study.read_text(encoding="utf-8"))["runs"]]
        except (ValueError, LookupError, TypeError) as error:
            raise MisconfigurationException(f"{study} is damaged: type the command of the study again") from error
    if (path / runs.CONFIG).is_file():
        return [path]
    numbered = [folder for folder in path.iterdir() if folder.name.isdecimal()] if path.is_dir() else []
    found = [folder for folder in numbered if (folder / runs.CONFIG).is_file() and (folder / runs.SCORES).is_file()]
    if not found:
        raise MisconfigurationException(f"{path} is neither a run nor a study, nor a folder of runs")
    return sorted(found, key=lambda folder: int(folder.name))


def plain(value: object) -> str:
    """A value of an option in a cell of a table."""
    if isinstance(value, str | _Several):
        return str(value)
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("...\n").strip()
