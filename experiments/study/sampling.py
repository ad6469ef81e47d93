"""Suggestions that depend on the number of the trial, not on which process asks."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from optuna.samplers import BaseSampler, BruteForceSampler, GridSampler, QMCSampler

from datamodules.sampling import mix

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, TrialState


class SeededByNumber(BaseSampler):
    """A sampler that is made anew for each trial, seeded by the seed of the study and the number of the trial.

    So neither a restart nor another process repeats a draw.

    Args:
        make: Makes the sampler from a seed.
        seed: Of the study.
    """

    def __init__(self, make: Callable[[int], BaseSampler], seed: int) -> None:
        self.make, self.seed = make, seed
        self.inner = make(seed)

    def before_trial(self, study: "Study", trial: "FrozenTrial") -> None:
        """Make the sampler of a trial."""
        if not isinstance(
            self.inner, QMCSampler | GridSampler | BruteForceSampler
        ):  # whose seed is of a whole sequence
            self.inner = self.make(mix(self.seed, trial.number) % 2**32)
        self.inner.before_trial(study, trial)

    def infer_relative_search_space(self, study: "Study", trial: "FrozenTrial") -> dict[str, "BaseDistribution"]:
        """What is sampled together."""
        return self.inner.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: "Study", trial: "FrozenTrial", search_space: dict[str, "BaseDistribution"]
    ) -> dict[str, object]:
        """Sample together."""
        return self.inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: "Study", trial: "FrozenTrial", param_name: str, param_distribution: "BaseDistribution"
    ) -> object:
        """Sample one by itself."""
        return self.inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: "Study", trial: "FrozenTrial", state: "TrialState", values: "Sequence[float] | None"
    ) -> None:
        """A trial is over."""
        self.inner.after_trial(study, trial, state, values)
