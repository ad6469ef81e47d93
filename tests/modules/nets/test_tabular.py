import pytest
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import nn

from datamodules.types import ClassFacts, TableClassFacts
from modules.nets.tabular import ColumnEmbedding, FTTransformer, prepare


def facts(**others):
    return TableClassFacts(
        classes=["a", "b"], class_counts=[1, 1], num_inputs=4, columns=[], target_columns=[], num_rows=2, **others
    )


def test_vectors_by_hand():
    # column 0: a number; column 1: a category of three
    embed = ColumnEmbedding(4, [0, 1, 1, 1], width=5)
    inputs = torch.tensor([[2.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0]])
    vectors = embed(inputs)
    assert vectors.shape == (2, 2, 5)
    assert torch.allclose(vectors[0, 0], 2 * embed.weight[0] + embed.bias[0])
    assert torch.allclose(vectors[0, 1], embed.weight[2] + embed.bias[1])
    assert torch.allclose(vectors[1, 1], embed.bias[1])  # a new category


def test_every_input_is_a_column_unless_it_is_told():
    net = FTTransformer(4, 3, width=8, num_heads=2)
    assert net.embed.num_columns == 4
    prepare(net, facts(input_columns=[0, 1, 1, 1]))
    assert net.embed.num_columns == 2
    assert net(torch.randn(6, 4)).shape == (6, 3)


def test_every_column_reaches_the_output():
    net = FTTransformer(5, 2, width=8, num_heads=2).eval()
    inputs = torch.randn(3, 5, requires_grad=True)
    net(inputs)[:, 0].sum().backward()
    assert (inputs.grad.abs() > 0).all()


def test_rows_do_not_see_each_other():
    net = FTTransformer(5, 2, width=8, num_heads=2).eval()
    inputs = torch.randn(3, 5)
    assert torch.allclose(net(inputs)[1:2], net(inputs[1:2]), atol=1e-6)


def test_networks_for_tables_refuse_other_data():
    other = ClassFacts(classes=["a", "b"], class_counts=[1, 1], num_inputs=4)
    prepare(nn.Linear(4, 2), other)  # no concern of other networks
    with pytest.raises(
        MisconfigurationException, match="FTTransformer is a network for tables, and the data has classes"
    ):
        prepare(FTTransformer(4, 2, width=8), other)


@pytest.mark.parametrize("options", [{"width": 0}, {"num_blocks": 0}, {"num_heads": 0}, {"expansion": 0.01}])
def test_sizes_of_nothing_are_refused(options):
    with pytest.raises(ValueError, match="must be at least 1"):
        FTTransformer(4, 2, **{"width": 8, **options})
