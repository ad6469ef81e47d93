"""Scores that torchmetrics lacks, as sums that stay exact over any number of processes."""

from modules.metrics.entities import EntityScores
from modules.metrics.forecasts import ForecastErrors, QuantileScores
from modules.metrics.ranking import Ranking
from modules.metrics.text import BLEU, ChrF, Distinct, Generated, Perplexity

__all__ = [
    "BLEU",
    "ChrF",
    "Distinct",
    "EntityScores",
    "ForecastErrors",
    "Generated",
    "Perplexity",
    "QuantileScores",
    "Ranking",
]
