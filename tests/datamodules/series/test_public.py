from pathlib import Path

import numpy as np
import pandas as pd
import torch

from datamodules.sampling import BatchIndices
from datamodules.series import ETT, Univariate

SAMPLES = Path(__file__).parents[2] / "samples"


def learned(data):
    data.setup("fit")
    return data


def test_ett_is_split_at_the_published_borders(tmp_path):
    (tmp_path / "ett").mkdir()
    times = pd.date_range("2016-07-01", periods=15000, freq="h")
    pd.DataFrame({"date": times, "OT": np.arange(15000) % 3000}).to_csv(tmp_path / "ett" / "ETTh1.csv", index=False)
    data = learned(ETT(context=336, horizon=96, root=str(tmp_path)))
    data.setup("test")
    assert len(data.datasets["train"]) == 8640 - 336 - 96 + 1
    assert len(data.datasets["val"]) == len(data.datasets["test"]) == 2880 - 96 + 1
    values = torch.tensor(np.arange(15000) % 3000, dtype=torch.double)
    mean, std = values[:8640].mean(), values[:8640].std(unbiased=False)
    (history, _, _), target = data.datasets["test"].__getitems__(BatchIndices([0]))
    torch.testing.assert_close(history[0, :, 0], ((values[11520 - 336 : 11520] - mean) / std).float())
    torch.testing.assert_close(target[0, :, 0], ((values[11520 : 11520 + 96] - mean) / std).float())
    _, target = data.datasets["test"].__getitems__(BatchIndices([2880 - 96]))
    torch.testing.assert_close(target[0, :, 0], ((values[14400 - 96 : 14400] - mean) / std).float())
    assert (data.facts.season, data.facts.frequency, data.facts.targets) == (24, "h", ["OT"])


def test_univariate_sample():
    data = learned(Univariate(root=str(SAMPLES), borders=["1957-01-01", "1959-01-01"]))
    data.setup("test")
    assert [len(data.datasets[split]) for split in ("train", "val", "test")] == [96 - 35, 24 - 11, 24 - 11]
    assert data.facts.season == 12
