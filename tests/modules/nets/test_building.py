"""A network is built of facts, whatever the inputs are."""

from pathlib import Path

import torch
from torch import nn

from datamodules.types import ClassFacts, NumberFacts, TableNumberFacts
from modules.nets.building import build_net, run_net
from modules.nets.images import SmallCNN
from modules.nets.pretrained import PretrainedClassifier
from modules.nets.tabular import FTTransformer

FACTS = ClassFacts(classes=["a", "b"], class_counts=[1, 1], num_inputs=3)
TINY = str(Path(__file__).parents[2] / "samples" / "sentence-transformers" / "all-MiniLM-L6-v2")


def test_images_lie_channels_last():
    seen = []
    net = build_net(lambda channels, outputs: SmallCNN(channels, outputs, width=4, num_stages=1), FACTS, 2).eval()
    net.features.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    images = torch.randn(2, 3, 8, 8)
    outputs = run_net(net, images)
    assert outputs.shape == (2, 2)
    weight = net.features[0][0].weight
    assert all(tensor.is_contiguous(memory_format=torch.channels_last) for tensor in (weight, seen[0]))
    torch.testing.assert_close(net(images), outputs)


def test_a_network_for_tables_knows_its_table():
    facts = TableNumberFacts(
        columns=[], input_columns=[0, 1, 1], target_columns=[], num_rows=9,
        num_inputs=3, targets=["y"], target_mean=[0.0], target_scale=[1.0],
    )  # fmt: skip
    assert build_net(FTTransformer, facts, 1).embed.num_columns == 2


def test_a_pretrained_encoder_that_is_not_at_hand_comes_with_its_checkpoint():
    here = PretrainedClassifier(26, 1, TINY).eval()
    facts = NumberFacts(num_inputs=26, targets=["y"], target_mean=[0.0], target_scale=[1.0])
    away = build_net(lambda inputs, outputs: PretrainedClassifier(inputs, outputs, "away/from-here"), facts, 1).eval()
    away.load_state_dict(here.state_dict())
    tokens = torch.tensor([[2, 5, 9, 3]])
    assert away(tokens).equal(here(tokens))


def test_other_inputs_stay_as_they_are():
    rows = torch.randn(4, 3)
    linear = build_net(nn.Linear, FACTS, 2)
    assert run_net(linear, rows).equal(linear(rows))
