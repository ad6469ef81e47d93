import pytest
import torch

from datamodules.sampling import BatchIndices
from datamodules.tables.examples import MixedExamples, TensorExamples


def test_batch_has_the_rows_of_the_indices():
    examples = TensorExamples(torch.arange(12.0).reshape(6, 2), torch.arange(6))
    inputs, target = examples.__getitems__(BatchIndices([4, 0]))
    assert inputs.tolist() == [[8.0, 9.0], [0.0, 1.0]]
    assert target.tolist() == [4, 0]
    assert len(examples) == 6


def test_no_target_for_predictions():
    inputs, target = TensorExamples(torch.zeros(3, 2)).__getitems__(BatchIndices([1]))
    assert inputs.shape == (1, 2)
    assert target is None


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="3 inputs, but 2 targets"):
        TensorExamples(torch.zeros(3, 2), torch.zeros(2))


def test_codes_become_one_hot_inputs():
    numbers, codes = torch.tensor([[0.5], [1.5]]), torch.tensor([[0, 2], [1, 4]], dtype=torch.int32)
    examples = MixedExamples(numbers, codes, num_hot=4, target=torch.tensor([7, 8]))
    inputs, target = examples.__getitems__(BatchIndices([1, 0]))
    assert inputs.tolist() == [[1.5, 0, 1, 0, 0], [0.5, 1, 0, 1, 0]]  # code 4 is a new category
    assert target.tolist() == [8, 7]
    assert len(examples) == 2
