"""Scores that torchmetrics lacks, as sums that stay exact over any number of processes."""

from modules.entity_scores import EntityScores
from modules.forecast_scores import ForecastErrors, QuantileScores
from modules.ranking import Ranking
from modules.text_scores import BLEU, ChrF, Distinct, Generated, Perplexity

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
