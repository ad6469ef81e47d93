"""Who explains which kind of input."""

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.data import Data
from datamodules.types import Facts, ImageFacts, TableFacts, TextFacts
from experiments.explanation.attribution import check_captum
from experiments.explanation.base import Explainer
from experiments.explanation.images import ImageExplainer
from experiments.explanation.quantities import check_task
from experiments.explanation.tables import TableExplainer
from experiments.explanation.texts import TextExplainer
from modules.task import Task

_EXPLAINERS: tuple[tuple[type[Facts], type[Explainer]], ...]
_EXPLAINERS = ((TableFacts, TableExplainer), (ImageFacts, ImageExplainer), (TextFacts, TextExplainer))


def find_explainer(task: Task, facts: type[Facts]) -> type[Explainer]:
    """What explains the predictions of a task, which need not have a network yet.

    Args:
        task: The task.
        facts: What its data learns.

    Raises:
        MisconfigurationException: If nothing does, or captum is not installed.
    """
    check_task(task)
    for kind, explainer in _EXPLAINERS:
        if issubclass(facts, kind):
            check_captum()
            return explainer
    raise MisconfigurationException(
        f"predictions from {facts.what} cannot be explained: those from tables, images and texts can"
    )


def explainer_of(task: Task, data: Data) -> Explainer:
    """The same, made for a task that knows the facts."""
    return find_explainer(task, type(task.facts))(task, data)
