"""Kills a real ``leyden fit`` again and again, and compares what comes out with a run that was left alone.

    python -m benchmarks.chaos --config configs/image_classification/digits.yaml --kills 20 [further options of fit]

Every kill (SIGKILL) falls at a random moment of the time that the run still needs, so also during validation, between
epochs and while a checkpoint is being written; then ``leyden fit --ckpt_path RUN`` goes on (or starts anew from its
own ``config.yaml``, if no checkpoint was written yet). At the end every value in ``last.ckpt`` and ``best.ckpt``
(weights, optimizer, loop, random states, scores) and every point of every curve is compared, bit for bit.
"""

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from experiments.checkpoint import find, read

OWN = ("config",)  # the two runs have different names, hence different texts


def start(words: list[str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("ab") as file:
        return subprocess.Popen([sys.executable, "-m", "experiments", *words], stdout=file, stderr=file)


def finish(words: list[str], log: Path) -> float:
    """Run to the end; seconds it took."""
    started = time.monotonic()
    if start(words, log).wait():
        raise SystemExit(f"leyden {' '.join(words)} failed:\n{log.read_text()[-3000:]}")
    return time.monotonic() - started


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every tensor, number and string of nested containers, with its place."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{path}/{key}")
    elif isinstance(value, list | tuple):
        for position, inner in enumerate(value):
            yield from leaves(inner, f"{path}/{position}")
    else:
        yield path, value


def differing(one: Path, other: Path) -> tuple[list[str], int, int]:
    """Places at which two checkpoints differ, the number of places, and the number of tensors among them."""
    first, second = (dict(leaves({k: v for k, v in read(path).items() if k not in OWN})) for path in (one, other))
    places = sorted(first.keys() | second.keys())
    tensors = sum(isinstance(first.get(place), torch.Tensor) for place in places)
    return [place for place in places if not same(first.get(place), second.get(place))], len(places), tensors


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return type(one) is type(other) and bool(one == other)


def step_of(run: Path) -> int:
    """The step that a run would go on from; 0 before its first checkpoint."""
    return int(find(run, to_train=True)[1]["global_step"]) if any((run / "checkpoints").glob("*.ckpt")) else 0


def main() -> int:
    """Exit code 0 if nothing differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True, help="what to train")
    parser.add_argument("--kills", type=int, default=20, help="how often to kill it")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
    parser.add_argument("--folder", type=Path, help="keep the runs here; a temporary folder if not given")
    given, further = parser.parse_known_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="chaos"))
    moments = random.Random(given.seed)
    fit = ["fit", "--config", given.config, "--trainer.default_root_dir", str(folder), *further]
    fit += ["--trainer.enable_progress_bar", "false"]
    log = folder / "log.txt"
    log.parent.mkdir(parents=True, exist_ok=True)

    whole = finish([*fit, "--name", "alone"], log)
    # A kill before training begins loses nothing, so none is spent on it.
    begin = start_up([*fit, "--name", "start"], folder / "start" / "0", log)
    print(f"left alone: {whole:.1f} s, of which {begin:.1f} s until the first step", flush=True)

    run, words, killed = folder / "killed" / "0", [*fit, "--name", "killed"], 0
    started = time.monotonic()
    while killed < given.kills:
        process = start(words, log)
        wait_for_training(process, run, len(events(run)))
        # Bounded: the kills share what the run takes, and a checkpoint must have time to be written.
        delay = moments.uniform(0, 2 * max(0.2, (whole - begin) / given.kills))
        try:
            code = process.wait(timeout=delay)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            killed += 1
            words = ["fit", "--ckpt_path", str(run), "--trainer.enable_progress_bar", "false"]
            print(f"kill {killed:3} {delay:5.2f} s into training: goes on from step {step_of(run)}", flush=True)
        else:
            if code:
                raise SystemExit(f"leyden {' '.join(words)} failed:\n{log.read_text()[-3000:]}")
            print(f"done before kill {killed + 1}")
            break
    else:
        finish(words, log)
    total = time.monotonic() - started

    wrong = 0
    for name in ("last.ckpt", "best.ckpt"):
        places, number, tensors = differing(folder / "alone" / "0" / "checkpoints" / name, run / "checkpoints" / name)
        wrong += len(places)
        print(f"{name}: {len(places)} of {number} values differ ({tensors} of them tensors) {' '.join(places[:10])}")
    first, second = curves(folder / "alone" / "0"), curves(run)
    off = sorted((Counter(first) - Counter(second)) + (Counter(second) - Counter(first)))
    wrong += len(off)
    print(f"curves: {len(off)} of {len(first)} points differ {' '.join(map(str, off[:5]))}")
    lost = (total - whole) / max(1, killed)
    print(
        f"{killed} kills; {total:.1f} s instead of {whole:.1f} s: {lost:.1f} s lost per restart, "
        f"{begin:.1f} s of it starting up"
    )
    if given.folder is None:
        shutil.rmtree(folder)
    return int(wrong > 0)


def events(run: Path) -> list[Path]:
    return list(run.glob("events*"))


def curves(run: Path) -> list[tuple[str, int, float]]:
    """Tag, step and value of every scalar on the board; pictures and texts by tag and step."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    board = EventAccumulator(str(run), size_guidance=dict.fromkeys(("scalars", "images", "tensors", "histograms"), 0))
    board.Reload()
    tags = board.Tags()
    points = [(tag, e.step, e.value) for tag in tags["scalars"] for e in board.Scalars(tag)]
    points += [(tag, e.step, 0.0) for tag in tags["images"] for e in board.Images(tag)]
    points += [(tag, e.step, 0.0) for tag in tags["tensors"] for e in board.Tensors(tag) if "hparams" not in tag]
    return sorted(points)


def wait_for_training(process: "subprocess.Popen[bytes]", run: Path, known: int) -> None:
    """Until the process opens a TensorBoard file of its own, as training begins; or ends."""
    while len(events(run)) == known and process.poll() is None:
        time.sleep(0.02)


def start_up(words: list[str], run: Path, log: Path) -> float:
    """Seconds from the start of the program to the begin of training."""
    process, started = start(words, log), time.monotonic()
    wait_for_training(process, run, 0)
    seconds = time.monotonic() - started
    process.kill()
    process.wait()
    return seconds


if __name__ == "__main__":
    sys.exit(main())
