from itertools import pairwise

import numpy as np
import pytest
import torch

from datamodules.tables import Tabular
from datamodules.types import TableClassFacts
from modules.nets import tabm
from modules.nets.tabm import MemberLinear, NumberEmbedding, TabM, soften
from modules.optimisation import parameter_groups


def facts(kinds, input_columns):
    quantiles = [float(k) for k in range(65)]
    numbers = {"quantiles": quantiles, "mean": 32.0, "scale": 2.0}
    columns = [{"kind": kind, **(numbers if kind != "category" else {})} for kind in kinds]
    return TableClassFacts(
        classes=["a", "b"],
        class_counts=[1, 1],
        num_inputs=len(input_columns),
        columns=columns,
        input_columns=input_columns,
        target_columns=[],
        num_rows=2,
    )


def test_a_number_is_embedded_by_its_bins():
    torch.manual_seed(0)
    edges = [torch.tensor([-1.0, 0.0, 0.0, 2.0]), torch.tensor([0.0, 1.0, 2.0, 5.0])]
    embed = NumberEmbedding(edges, width=3)
    torch.nn.init.normal_(embed.bins)
    inputs = torch.tensor([[-3.0, 0.5], [0.5, 1.0], [9.0, 4.0]])
    weight, bias = embed.weight.view(2, 3), embed.bias.view(2, 3)
    for row, vectors in zip(inputs, embed(inputs).view(3, 2, 3), strict=True):
        for k, x in enumerate(row.tolist()):
            known = sorted(set(edges[k].tolist()))
            bins = [np.clip((x - low) / (high - low), 0, 1) for low, high in pairwise(known)]
            curve = sum(share * embed.bins[k, t] for t, share in enumerate(bins))
            torch.testing.assert_close(vectors[k], curve + weight[k] * x / (1 + (x / 3) ** 2) ** 0.5 + bias[k])


def test_training_starts_from_lines():
    embed = NumberEmbedding([torch.linspace(-1, 1, 9)], width=4)
    line = soften(torch.tensor([[0.3]])) * embed.weight + embed.bias
    torch.testing.assert_close(embed(torch.tensor([[0.3]])), line)


def test_a_number_that_never_changes_has_no_bins():
    assert NumberEmbedding([torch.ones(5)], width=2)(torch.tensor([[1.0], [7.0]])).isfinite().all()


def test_soft_numbers_are_bounded():
    numbers = torch.tensor([0.01, -1e9, 3.0])
    torch.testing.assert_close(soften(numbers), torch.tensor([0.01, -3.0, 3 / 2**0.5]))


def test_members_by_hand():
    layer = MemberLinear(3, 4, 2)
    features = torch.randn(5, 3, 4)
    for k in range(3):
        expected = features[:, k] @ layer.weight[k] + layer.bias.view(3, 2)[k]
        torch.testing.assert_close(layer(features)[:, k], expected)


def test_numbers_and_days_are_embedded_and_nothing_else():
    # a number with its indicator, a category of two, a date with one wave
    net = TabM(6, 2, embedding=5)
    net.prepare(facts(["number", "category", "date"], [0, 0, 2, 2, 1, 1]))
    assert net.numbers.tolist() == [0, 2]
    assert net.others.tolist() == [1, 3, 4, 5]
    assert net.first.in_features == 2 * 5 + 4
    assert net.embed.low[0, :3].tolist() == [-16.0, -15.5, -15.0]
    net.prepare(facts(["number", "category", "date"], [0, 0, 2, 2, 1, 1]))
    torch.nn.init.normal_(net.embed.bins)
    for place in range(6):
        inputs = torch.randn(2, 6)
        inputs[1] = inputs[0]
        inputs[1, place] += 0.7
        outputs = net(inputs)
        assert outputs.shape == (2, 16, 2)
        assert (outputs[0] != outputs[1]).any(1).all(), place


def test_a_member_by_hand():
    net = TabM(3, 2, width=7, num_blocks=2, members=4)
    inputs = torch.randn(5, 3)
    for k in range(4):
        hidden = torch.relu(net.first(soften(inputs) * net.scale.view(4, 3)[k]))
        hidden = torch.relu(net.hidden[2](hidden))
        torch.testing.assert_close(net(inputs)[:, k], hidden @ net.head.weight[k] + net.head.bias.view(4, 2)[k])


@pytest.mark.parametrize(("many", "embedded", "shared"), [(9, True, False), (8, False, False), (2, False, True)])
def test_wide_tables_have_less_for_each_member(many, embedded, shared, monkeypatch):
    monkeypatch.setattr(tabm, "MANY", many)
    net = TabM(3, 2, width=7, embedding=3)
    net.prepare(facts(["number", "number", "number"], [0, 1, 2]))
    assert (net.embed is not None, isinstance(net.shared, torch.nn.Linear)) == (embedded, shared)
    assert net.first.in_features == (9 if embedded else 7 if shared else 3)
    assert net(torch.randn(5, 3)).shape == (5, 16, 2)


def test_fewer_bins_are_some_of_the_same():
    net = TabM(1, 2, num_bins=4)
    net.prepare(facts(["number"], [0]))
    assert net.embed.low.tolist() == [[-16.0, -8.0, 0.0, 8.0]]
    with pytest.raises(ValueError, match="num_bins is 65; the data knows the edges of at most 64"):
        TabM(1, 2, num_bins=65)


def test_facts_without_quantiles_are_refused():
    older = facts(["number"], [0])
    del older.columns[0]["quantiles"]
    with pytest.raises(ValueError, match="does not know the quantiles"):
        TabM(1, 2).prepare(older)


def test_bins_hold_equally_many_training_rows(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.exponential(size=1000) * 50 + 7
    rows = [f"{value},{'ab'[int(value > 40)]},{('train', 'val', 'test')[k % 3]}" for k, value in enumerate(x)]
    (tmp_path / "t.csv").write_text("\n".join(["x,y,split", *rows]) + "\n")
    data = Tabular(str(tmp_path / "t.csv"), "y", "class", split_column="split")
    data.setup("fit")
    net = TabM(1, 2, num_bins=4)
    net.prepare(data.facts)
    train = x[::3]
    edges = net.embed.low[0].numpy() * train.std() + train.mean()
    shares = [(train < edge).mean() for edge in edges]
    np.testing.assert_allclose(shares, [0, 0.25, 0.5, 0.75], atol=2 / len(train))


def test_a_number_that_many_rows_share_leaves_bins_to_the_others(tmp_path):
    rows = [f"{3000 if k % 10 else k},{k % 50},{'ab'[k % 2]},{('train', 'val', 'test')[k % 3]}" for k in range(6000)]
    (tmp_path / "t.csv").write_text("\n".join(["x,few,y,split", *rows]) + "\n")
    data = Tabular(str(tmp_path / "t.csv"), "y", "class", split_column="split")
    data.setup("fit")
    often, few = (column["quantiles"] for column in data.facts.columns)
    assert len(often) > 50
    assert often[0] == 0
    assert often[-1] == 5970
    assert np.diff(often).max() <= 0.05 * 6000
    assert few == list(range(50))
    net = TabM(2, 2)
    net.prepare(data.facts)
    assert (net.embed.slope[1] > 0).sum() == 49


def test_rows_do_not_see_each_other():
    net = TabM(5, 2)
    inputs = torch.randn(3, 5)
    torch.testing.assert_close(net(inputs)[1:2], net(inputs[1:2]))


def test_scales_and_biases_are_left_alone_by_weight_decay():
    net = TabM(2, 2, width=6, num_blocks=1)
    net.prepare(facts(["number", "category"], [0, 1]))
    decayed, spared = parameter_groups(net, decay_all=False)
    if "weight_decay" in decayed:
        decayed, spared = spared, decayed
    assert {id(p) for p in decayed["params"]} == {id(p) for p in (net.head.weight, net.embed.bins, net.first.weight)}
    assert spared["weight_decay"] == 0


@pytest.mark.slow
def test_it_can_be_exported():
    net = TabM(2, 2, width=6).eval()
    net.prepare(facts(["number", "category"], [0, 1]))
    batch = torch.export.Dim("batch", min=1)
    exported = torch.export.export(net, (torch.randn(3, 2),), dynamic_shapes=({0: batch},))
    inputs = torch.randn(7, 2)
    torch.testing.assert_close(exported.module()(inputs), net(inputs))


@pytest.mark.parametrize("name", ["width", "num_blocks", "members", "num_bins", "embedding"])
def test_sizes_of_nothing_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0; it must be at least 1"):
        TabM(4, 2, **{name: 0})
