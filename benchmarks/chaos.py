"""Kills a real ``leyden fit`` again and again, and compares what comes out with a run that was left alone.

    python -m benchmarks.chaos --kills 20
    python -m benchmarks.chaos --config configs/image_classification/digits.yaml --kills 20 [further options of fit]

Without ``--config`` every task is trained, on the samples of the tests.

Every kill (SIGKILL) falls at a random moment of the processor's time that the run still needs, so also during
validation, between epochs and while a checkpoint is being written; then ``leyden fit --ckpt_path RUN`` goes on (or
starts anew from its own ``config.yaml``, if no checkpoint was written yet). At the end every value in ``last.ckpt`` and
``best.ckpt`` (weights, optimizer, loop, random states, scores) and every point of every curve is compared, bit for bit.

The run that is left alone is a program of its own. Those that are killed are forked from this one, so that the imports
are paid for once; all they know of each other is what lies on the disk.
"""

import argparse
import math
import multiprocessing
import multiprocessing.process
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import torch

from experiments.callbacks.checkpointing import RunCheckpoint
from experiments.checkpoint import find, read
from experiments.program import main
from tests.small_tasks import TASKS, fit

OWN = ("config", "events")  # the two runs have different names, hence different texts and sizes of files


BEGUN = "begun"
EARLY = 0.1  # of the kills fall before training begins
FORK = multiprocessing.get_context("fork")


def start(words: list[str], log: Path) -> multiprocessing.process.BaseProcess:
    """Run ``leyden`` in a process of its own, which makes the file ``begun`` beside the log when training begins."""
    begun = log.with_name(BEGUN)
    begun.unlink(missing_ok=True)
    process = FORK.Process(target=_leyden, args=(words, log, begun))
    process.start()
    return process


def _leyden(words: list[str], log: Path, begun: Path) -> None:
    with log.open("ab", buffering=0) as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    begin = RunCheckpoint.on_train_start

    def begin_and_tell(self: RunCheckpoint, *args: Any) -> None:
        begin(self, *args)
        begun.touch()

    RunCheckpoint.on_train_start = begin_and_tell  # type: ignore[method-assign, assignment]
    sys.exit(main(words))


def spent(process: multiprocessing.process.BaseProcess) -> float:
    """Seconds of the processor's time that a process has had; infinitely many if it has ended."""
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return math.inf
    return math.inf if fields[0] == "Z" else sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def trained(process: multiprocessing.process.BaseProcess, log: Path) -> float:
    """Wait until a process begins to train, or ends.

    Returns:
        Seconds of the processor's time that it has had until then.
    """
    while process.is_alive() and not log.with_name(BEGUN).exists():
        time.sleep(0.005)
    return spent(process)


def finish(process: multiprocessing.process.BaseProcess, log: Path) -> None:
    """Wait for the end, which must be a good one."""
    process.join()
    if process.exitcode:
        raise SystemExit(f"leyden fit failed:\n{log.read_text()[-3000:]}")


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


def differing(one: Path, other: Path) -> tuple[list[str], int]:
    """Places at which two checkpoints differ, and the number of all places."""
    first, second = (dict(leaves({k: v for k, v in read(path).items() if k not in OWN})) for path in (one, other))
    places = sorted(first.keys() | second.keys())
    return [place for place in places if not same(first.get(place), second.get(place))], len(places)


def same(one: Any, other: Any) -> bool:
    """Whether two values have the same bits; a score may be NaN in both."""
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and _bits(one) == _bits(other)
    return type(one) is type(other) and bool(one == other or (one != one and other != other))


def _bits(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()


def step_of(run: Path) -> int:
    """The step that a run would go on from; 0 before its first checkpoint."""
    return int(find(run, to_train=True)[1]["global_step"]) if any((run / "checkpoints").glob("*.ckpt")) else 0


class Outcome(NamedTuple):
    """What came of a run that was killed again and again.

    Attributes:
        kills: How often it was killed.
        values: All values of both checkpoints, and points of all curves.
        wrong: Those that differ from the run that was left alone.
    """

    kills: int
    values: int
    wrong: list[str]


def torment(words: list[str], kills: int, moments: random.Random, folder: Path) -> Outcome:
    """Train twice, once left alone and once killed, and compare.

    Args:
        words: The command line that trains, without a name.
        kills: How often to kill.
        moments: When.
        folder: Where the runs go.
    """
    fit = [*words, "--trainer.default_root_dir", str(folder), "--trainer.enable_progress_bar", "false"]
    log = folder / "log.txt"
    folder.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        alone = [sys.executable, "-m", "experiments", *fit, "--name", "alone"]
        if subprocess.run(alone, stdout=file, stderr=file, check=False).returncode:
            raise SystemExit(f"leyden fit failed:\n{log.read_text()[-3000:]}")
    process, whole = start([*fit, "--name", "timed"], log), 0.0
    begin = trained(process, log)
    while (now := spent(process)) < math.inf:
        whole = now
        time.sleep(0.01)
    finish(process, log)

    run, words, killed = folder / "killed" / "0", [*fit, "--name", "killed"], 0
    while killed < kills:
        process = start(words, log)
        if early := moments.random() < EARLY:
            delay = moments.uniform(0, begin)
        else:  # bounded: the kills share what the run takes, and a checkpoint must have time to be written
            delay = trained(process, log) + moments.uniform(0, 2 * max(0.1, (whole - begin) / kills))
        while spent(process) < delay:
            time.sleep(0.002)
        if not process.is_alive():
            break
        process.kill()
        process.join()
        killed += process.exitcode == -signal.SIGKILL
        if run.exists():
            words = ["fit", "--ckpt_path", str(run), "--trainer.enable_progress_bar", "false"]
        print(f"kill {killed:3}{' (early)' * early}: goes on from step {step_of(run)}", flush=True)
    else:
        process = start(words, log)
    finish(process, log)

    wrong, values = list[str](), 0
    for name in ("last.ckpt", "best.ckpt"):
        places, number = differing(folder / "alone" / "0" / "checkpoints" / name, run / "checkpoints" / name)
        wrong, values = [*wrong, *(f"{name}{place}" for place in places)], values + number
    first, second = curves(folder / "alone" / "0"), curves(run)
    off = sorted((Counter(first) - Counter(second)) + (Counter(second) - Counter(first)))
    return Outcome(killed, values + len(first), [*wrong, *map(str, off)])


def torment_all() -> int:
    """Exit code 0 if nothing differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", help="what to train; every task on the samples of the tests if not given")
    parser.add_argument("--kills", type=int, default=20, help="how often to kill each")
    parser.add_argument("--seed", type=int, default=0, help="seed of the moments")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS), help="only these of the tasks")
    parser.add_argument("--folder", type=Path, help="keep the runs here; a temporary folder if not given")
    given, further = parser.parse_known_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="chaos"))
    if given.config is not None:
        asked = {Path(given.config).stem: ["fit", "--config", given.config]}
    else:
        often = ["--trainer.max_epochs=6", "--checkpoint.every_n_train_steps=3"]
        asked = {name: [*fit(name), *often] for name in given.tasks}
    outcomes = {}
    for name, words in asked.items():
        print(f"== {name}", flush=True)
        moments = random.Random(f"{given.seed} {name}")
        # In a process of its own, so that this one has no threads when it is forked again.
        with ProcessPoolExecutor(1, mp_context=FORK) as pool:
            outcomes[name] = pool.submit(torment, [*words, *further], given.kills, moments, folder / name).result()
        print(outcomes[name], flush=True)
    print("\n| task | kills | values compared | differing |\n|---|---|---|---|")
    for name, (kills, values, wrong) in outcomes.items():
        print(f"| {name} | {kills} | {values} | {len(wrong)} {' '.join(wrong[:5])} |")
    print(f"{sum(outcome.kills for outcome in outcomes.values())} kills")
    if given.folder is None:
        shutil.rmtree(folder)
    return int(any(outcome.wrong for outcome in outcomes.values()))


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


if __name__ == "__main__":
    sys.exit(torment_all())
