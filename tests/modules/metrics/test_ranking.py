import pytest
import torch

from modules.metrics import Ranking


def test_ranking_is_brute_force():
    torch.manual_seed(0)
    scores, target = torch.randn(50, 10).round(decimals=1), torch.randint(10, (50,))
    metric = Ranking()
    metric.update(scores[:20], target[:20])
    metric.update(scores[20:], target[20:])
    ranks = [sum(float(s) >= float(row[t]) for s in row) for row, t in zip(scores, target, strict=True)]
    found = {name: float(value) for name, value in metric.compute().items()}
    assert found == pytest.approx(
        {
            "recall_at_1": sum(rank <= 1 for rank in ranks) / 50,
            "recall_at_5": sum(rank <= 5 for rank in ranks) / 50,
            "mrr": sum(1 / rank for rank in ranks) / 50,
        }
    )


def test_scores_of_nothing_are_none():
    assert all(score.isnan() for score in Ranking().compute().values())


def test_a_constant_score_earns_nothing():
    metric = Ranking()
    metric.update(torch.zeros(4, 10), torch.zeros(4, dtype=torch.long))
    assert {name: float(value) for name, value in metric.compute().items()} == pytest.approx(
        {"recall_at_1": 0, "recall_at_5": 0, "mrr": 0.1}
    )
