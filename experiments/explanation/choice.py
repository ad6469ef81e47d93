"""Who explains which kind of input."""

from typing import Any

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.types import ImageFacts, TableFacts, TextFacts
from experiments.explanation.base import Explainer
from experiments.explanation.images import ImageExplainer
from experiments.explanation.quantities import check_task
from experiments.explanation.tables import TableExplainer
from experiments.explanation.texts import TextExplainer
from modules.task import Task


def explainer_of(task: Task[Any], data: Any) -> Explainer[Any]:
    """What explains the predictions of a task.

    Args:
        task: The task, which knows the facts.
        data: Its data.

    Raises:
        MisconfigurationException: If nothing does.
    """
    check_task(task)
    for facts, explainer in ((TableFacts, TableExplainer), (ImageFacts, ImageExplainer), (TextFacts, TextExplainer)):
        if isinstance(task.facts, facts):
            return explainer(task, data)
    raise MisconfigurationException(
        f"predictions from {task.facts.what} cannot be explained: those from tables, images and texts can"
    )
