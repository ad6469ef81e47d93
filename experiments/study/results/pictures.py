"""Pictures of a search: its history, how much each option mattered, the score by each option."""

import shutil
import warnings
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from optuna import create_study, visualization
from optuna.exceptions import ExperimentalWarning
from optuna.trial import TrialState

from experiments.study.claims import Stage
from experiments.study.work import Work

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = "pictures"


def write_pictures(work: Work) -> None:
    """Draw the searches of a study with Optuna, into files and for the board.

    Args:
        work: The study.
    """
    from torch.utils.tensorboard import SummaryWriter

    folder = work.plan.folder / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    writer = SummaryWriter(folder)
    for fold, search in work.searches.items():
        for name, figure in draw(search, work.plan.monitor).items():
            name = name if fold is None else f"{name}_of_fold_{fold}"
            figure.savefig(folder / f"{name}.png", dpi=110, bbox_inches="tight")
            writer.add_figure(f"study/{name}", figure)
            plt.close(figure)
    writer.close()


def draw(search: Stage, score: str) -> "dict[str, Figure]":
    """The pictures of a search, by name; those that need more trials are left out.

    Args:
        search: The search.
        score: Name of what was searched for.
    """
    study = create_study(direction=search.study.direction)  # of what is asked for only
    study.add_trials([trial for trial in search.trials() if trial.state.is_finished()])
    values = {trial.value for trial in study.trials if trial.state == TrialState.COMPLETE}
    plots = visualization.matplotlib
    with warnings.catch_warnings(), plt.style.context("default"):
        warnings.simplefilter("ignore", ExperimentalWarning)
        axes: dict[str, object] = {"history": plots.plot_optimization_history(study, target_name=score)}
        if len(values) > 1:  # without any difference nothing can be of importance
            axes["importance"] = plots.plot_param_importances(study, target_name=score)
        axes["slices"] = plots.plot_slice(study, target_name=score)
    figures = {name: _figure(found) for name, found in axes.items()}
    figures["slices"].set_size_inches(4 * max(1, len(study.best_params)), 4)
    return figures


def _figure(axes: Any) -> "Figure":
    first = axes.flat[0] if isinstance(axes, np.ndarray) else axes  # several panels
    figure: Figure = first.get_figure(root=True)
    return figure
