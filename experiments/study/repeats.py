"""The runs that are tested: each belongs to its seed, its fold and its options, whatever its number is."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from experiments.study.claims import REPEAT, Stage

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

ORDER = "order"  # what the runs are by number, as an attribute of the study: all machines begin them in this order


class Repeat(NamedTuple):
    """What a run is trained with.

    Attributes:
        seed: Its seed.
        fold: Its fold; None if there are none.
        params: What a search has found, by the paths of options.
    """

    seed: int
    fold: int | None
    params: Mapping[str, object]

    @property
    def label(self) -> dict[str, int]:
        """Seed and fold."""
        return {"seed": self.seed} | ({} if self.fold is None else {"fold": self.fold})

    @property
    def key(self) -> str:
        """All of it as a text, equal where the runs are."""
        return json.dumps([self.seed, self.fold, dict(self.params)], sort_keys=True)


class Repeats(Stage):
    """The runs that are tested. Those that were done before and are not asked for any more stay where they are.

    Attributes:
        asked: What is asked for, by its text.
    """

    asked: Mapping[str, Repeat]

    def ask(self, repeats: Sequence[Repeat]) -> None:
        """Say which runs are wanted, once that is known.

        Args:
            repeats: The runs, each another one.
        """
        self.asked = {repeat.key: repeat for repeat in repeats}
        self.total = len(self.asked)

    def repeat(self, trial: "Trial | FrozenTrial") -> Repeat:
        """What a run is."""
        return self.asked[self._keys([trial])[trial.number]]

    def trials(self) -> list["FrozenTrial"]:
        """What has begun of what is asked for, in the order in which it is."""
        begun = self.begun()
        by_key = {key: trial for trial, key in zip(begun, self._keys(begun).values(), strict=True)}
        return [by_key[key] for key in self.asked if key in by_key]

    def _keys(self, trials: Sequence["Trial | FrozenTrial"]) -> dict[int, str]:
        """The texts of runs by number; empty for what is not known."""
        order = dict(enumerate(self.study.user_attrs.get(ORDER, [])))
        # A process that was killed as soon as it had a number has not said yet what for.
        return {trial.number: trial.user_attrs.get(REPEAT) or order.get(trial.number, "") for trial in trials}

    def numbers(self) -> list[str]:
        """The texts of all runs by number: of those that have begun, and then of those that are left."""
        begun, order = self._keys(self.begun()), list[str]()
        left = [key for key in self.asked if key not in begun.values()]
        while left or len(order) <= max(begun, default=-1):
            order.append(begun[len(order)] if len(order) in begun else left.pop(0) if left else "")
        if order != self.study.user_attrs.get(ORDER):
            self.study.set_user_attr(ORDER, order)
        return order
