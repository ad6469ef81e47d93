"""Who explains which kind of input."""

from typing import Any, NoReturn

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.types import Facts, ImageFacts, TableFacts, TextFacts
from experiments.explanation.attribution import check_captum
from experiments.explanation.base import Explainer
from experiments.explanation.images import ImageExplainer
from experiments.explanation.quantities import check_task
from experiments.explanation.tables import TableExplainer
from experiments.explanation.texts import TextExplainer
from modules.task import Task

_EXPLAINERS: tuple[tuple[type[Facts], type[Explainer[Any]]], ...]
_EXPLAINERS = ((TableFacts, TableExplainer), (ImageFacts, ImageExplainer), (TextFacts, TextExplainer))


def check_explained(task: Task[Any], makes: type[Facts]) -> None:
    """Refuse, before a network is built, what nothing explains.

    Args:
        task: The task.
        makes: What its data learns.

    Raises:
        MisconfigurationException: If nothing does, or captum is not installed.
    """
    check_task(task)
    if not issubclass(makes, tuple(facts for facts, _ in _EXPLAINERS)):
        _refuse(makes)
    check_captum()


def explainer_of(task: Task[Any], data: Any) -> Explainer[Any]:
    """What explains the predictions of a task.

    Args:
        task: The task, which knows the facts.
        data: Its data.

    Raises:
        MisconfigurationException: If nothing does, or captum is not installed.
    """
    check_task(task)
    check_captum()
    for facts, explainer in _EXPLAINERS:
        if isinstance(task.facts, facts):
            return explainer(task, data)
    _refuse(type(task.facts))


def _refuse(facts: type[Facts]) -> NoReturn:
    raise MisconfigurationException(
        f"predictions from {facts.what} cannot be explained: those from tables, images and texts can"
    )
