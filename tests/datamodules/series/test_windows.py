from itertools import combinations, pairwise

import torch

from datamodules.sampling import BatchIndices
from datamodules.series.windows import ScaledSegment, Windows


def segments():
    one = torch.arange(24.0).view(12, 2)
    two = 100 + torch.arange(18.0).view(9, 2)
    return [ScaledSegment(one, one[:, :1] / 10, 3), ScaledSegment(two, two[:, :1] / 10, 5)]


def test_windows_are_those_cut_by_hand():
    for stride in (1, 2, 5):
        windows = Windows(segments(), targets=1, context=4, horizon=2, stride=stride)
        by_hand = [
            (values[k : k + 4], known[k : k + 6], number, values[k + 4 : k + 6, :1])
            for values, known, number in segments()
            for k in range(0, len(values) - 6 + 1, stride)
        ]
        assert len(windows) == len(by_hand)
        order = torch.randperm(len(windows)).tolist()
        (history, known, series), target = windows.__getitems__(BatchIndices(order))
        for k, index in enumerate(order):
            assert torch.equal(history[k], by_hand[index][0])
            assert torch.equal(known[k], by_hand[index][1])
            assert series[k] == by_hand[index][2]
            assert torch.equal(target[k], by_hand[index][3])


def test_windows_that_forecast_no_step_twice():
    for stride, horizon in ((1, 2), (1, 3), (2, 3), (5, 2), (1, 8)):
        starts = [range(0, size - 1 - horizon + 1, stride) for size in (12, 9)]
        apart = sum(len(starts_apart(some, horizon)) for some in starts)
        assert Windows(segments(), 1, 1, horizon, stride).num_apart == apart


def starts_apart(starts, horizon):
    """The most of some windows, of which no two forecast the same step, by trying all sets of them."""
    sets = (some for size in range(len(starts), 0, -1) for some in combinations(starts, size))
    return next((some for some in sets if all(b - a >= horizon for a, b in pairwise(some))), ())


def test_windows_take_no_memory_of_their_own():
    windows = Windows([ScaledSegment(torch.zeros(5000, 7), torch.zeros(5000, 0), 0)], 7, 720, 96)
    assert windows.values.shape == (5000 - 816 + 1, 816, 7)
    assert windows.values.untyped_storage().nbytes() == 5000 * 7 * 4


def test_without_truth_there_is_no_target():
    (history, known, _), target = Windows(segments(), 1, 7, 2, truth=False).__getitems__(BatchIndices([0]))
    assert target is None
    assert history.shape == (1, 7, 2)
    assert known.shape == (1, 9, 1)
