"""Steps of training by ``leyden fit``, and by ``leyden fit --compile true``, in turn; a table in Markdown.

    python -m benchmarks.compiling [--accelerator gpu] [--steps 60] [CONFIG ...]

Both train on the same batches. Compiling happens in the first steps: what they take longer stands in a column of its
own, and a step is the median of those after the first third. The datasets lie under ``$LEYDEN_DATA``.
"""

import argparse
import contextlib
import io
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.probes import Steps
from experiments.program import main as leyden

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
SHIPPED = (
    "image_classification/digits",
    "image_classification/mnist_cnn",
    "tabular_classification/adult_tabm",
    "tabular_classification/adult_ft_transformer",
    "text_classification/sst2_cnn",
    "text_classification/sst2_lstm",
    "tagging/ewt_bilstm_crf",
    "dialogue/daily_dialog_selection",
    "forecasting/etth1_linear",
    "forecasting/etth1_lstm",
    "forecasting/etth1_patch",
    "forecasting/etth1_segment_gru",
)


class Measured(NamedTuple):
    """What a training took, and how it ended.

    Attributes:
        first: Seconds of the first third of the steps.
        step: Milliseconds of a step after them, the median.
        loss: Validation loss at the end.
    """

    first: float
    step: float
    loss: float


def train(config: str, steps: int, compiled: bool, further: list[str]) -> Measured:
    """Train for some steps of one epoch.

    Args:
        config: Name of a config, with its folder.
        steps: How many.
        compiled: Whether ``--compile true`` is given.
        further: Further options.
    """
    said = io.StringIO()
    torch._dynamo.reset()
    with tempfile.TemporaryDirectory() as folder:
        words = ["fit", "--config", f"{CONFIGS / config}.yaml", "--trainer.max_epochs", "1", "--name", "run"]
        words += ["--trainer.limit_train_batches", str(steps), "--trainer.limit_val_batches", "4"]
        words += ["--trainer.default_root_dir", folder, "--trainer.callbacks+=benchmarks.probes.Steps"]
        words += ["--trainer.enable_progress_bar", "false", "--compile", str(compiled).lower(), *further]
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = leyden(words)
        if code:
            raise SystemExit(f"leyden {' '.join(words)}\n{said.getvalue()[-3000:]}")
        loss = json.loads((Path(folder) / "run" / "0" / "metrics.json").read_text())["val/loss"]
    third = len(Steps.last) // 3
    return Measured(sum(Steps.last[:third]), 1000 * statistics.median(Steps.last[third:]), loss)


def main() -> int:
    """Print one line for each config."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compiling", description=__doc__.splitlines()[0])
    parser.add_argument("configs", nargs="*", default=[], help=f"which; {', '.join(SHIPPED)} if none is given")
    parser.add_argument("--accelerator", default="cpu", choices=["cpu", "gpu"])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    machine = torch.cuda.get_device_name() if given.accelerator == "gpu" else f"{torch.get_num_threads()} threads"
    print(f"{machine}, torch {torch.__version__}, {given.repeats} runs of each in turn; medians (least to greatest)\n")
    print("| config | ms a step | compiled | ratio | first steps longer by | validation loss | compiled |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for config in given.configs or SHIPPED:
        runs: dict[bool, list[Measured]] = {False: [], True: []}
        for _ in range(given.repeats):
            for compiled, done in runs.items():
                further = ["--trainer.accelerator", given.accelerator, "--trainer.devices", "1"]
                done.append(train(config, given.steps, compiled, further))
        plain, compiled_step = (statistics.median(run.step for run in runs[way]) for way in (False, True))
        spread = [f"({min(r.step for r in runs[way]):.1f}-{max(r.step for r in runs[way]):.1f})" for way in runs]
        longer = runs[True][0].first - statistics.median(run.first for run in runs[False])  # later ones have a cache
        print(
            f"| `{Path(config).name}` | {plain:.1f} {spread[0]} | {compiled_step:.1f} {spread[1]} "
            f"| {compiled_step / plain:.2f} | {longer:.0f} s | {runs[False][0].loss:.4f} | {runs[True][0].loss:.4f} |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
