"""Several processes that run ``leyden`` together."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Each process runs all commands, so that the imports are paid for once.
WORKER = """
import json, sys
from experiments.program import main
for words in json.loads(sys.argv[1]):
    code = main(words)
    assert code == 0, (words, code)
"""


def run_on(num_processes: int, commands: list[list[str]], folder: Path, strategy: str = "ddp") -> str:
    """Run commands one after the other.

    Args:
        num_processes: On how many processes.
        commands: The words of each.
        folder: Where.
        strategy: That of all, unless the commands say it themselves.

    Returns:
        What all processes said.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "WORLD_SIZE": str(num_processes)}
    options = ["--trainer.accelerator=cpu", f"--trainer.devices={num_processes}"]
    options += [f"--trainer.strategy={strategy}"] if strategy else []
    options += ["--trainer.enable_progress_bar=false"]
    words = json.dumps([[*command, *options] for command in commands])
    processes = []
    for rank in range(num_processes):
        ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank), "NODE_RANK": "0", "OMP_NUM_THREADS": "1"}
        environment = {**os.environ, **shared, **ranks, "PYTHONPATH": str(ROOT)}
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", WORKER, words],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    said = [process.communicate(timeout=500)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * num_processes, "\n".join(said)
    return "\n".join(said)
