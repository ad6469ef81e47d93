"""Training of forecasts by Leyden, by hand-written loops and by NeuralForecast, in turn.

    python -m benchmarks.forecasting [lstm linear peers] [--repeats 5] [--steps 200]

- ``lstm``: the network of ``etth1_lstm`` against a loop over windows cut beforehand (all of them in memory).
- ``linear``: the network of ``etth1_linear`` at batch 32 against a ``Dataset`` that makes each window from lists.
- ``peers``: both against NeuralForecast (``pip install neuralforecast``) at the same sizes: context, horizon, hidden
  size, and windows in a step.

Printed are the windows trained on in a second, the median of the repeats and their range. ETTh1 lies under
``$LEYDEN_DATA``, or is downloaded. Validation is left out in all.
"""

import argparse
import logging
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from benchmarks.probes import compare, train
from datamodules.sampling import BatchIndices
from datamodules.series import ETT
from modules.forecasting import Forecaster
from modules.nets.forecasting import LinearForecaster, RecurrentForecaster, Sizes

HORIZON = 96
CONTEXT = {"lstm": 96, "linear": 336}
HIDDEN = 64
BATCH = 32
NETS: dict[str, Callable[[Sizes], nn.Module]] = {
    "lstm": lambda sizes: RecurrentForecaster(sizes, "lstm", HIDDEN),
    "linear": LinearForecaster,
}


class Stopwatch(Callback):
    """Seconds from the first batch to the last."""

    seconds = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.started = time.perf_counter()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        Stopwatch.seconds = time.perf_counter() - self.started


def data(kind: str) -> ETT:
    return ETT(context=CONTEXT[kind], horizon=HORIZON, batch_size=BATCH)


def by_leyden(kind: str, steps: int) -> float:
    torch.manual_seed(0)
    train(Forecaster(NETS[kind]), data(kind), [Stopwatch()], steps)
    return steps * BATCH / Stopwatch.seconds


def by_hand(kind: str, loader: DataLoader[Any], steps: int) -> float:
    """A loop over batches of history and target."""
    torch.manual_seed(0)
    net = NETS[kind](Sizes(7, 0, 0, CONTEXT[kind], HORIZON, 1, 24))
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    nothing = torch.zeros(BATCH, CONTEXT[kind] + HORIZON, 0)

    def forever() -> Iterator[list[Tensor]]:
        while True:
            yield from loader

    batches, started = forever(), time.perf_counter()
    for _ in range(steps):
        history, target = next(batches)
        optimizer.zero_grad()
        loss = F.mse_loss(net(history, nothing[: len(history)]).squeeze(-1), target)
        loss.backward()
        optimizer.step()
    return steps * BATCH / (time.perf_counter() - started)


def cut_beforehand(kind: str) -> DataLoader[Any]:
    source = data(kind)
    source.setup("fit")
    windows = source.datasets["train"]
    (history, _, _), target = windows.__getitems__(BatchIndices(range(len(windows))))
    return DataLoader(TensorDataset(history.contiguous(), target.contiguous()), BATCH, shuffle=True, drop_last=True)


class FromLists(Dataset[tuple[Tensor, Tensor]]):
    """Makes each window, when it is asked for, from the rows of the series as lists."""

    def __init__(self, kind: str) -> None:
        source = data(kind)
        source.setup("fit")
        view = source.datasets["train"].values  # type: ignore[attr-defined]
        self.rows = torch.cat([view[:, 0], view[-1, 1:]]).tolist()
        self.context, self.size = CONTEXT[kind], len(view)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        middle = index + self.context
        return torch.tensor(self.rows[index:middle]), torch.tensor(self.rows[middle : middle + HORIZON])


def by_neuralforecast(kind: str, steps: int) -> float:
    import pandas as pd
    from neuralforecast import NeuralForecast  # type: ignore[import-not-found]
    from neuralforecast.models import LSTM, DLinear  # type: ignore[import-not-found]

    source = data(kind)
    source.setup("fit")
    view = source.datasets["train"].values  # type: ignore[attr-defined]
    rows = torch.cat([view[:, 0], view[-1, 1:]]).numpy()
    times = pd.date_range("2016-07-01", periods=len(rows), freq="h")
    frame = pd.concat([pd.DataFrame({"unique_id": str(k), "ds": times, "y": rows[:, k]}) for k in range(rows.shape[1])])
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    common: dict[str, Any] = {
        "h": HORIZON,
        "input_size": CONTEXT[kind],
        "max_steps": steps,
        # It takes windows of one series; BATCH of ours hold seven series each.
        "batch_size": 7,
        "windows_batch_size": BATCH * 7,
        "callbacks": [Stopwatch()],
        "enable_checkpointing": False,
        **quiet,
    }
    model = DLinear(**common) if kind == "linear" else LSTM(**common, encoder_hidden_size=HIDDEN, encoder_n_layers=1)
    NeuralForecast([model], freq="h").fit(frame)
    return steps * BATCH / Stopwatch.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=["lstm", "linear"], metavar="lstm|linear|peers")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200)
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    steps = given.steps
    if "lstm" in given.cases:
        loader = cut_beforehand("lstm")
        cut = lambda: by_hand("lstm", loader, steps)  # noqa: E731
        ways = {"Leyden": lambda: by_leyden("lstm", steps), "windows cut beforehand": cut}
        compare("LSTM", ways, given.repeats, "windows/s")
    if "linear" in given.cases:
        lists = DataLoader(FromLists("linear"), BATCH, shuffle=True)
        ways = {"Leyden": lambda: by_leyden("linear", steps), "lists": lambda: by_hand("linear", lists, steps)}
        compare("linear", ways, given.repeats, "windows/s")
    for kind in ("lstm", "linear") if "peers" in given.cases else ():
        ways = {
            "Leyden": lambda kind=kind: by_leyden(kind, steps),  # type: ignore[misc]
            "NeuralForecast": lambda kind=kind: by_neuralforecast(kind, steps),  # type: ignore[misc]
        }
        compare(kind, ways, given.repeats, "windows/s")


if __name__ == "__main__":
    main()
