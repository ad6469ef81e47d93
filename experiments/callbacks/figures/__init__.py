"""Pictures and texts of each task on the board."""

from experiments.callbacks.figures.classification import ClassificationFigures
from experiments.callbacks.figures.forecasting import ForecastFigures
from experiments.callbacks.figures.tagging import TaggingFigures
from experiments.callbacks.figures.texts import TextMistakes
from experiments.callbacks.figures.translation import TranslationSamples

__all__ = ["ClassificationFigures", "ForecastFigures", "TaggingFigures", "TextMistakes", "TranslationSamples"]
