"""Checks on a CUDA machine what can only run on one, and prints a table in Markdown.

    python -m benchmarks.gpu

Each line is a real ``leyden fit`` on scikit-learn's digits (nothing is downloaded) and a ``leyden test`` of what it
wrote. Lines that need several GPUs are left out, and named, where there is one.
"""

import json
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "configs" / "image_classification" / "digits.yaml"
ALL = str(torch.cuda.device_count())
GPU = ["--config", str(ROOT / "configs" / "trainer" / "gpu.yaml")]
DDP = ["--config", str(ROOT / "configs" / "trainer" / "ddp.yaml")]
FSDP = ["--config", str(ROOT / "configs" / "trainer" / "fsdp.yaml"), "--trainer.strategy.data_parallel_size", ALL]
CHECKS: dict[str, tuple[int, list[str]]] = {  # what: how many GPUs at least, further options
    "one GPU": (1, GPU),
    "one GPU, bf16": (1, [*GPU, "--config", str(ROOT / "configs" / "trainer" / "bf16.yaml")]),
    "one GPU, torch.compile": (1, [*GPU, "--compile", "true"]),
    "one GPU, 2 loader workers": (1, [*GPU, "--data.num_workers", "2"]),
    "FSDP2 (ModelParallelStrategy), all GPUs": (1, FSDP),
    "DDP (NCCL), all GPUs": (2, DDP),
    "DDP (NCCL), synchronised batch norm": (2, [*DDP, "--trainer.sync_batchnorm", "true"]),
}


def run(*words: str) -> tuple[bool, str]:
    """Whether a program of Python's ended well, and the last line that it said."""
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, cwd=ROOT)
    lines = (done.stdout if done.returncode == 0 else done.stdout + done.stderr).strip().splitlines()
    return done.returncode == 0, lines[-1] if lines else ""


def check(name: str, options: list[str], folder: Path) -> tuple[bool, str]:
    """Train and test; the test accuracy."""
    place = ["--trainer.default_root_dir", str(folder), "--name", name, "--trainer.enable_progress_bar", "false"]
    ok, last = run("experiments", "fit", "--config", str(CONFIG), *options, *place)
    if ok:
        ok, last = run("experiments", "test", "--ckpt_path", str(folder / name / "0"), "--trainer.devices", "1")
    if ok:
        last = f"test accuracy {json.loads((folder / name / '0' / 'metrics.json').read_text())['test/accuracy']:.4f}"
    return ok, last


def main() -> int:
    """Exit code 0 if every check passed."""
    if not torch.cuda.is_available():
        print("There is no CUDA GPU on this machine (torch.cuda.is_available() is False): nothing was checked.")
        return 1
    names = {torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())}
    print(f"{ALL} x {', '.join(sorted(names))}, torch {torch.__version__}, CUDA {torch.version.cuda}, {date.today()}\n")
    print("| check | result | seconds | |\n| --- | --- | --- | --- |")
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for number, (what, (least, options)) in enumerate(CHECKS.items()):
            started = time.monotonic()
            if torch.cuda.device_count() < least:
                print(f"| {what} | left out | | needs {least} GPUs |")
                continue
            ok, said = check(f"check{number}", options, Path(folder))
            good &= ok
            print(f"| {what} | {'ok' if ok else 'FAILED'} | {time.monotonic() - started:.0f} | {said} |", flush=True)
        started = time.monotonic()
        # One --config is that of what is trained; a second one of the trainer would take its place.
        kills = ["--kills=3", "--trainer.accelerator=gpu", "--trainer.devices=1", "--trainer.deterministic=true"]
        ok, said = run("benchmarks.chaos", "--config", str(CONFIG), *kills)
        good &= ok
        print(f"| killed 3 times, same bits | {'ok' if ok else 'FAILED'} | {time.monotonic() - started:.0f} | {said} |")
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
