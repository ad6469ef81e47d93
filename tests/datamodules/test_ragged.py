import torch

from datamodules.ragged import Ragged


def test_ragged_pads_what_is_asked_for() -> None:
    ragged = Ragged([[5, 6], [], [7, 8, 9]])
    torch.testing.assert_close(ragged.pad([2, 0]), torch.tensor([[7, 8, 9], [5, 6, 0]]))
    assert ragged.pad([1]).shape == (1, 0)
    assert ragged.lengths.tolist() == [2, 0, 3]
