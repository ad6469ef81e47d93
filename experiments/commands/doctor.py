"""``leyden doctor``: what a report of a fault should say of the machine, and nothing private."""

import argparse
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from experiments import __version__
from experiments.commands.configs import CONFIGS, shipped
from experiments.program import typed

LIBRARIES = ("torch", "torchvision", "lightning", "torchmetrics", "jsonargparse", "numpy", "pandas", "transformers")
BF16 = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")  # what processors that compute bfloat16 are told by


def main(words: list[str]) -> int:
    """Run ``leyden doctor``.

    Args:
        words: The command line, without ``doctor``.

    Returns:
        Exit code: 0, or 1 if a library that is needed is missing.
    """
    argparse.ArgumentParser(prog="leyden doctor", description="Versions, devices, and where things lie.").parse_args(
        words
    )
    missing = [name for name in LIBRARIES if installed(name) is None]
    print(f"leyden       {__version__}, typed as: {typed()}")
    print(f"python       {platform.python_version()}, {platform.system()} {platform.machine()}")
    print("libraries    " + ", ".join(f"{name} {installed(name) or 'MISSING'}" for name in LIBRARIES))
    for name, packages in extras().items():
        lacking = [package for package in packages if installed(package) is None]
        print(f"extra        {name}: " + (f"without {', '.join(lacking)}" if lacking else "installed"))
    if "torch" not in missing:
        for line in devices():
            print(line)
    root = os.environ.get("LEYDEN_DATA") or "data"
    whence = "$LEYDEN_DATA" if os.environ.get("LEYDEN_DATA") else "where you are; $LEYDEN_DATA says otherwise"
    print(f"data         {told(root)} ({whence}): {count(Path(root), '*/')} folders")
    room = shutil.disk_usage(Path()).free
    print(f"runs         runs: {count(Path('runs'), '*/*/config.yaml')} runs, {room / 1e9:.0f} GB free on this disk")
    print(f"configs      {len(list(shipped()))} in {told(CONFIGS)}")
    if missing:
        sys.stderr.write(f"leyden: {', '.join(missing)} cannot be found: install leyden anew\n")
    return 1 if missing else 0


def installed(package: str) -> str | None:
    """The version of a package that is installed; None if it is not."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def extras() -> dict[str, list[str]]:
    """The packages of each extra of leyden."""
    found: dict[str, list[str]] = {}
    try:
        needed = requires("leyden") or []
    except PackageNotFoundError:  # not installed, but run where it lies
        needed = []
    for line in needed:
        if extra := re.search(r"extra == ['\"](\w+)['\"]", line):
            found.setdefault(extra[1], []).append(re.split(r"[^\w.-]", line)[0])
    return found


def devices() -> Iterator[str]:
    """What PyTorch can compute on, a line each."""
    import torch

    known = torch.cpu.get_capabilities()
    bf16 = "computed" if any(known.get(name) for name in BF16) else "not computed (float32 is used instead)"
    simd = ", ".join(name for name in ("avx2", "avx512_f", "amx_tile") if known.get(name)) or platform.machine()
    yield f"cpu          {os.cpu_count()} cores, {torch.get_num_threads()} threads, {simd}; bfloat16 is {bf16}"
    for index in range(torch.cuda.device_count()):
        one = torch.cuda.get_device_properties(index)
        yield f"gpu {index}        {one.name}, {one.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"
    if not torch.cuda.device_count():
        mps = "Apple (mps)" if torch.backends.mps.is_available() else "none"
        built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU"
        yield f"gpu          {mps}; PyTorch is built for {built}"


def told(path: str | Path) -> str:
    """A path, without the name of whoever is at home there."""
    text, home = str(path), str(Path.home())
    return f"~{text.removeprefix(home)}" if home != "/" and f"{text}/".startswith(f"{home}/") else text


def count(folder: Path, pattern: str) -> int:
    """How many there are in a folder, which there may not be."""
    return len(list(folder.glob(pattern))) if folder.is_dir() else 0
