"""Pictures and texts of each task on the board."""

from lightning.pytorch import Callback

from datamodules.data import Data
from datamodules.text.base import TextData
from experiments.callbacks.figures.classification import ClassificationFigures
from experiments.callbacks.figures.forecasting import ForecastFigures
from experiments.callbacks.figures.inputs import TrainingInputs
from experiments.callbacks.figures.labels import LabelFigures
from experiments.callbacks.figures.regression import RegressionFigures
from experiments.callbacks.figures.selection import SelectionFigures
from experiments.callbacks.figures.tagging import TaggingFigures
from experiments.callbacks.figures.texts import TextMistakes
from experiments.callbacks.figures.translation import TranslationSamples
from experiments.callbacks.figures.vectors import VectorFigures
from modules.classification import Classifier
from modules.dialogue import ResponseSelector
from modules.embedding import SkipGram
from modules.forecasting import Forecaster
from modules.multilabel import MultiLabelClassifier
from modules.regression import Regressor
from modules.tagging import HMMTagger, Tagger
from modules.task import Task
from modules.translation import Translator

__all__ = [
    "ClassificationFigures",
    "ForecastFigures",
    "LabelFigures",
    "RegressionFigures",
    "SelectionFigures",
    "TaggingFigures",
    "TextMistakes",
    "TrainingInputs",
    "TranslationSamples",
    "VectorFigures",
    "figures_of",
]


def figures_of(task: Task, data: Data) -> list[Callback]:
    """What there is to show of a task, unless its configuration says it.

    Args:
        task: The task.
        data: Its data.
    """
    if isinstance(task, Classifier):
        return [TrainingInputs(), ClassificationFigures(), *([TextMistakes()] if isinstance(data, TextData) else [])]
    if isinstance(task, Tagger | HMMTagger):
        return [TaggingFigures()]
    if isinstance(task, Regressor):
        return [RegressionFigures()]
    if isinstance(task, Forecaster):
        return [ForecastFigures()]
    if isinstance(task, Translator):
        return [TranslationSamples()]
    if isinstance(task, ResponseSelector):
        return [SelectionFigures()]
    if isinstance(task, MultiLabelClassifier):
        return [LabelFigures()]
    return [VectorFigures()] if isinstance(task, SkipGram) else []
