import pytest
import torch
import torch.nn.functional as F
from torch import nn

from modules.nets.forecasting import (
    LinearForecaster,
    PatchTransformer,
    RecurrentForecaster,
    SeasonalNaive,
    SegmentGRU,
    Sizes,
)

PLAIN = Sizes(targets=2, past=0, known=0, context=12, horizon=5, outputs=1, season=4)
FULL = Sizes(targets=2, past=1, known=3, context=12, horizon=5, outputs=3, season=4)
NETS = {
    "dlinear": lambda s: LinearForecaster(s, 3),
    "nlinear": lambda s: LinearForecaster(s, 0, "last"),
    "individual": lambda s: LinearForecaster(s, 3, individual=True),
    "lstm": lambda s: RecurrentForecaster(s, "lstm", 8, 2, bidirectional=True, dropout=0.1),
    "rnn": lambda s: RecurrentForecaster(s, "rnn", 8),
    "gru": lambda s: RecurrentForecaster(s, "gru", 8, normalise="standard"),
    "segments": lambda s: SegmentGRU(s, 4, 8),
    "highway": lambda s: SegmentGRU(s, 5, 8, highway=True),
    "patches": lambda s: PatchTransformer(s, 4, 3, 8, 2, 2, 16),
}


def inputs(sizes, batch=3):
    torch.manual_seed(0)
    return torch.randn(batch, sizes.context, sizes.targets + sizes.past), torch.randn(
        batch, sizes.context + sizes.horizon, sizes.known
    )


@pytest.mark.parametrize("sizes", [PLAIN, FULL], ids=["plain", "full"])
@pytest.mark.parametrize("name", NETS)
def test_shapes_and_gradients(name, sizes):
    net = NETS[name](sizes)
    forecast = net(*inputs(sizes))
    assert forecast.shape == (3, 5, 2, sizes.outputs)
    forecast.square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())


@pytest.mark.parametrize("name", NETS)
def test_covariates_known_for_the_future_count(name):
    net = NETS[name](FULL).eval()
    for parameter in net.parameters():  # some start at zero
        nn.init.normal_(parameter, std=0.3)
    history, known = inputs(FULL)
    changed = known.clone()
    changed[:, -1] += 1  # of the last step of the horizon
    before = net(history, known)
    assert not torch.allclose(net(history, changed)[:, -1], before[:, -1])
    history[..., 2] += torch.randn(3, 12)  # the past covariate
    assert not torch.allclose(net(history, known), before)


@pytest.mark.parametrize("name", ["nlinear", "lstm", "segments", "highway", "patches"])
def test_a_shifted_context_shifts_the_forecast(name):
    net = NETS[name](PLAIN).eval()
    history, known = inputs(PLAIN)
    torch.testing.assert_close(net(history + 100, known), net(history, known) + 100, atol=1e-3, rtol=0)


def test_the_highway_is_a_linear_map_beside_the_gru():
    net = SegmentGRU(PLAIN, 4, 8, highway=True).eval()
    history, known = inputs(PLAIN)
    gru = net(history, known)
    nn.init.zeros_(net.head.weight)
    nn.init.zeros_(net.head.bias)
    linear = net.highway(history.transpose(1, 2)).transpose(1, 2).unsqueeze(-1)
    torch.testing.assert_close(net(history, known), linear)
    assert not torch.allclose(gru, linear)


def test_series_do_not_mix_where_they_are_taken_one_by_one():
    for name in ("dlinear", "nlinear", "individual", "segments", "patches"):
        net = NETS[name](PLAIN).eval()
        history, known = inputs(PLAIN)
        before = net(history, known)
        history[..., 1] *= 2
        torch.testing.assert_close(net(history, known)[:, :, 0], before[:, :, 0])


@pytest.mark.parametrize("name", NETS)
def test_a_forecast_does_not_depend_on_its_batch(name):
    net = NETS[name](FULL).eval()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.3)
    history, known = inputs(FULL, batch=8)
    history[3] *= 1e4  # a neighbour of another size
    known[5] += 1e4
    together, order = net(history, known), torch.randperm(8)
    alone = torch.cat([net(history[k : k + 1], known[k : k + 1]) for k in range(8)])
    for k in range(8):
        torch.testing.assert_close(alone[k], together[k], rtol=1e-5, atol=1e-5 * together[k].abs().max().item())
        shuffled = net(history[order], known[order])[order.argsort()]
        torch.testing.assert_close(shuffled[k], together[k], rtol=1e-5, atol=1e-5 * together[k].abs().max().item())


def test_seasonal_naive_repeats_the_last_season():
    history = torch.arange(12.0)[None, :, None].repeat(1, 1, 2)
    forecast = SeasonalNaive(PLAIN)(history, torch.zeros(1, 17, 0))
    assert forecast[0, :, 0, 0].tolist() == [8, 9, 10, 11, 8]


def test_dlinear_is_trend_and_remainder_mapped_apart():
    net = LinearForecaster(PLAIN, kernel=3)
    nn.init.normal_(net.weight)
    nn.init.normal_(net.bias)
    history, known = inputs(PLAIN)
    for row in range(3):
        for k in range(2):
            series = history[row, :, k]
            padded = torch.cat([series[:1], series, series[-1:]])
            trend = torch.stack([padded[i : i + 3].mean() for i in range(12)])
            expected = trend @ net.weight[0] + (series - trend) @ net.weight[1] + net.bias.sum(0)[0]
            torch.testing.assert_close(net(history, known)[row, :, k, 0], expected)


def test_linear_takes_the_known_effect_off_and_puts_it_back():
    sizes = PLAIN._replace(known=1)
    net = LinearForecaster(sizes, kernel=0)
    nn.init.constant_(net.known.effect.weight, 2.0)
    _, known = inputs(sizes)
    history = 7 + 2 * known[:, :12].expand(-1, -1, 2)  # a level and the effect: the mean of the context is right
    torch.testing.assert_close(net(history, known).squeeze(-1), 7 + 2 * known[:, 12:].expand(-1, -1, 2))


def test_a_segment_net_is_a_gru_over_segments():
    net = SegmentGRU(PLAIN, 4, 8, normalise="none").eval()
    history, known = inputs(PLAIN)
    row, k = 2, 1
    state = torch.zeros(8)
    for segment in history[row, :, k].split(4):
        state = cell(net.gru, F.relu(net.embed(segment)), state)
    steps = [net.head(cell(net.gru, torch.cat([p, net.channel[k]]), state)) for p in net.position]
    torch.testing.assert_close(net(history, known)[row, :, k, 0], torch.cat(steps)[:5])


def cell(gru, x, h):
    """One step of a GRU, as Cho et al. write it down (with PyTorch's place for the reset gate)."""
    (ri, zi, ni), (rh, zh, nh) = (
        (w @ v + b).chunk(3)
        for w, v, b in ((gru.weight_ih_l0, x, gru.bias_ih_l0), (gru.weight_hh_l0, h, gru.bias_hh_l0))
    )
    z = torch.sigmoid(zi + zh)
    return (1 - z) * torch.tanh(ni + torch.sigmoid(ri + rh) * nh) + z * h


@pytest.mark.parametrize(("cell", "bidirectional"), [("gru", False), ("lstm", False), ("lstm", True)])
def test_a_recurrent_forecast_is_made_of_the_last_states_of_the_last_layer(cell, bidirectional):
    net = RecurrentForecaster(PLAIN, cell, 8, layers=2, bidirectional=bidirectional, normalise="none").eval()
    history, known = inputs(PLAIN)
    outputs, _ = net.encoder(history)  # (batch, context, hidden x directions)
    last = torch.cat([outputs[:, -1, :8], outputs[:, 0, 8:]], 1)
    torch.testing.assert_close(net(history, known).flatten(1), net.head(last))


def test_segments_that_do_not_fill_the_context_leave_its_oldest_steps():
    net = SegmentGRU(PLAIN, 5, 8).eval()
    history, known = inputs(PLAIN)
    before = net(history, known)
    history[:, :2] = 9.0
    torch.testing.assert_close(net(history, known), before)


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match="12 steps holds no segment of 24"):
        SegmentGRU(PLAIN)
    with pytest.raises(ValueError, match="12 steps holds no patch of 16"):
        PatchTransformer(PLAIN)
    with pytest.raises(ValueError, match="16 features cannot be shared out over 3 heads"):
        PatchTransformer(PLAIN, 4, heads=3)
    with pytest.raises(ValueError, match="moving average of 4 steps has no middle"):
        LinearForecaster(PLAIN, kernel=4)
