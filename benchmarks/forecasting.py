"""Training of forecasts by Leyden, by hand-written loops and by NeuralForecast, in turn.

    python -m benchmarks.forecasting [lstm linear peers] [--repeats 5] [--steps 200]

- ``lstm``: the network of ``etth1_lstm`` against a loop over windows cut beforehand (all of them in memory).
- ``linear``: the network of ``etth1_linear`` at batch 32 against a ``Dataset`` that makes each window from lists.
- ``peers``: NeuralForecast (``pip install neuralforecast``) against Leyden around *its* networks, an LSTM and DLinear:
  the same layers, loss and optimizer, each of the seven series alone on both sides, as many windows in a step.

Printed are the windows trained on in a second, the median of the repeats and their range; of ``peers`` in a second of
processor time, and how many multiplications and additions a window takes. ETTh1 lies under ``$LEYDEN_DATA``, or is
downloaded. Validation is left out in all.
"""

import argparse
import logging
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.probes import Instant, compare, train
from datamodules.files.frame import read_frame
from datamodules.sampling import BatchIndices
from datamodules.series import ETT, Series
from modules.forecasting import Forecaster
from modules.nets.forecasting import LinearForecaster, RecurrentForecaster, Sizes

HORIZON = 96
CONTEXT = {"lstm": 96, "linear": 336}
HIDDEN = 64
BATCH = 32
ALONE = 7 * BATCH  # windows of one series that hold as much as BATCH of all seven
MONTH = 30 * 24
NETS: dict[str, Callable[[Sizes], nn.Module]] = {
    "lstm": lambda sizes: RecurrentForecaster(sizes, "lstm", HIDDEN),
    "linear": LinearForecaster,
}


class Stopwatch(Callback):
    """Seconds from the first batch to the last, by the clock and of the processor."""

    seconds = processor = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.started = Instant.now()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        now = Instant.now()
        Stopwatch.seconds, Stopwatch.processor = now.clock - self.started.clock, now.processor - self.started.processor


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


def each_alone(kind: str, folder: Path) -> Series:
    """The seven series, standardized, below each other, with the published splits."""
    source = ETT(context=CONTEXT[kind])
    frame = read_frame(source.file)
    path, dates = folder / "alone.csv", frame["date"].tolist()
    frame.melt("date", var_name="series", value_name="y").to_csv(path, index=False)
    return Series(
        path=str(path), time="date", id="series", target="y", borders=[dates[12 * MONTH], dates[16 * MONTH]],
        context=CONTEXT[kind], horizon=HORIZON, batch_size=ALONE,
    )  # fmt: skip


class Theirs(nn.Module):
    """A network of NeuralForecast, as one of ours."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.net = their_model(kind)

    def forward(self, history: Tensor, known: Tensor) -> Tensor:
        """Forecast ``(batch, horizon, 1, 1)``."""
        nothing = dict.fromkeys(("futr_exog", "hist_exog", "stat_exog"))
        forecast: Tensor = self.net({"insample_y": history, **nothing})
        return forecast.unsqueeze(-1)


def their_model(kind: str, **options: Any) -> Any:
    from neuralforecast.losses.pytorch import MSE  # type: ignore[import-not-found]
    from neuralforecast.models import LSTM, DLinear  # type: ignore[import-not-found]

    common = {"h": HORIZON, "input_size": CONTEXT[kind], "loss": MSE(), "learning_rate": 1e-3, **options}
    common["scaler_type"] = "identity"
    return DLinear(**common) if kind == "linear" else LSTM(**common, encoder_hidden_size=HIDDEN, encoder_n_layers=1)


def operations(kind: str) -> float:
    """Multiplications and additions of the network for a window in training, forwards and backwards, in millions."""
    counter = FlopCounterMode(display=False)
    with torch.backends.mkldnn.flags(enabled=False), counter:  # an LSTM of MKL-DNN would not be counted
        Theirs(kind)(torch.randn(ALONE, CONTEXT[kind], 1), torch.empty(0)).mean().backward()
    return counter.get_total_flops() / ALONE / 1e6


def around_theirs(kind: str, steps: int, folder: Path) -> float:
    """Windows that Leyden trains their network on."""
    torch.manual_seed(0)
    task = Forecaster(lambda sizes: Theirs(kind), optimizer=lambda weights: torch.optim.Adam(weights, lr=1e-3))
    train(task, each_alone(kind, folder), [Stopwatch()], steps)
    return steps * ALONE / Stopwatch.processor


def by_neuralforecast(kind: str, steps: int) -> float:
    import pandas as pd
    from neuralforecast import NeuralForecast  # type: ignore[import-not-found]

    source = data(kind)
    source.setup("fit")
    view = source.datasets["train"].values  # type: ignore[attr-defined]
    rows = torch.cat([view[:, 0], view[-1, 1:]]).numpy()
    times = pd.date_range("2016-07-01", periods=len(rows), freq="h")
    frame = pd.concat([pd.DataFrame({"unique_id": str(k), "ds": times, "y": rows[:, k]}) for k in range(rows.shape[1])])
    model = their_model(
        kind, max_steps=steps, batch_size=7, windows_batch_size=ALONE, callbacks=[Stopwatch()], logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, accelerator="cpu",
    )  # fmt: skip
    NeuralForecast([model], freq="h").fit(frame)
    return steps * ALONE / Stopwatch.processor


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
        with tempfile.TemporaryDirectory() as folder:
            ways = {
                "Leyden": lambda: around_theirs(kind, steps, Path(folder)),  # noqa: B023
                "NeuralForecast": lambda: by_neuralforecast(kind, steps),  # noqa: B023
            }
            compare(kind, ways, given.repeats, f"windows/s of {operations(kind):.2f} M operations")


if __name__ == "__main__":
    main()
