"""An epoch of a 10-5-2 network on a CSV of 100,000 rows: ``leyden fit`` beside the plain script, in turn.

    python -m benchmarks.table_speed [--rows 100000] [--repeats 3] [--batch_sizes 256 10]

The plain script is the one of most tutorials: ``DataLoader(list(zip(x, y)))`` and a loop, with nothing else. Leyden has
its TensorBoard logs and its checkpoints on. Reading the file is left out of the time in both.
"""

import argparse
import contextlib
import io
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from benchmarks.probes import Clock
from experiments.program import main as leyden
from modules.nets.mlp import MLP

CONFIG = """
model:
  class_path: modules.classification.Classifier
  init_args:
    net: {class_path: modules.nets.mlp.MLP, init_args: {hidden: [5]}}
    optimizer: {class_path: torch.optim.AdamW, init_args: {lr: 0.001, fused: true}}
data:
  class_path: datamodules.tables.Tabular
  init_args: {path: PATH, target: y, kind: class, split_column: split}
trainer:
  max_epochs: 1
  accelerator: cpu
  callbacks+: benchmarks.probes.Clock
"""


def write_table(path: Path, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Write ten numbers and a class a row; 200 rows are for validation, which the plain script leaves out."""
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(rows + 400, 10)).astype("float32")
    target = (inputs.sum(1) > 0).astype("int64")
    splits = ["train"] * rows + ["val"] * 200 + ["test"] * 200
    header = ",".join([f"x{k}" for k in range(10)] + ["y", "split"])
    lines = (
        ",".join([*(f"{v:.6f}" for v in row), str(y), split])
        for row, y, split in zip(inputs, target, splits, strict=True)
    )
    path.write_text("\n".join([header, *lines]) + "\n")
    return torch.from_numpy(inputs[:rows]), torch.from_numpy(target[:rows])


def by_hand(inputs: torch.Tensor, target: torch.Tensor, batch_size: int) -> float:
    """Milliseconds a step of the plain script."""
    net = MLP(10, 2, hidden=[5])
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3)
    pairs: list[Any] = list(zip(inputs, target, strict=True))
    loader: DataLoader[Any] = DataLoader(pairs, batch_size=batch_size, shuffle=True)  # type: ignore[arg-type]
    started = time.perf_counter()
    for x, y in loader:
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
    return 1000 * (time.perf_counter() - started) / len(loader)


def by_leyden(folder: Path, batch_size: int) -> float:
    """Milliseconds a step of ``leyden fit``, with validation and checkpoints."""
    quiet = ["--trainer.enable_model_summary", "false", "--trainer.default_root_dir", str(folder)]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        assert leyden(["fit", "--config", str(folder / "t.yaml"), "--data.batch_size", str(batch_size), *quiet]) == 0
    return Clock.result[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[256, 10])
    options = parser.parse_args()
    torch.set_num_threads(1)
    print("batch   plain ms/step   leyden ms/step   plain / leyden   leyden - plain", flush=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inputs, target = write_table(folder / "t.csv", options.rows)
        (folder / "t.yaml").write_text(CONFIG.replace("PATH", str(folder / "t.csv")))
        for batch_size in options.batch_sizes:
            pairs = [
                (by_hand(inputs, target, batch_size), by_leyden(folder, batch_size)) for _ in range(options.repeats)
            ]
            plain, ours = (statistics.median(times) for times in zip(*pairs, strict=True))
            print(f"{batch_size:5} {plain:15.3f} {ours:16.3f} {plain / ours:16.2f} {ours - plain:16.3f}", flush=True)


if __name__ == "__main__":
    main()
