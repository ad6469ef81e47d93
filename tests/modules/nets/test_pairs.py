import torch

from modules.nets.pairs import PairLoss, neighbours


def test_neighbours_are_those_of_the_text():
    segment, window = 4, 3
    words = torch.tensor([1, 2, 3, 0, 4, 5, 6, 7, 8, 9, 0])
    widest = torch.zeros(len(words), len(words), dtype=torch.bool)
    for seed in range(200):
        torch.manual_seed(seed)
        centres, around, near = neighbours(words, segment, window)
        found = torch.zeros_like(widest)
        for s, i, j in near.nonzero().tolist():
            place = s * segment + i
            other = s * segment + j - window
            assert centres[s, i] == words[place]
            assert around[s, j] == words[other]
            found[place, other] = True
        for place in range(len(words)):
            near_places = [k for k in range(len(words)) if found[place, k]]
            if near_places:  # a window is whole: as far as its farthest word, but for the line's end
                reach = max(abs(k - place) for k in near_places)
                line = words[min(place, *near_places) : max(place, *near_places) + 1]
                assert 0 not in line
                assert reach <= 3
        widest |= found
    for a in range(len(words)):
        for b in range(len(words)):
            same_line = a != b and 0 not in words[min(a, b) : max(a, b) + 1]
            assert widest[a, b] == (same_line and abs(a - b) <= 3)


def test_gradient_of_the_pair_loss():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 4, dtype=torch.double, requires_grad=True)
    y = torch.randn(2, 5, 4, dtype=torch.double, requires_grad=True)
    weights = torch.rand(2, 3, 5, dtype=torch.double)
    ones = torch.ones(2, 3), torch.ones(2, 5)
    assert torch.autograd.gradcheck(lambda x, y: PairLoss.apply(x, y, weights, 2, *ones), (x, y))
    factors = torch.rand(2, 3), torch.rand(2, 5)
    whole = torch.autograd.grad(PairLoss.apply(x, y, weights, 2, *ones), (x, y))
    less = torch.autograd.grad(PairLoss.apply(x, y, weights, 2, *factors), (x, y))
    for grad, damped, factor in zip(whole, less, factors, strict=True):
        torch.testing.assert_close(damped, grad * factor[..., None])
