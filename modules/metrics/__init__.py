"""Scores that torchmetrics lacks, as sums that stay exact over any number of processes."""

from modules.metrics.classes import AUROC, CalibrationError, MacroF1
from modules.metrics.entities import EntityScores, TagScores
from modules.metrics.forecasts import ForecastErrors, QuantileScores
from modules.metrics.intervals import IntervalScores, SetScores
from modules.metrics.labels import LabelScores, MeanAveragePrecision
from modules.metrics.ranking import Ranking
from modules.metrics.regression import RegressionScores
from modules.metrics.text import BLEU, ChrF, Distinct

__all__ = [
    "AUROC",
    "BLEU",
    "CalibrationError",
    "ChrF",
    "Distinct",
    "EntityScores",
    "ForecastErrors",
    "IntervalScores",
    "LabelScores",
    "MacroF1",
    "MeanAveragePrecision",
    "QuantileScores",
    "Ranking",
    "RegressionScores",
    "SetScores",
    "TagScores",
]
