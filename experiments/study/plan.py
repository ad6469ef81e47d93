"""Which runs a study consists of."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from experiments import runs
from experiments.callbacks.monitors import Monitor, check_name, less_is_better
from experiments.study.options import FREE, Given
from experiments.study.repeats import Repeat
from experiments.study.space import Range, check_value, words
from experiments.study.trials import Parsed, Probe


class Plan:
    """The runs of a study, as command lines.

    Args:
        given: The command line of the study.

    Attributes:
        base: Options of the runs, named as on the command line.
        folder: Of the study.
        seed: Of the search, and of its splits.
        seeds: Of the runs that a result is the mean over.
        folds: The folds; ``[None]`` if there are none.
        monitor: The score that a search looks at.
    """

    def __init__(self, given: Given) -> None:
        self.given, self.settings = given, given.settings
        parsed = Parsed(["fit", *given.words])
        self.base = parsed.by_path()
        runs.check_name(given.name)
        self.folder = Path(self.base.get("trainer.default_root_dir") or "runs") / given.name
        if isinstance(parsed.seed, bool):
            raise MisconfigurationException(f"--seed_everything is {parsed.seed}: a study needs a number")
        self.seed = int(parsed.seed or 0)
        self.seeds = self.settings.list_seeds(self.seed)
        self.folds: list[int | None] = [*range(self.settings.folds)] or [None]
        self.monitor = str(self.base["checkpoint.monitor"])

    @property
    def num_runs(self) -> int:
        """Runs that are tested."""
        return len(self.seeds) * len(self.folds)

    def __str__(self) -> str:
        settings, folds = self.settings, len(self.folds)
        seeds = f"{len(self.seeds)} seed{'s' * (len(self.seeds) > 1)}"
        final = f"{self.num_runs} runs to test ({seeds}" + (f" x {folds} folds)" if settings.folds else ")")
        if not settings.trials:
            return final
        each = f"{settings.trials} trials" + (f" in each of {folds} folds" if settings.folds else "")
        return f"{each}, then {final}: {settings.trials * folds + self.num_runs} trainings in all"

    # ---- command lines

    def trial_words(self, fold: int | None) -> list[str]:
        """A trial without its parameters."""
        return [*self.given.words, f"--seed_everything={self.seed}", *self._fold_words(fold)]

    def repeats(self, best: Mapping[int | None, Mapping[str, object]]) -> list[Repeat]:
        """The runs that are tested: all folds of the first seed, then of the next.

        Args:
            best: The parameters that a search has found for each fold; empty if there was none.
        """
        return [Repeat(seed, fold, best[fold] if best else {}) for seed in self.seeds for fold in self.folds]

    def run_words(self, repeat: Repeat) -> list[str]:
        """A run that is tested."""
        # What a search was chosen on must not be what its best is tested on, whatever the seed.
        split = [f"--data.split_seed={self.seed}"] if self.settings.trials else []
        seed = f"--seed_everything={repeat.seed}"
        return [*self.given.words, seed, *split, *self._fold_words(repeat.fold), *words(repeat.params)]

    def _fold_words(self, fold: int | None) -> list[str]:
        if fold is None:
            return []
        return [f"--data.fold={json.dumps({'index': fold, 'count': len(self.folds), 'gap': self.settings.gap})}"]

    # ---- checks before the first run

    def check(self) -> None:
        """Refuse what cannot be searched.

        Raises:
            MisconfigurationException: If an option is not there, or does not take a value.
        """
        for option, space in self.settings.spaces.items():
            for value in space.samples():
                found = Parsed(["fit", *self.given.words, *words({option: value})]).by_path()
                if option in found or isinstance(space, Range):
                    check_value(option, space, value, found.get(option))
        Parsed(self._first_trial())

    def _first_trial(self) -> list[str]:
        first = {option: space.samples()[0] for option, space in self.settings.spaces.items()}
        return ["fit", *self.trial_words(self.folds[0]), *words(first)]

    def look(self) -> bool:
        """Look at options, data and model before the first run.

        Returns:
            Whether more of what is monitored is better; False if nothing is searched.

        Raises:
            MisconfigurationException: If anything cannot be done.
        """
        self.check()
        if not self.settings.trials and not self.settings.folds:
            return False
        known = Probe(self._first_trial(), self.folder / "0").directions
        monitor = Monitor("checkpoint", self.monitor, self.base.get("checkpoint.mode"))
        check_name(monitor, known)
        return not less_is_better(monitor, known)

    def fixed(self) -> dict[str, object]:
        """What must be the same whenever the study goes on."""
        options = {key: value for key, value in self.base.items() if not key.startswith(FREE)}
        settings = self.settings.fixed()
        return {"options": options, "seed": self.seed, **settings}

    def check_same(self, before: Mapping[str, Any]) -> None:
        """Refuse to go on with another study.

        Args:
            before: What ``fixed`` was when the study began.

        Raises:
            MisconfigurationException: If it differs.
        """
        now = json.loads(json.dumps(self.fixed()))
        old, new = before["options"], now["options"]
        # An option that one version of the program has and the other has not is none.
        pairs = {f"--{key}": (old[key], new[key]) for key in new if key in old}
        pairs |= {f"--study.{key}": (before.get(key), now.get(key)) for key in now.keys() - {"options"}}
        for key, (then, this) in pairs.items():
            if then != this:
                raise MisconfigurationException(
                    f"{self.folder} holds a study with {key} {then}, not {this}: give this one another --name"
                )
