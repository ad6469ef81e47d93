"""Load of ``leyden serve``: clients ask for a while; every answer must come, and be that of ``predict``.

    python -m benchmarks.serving --ckpt_path RUN --inputs FILE --clients 50 --seconds 60

It starts the server itself, on a free port, with one process on the CPU. The lines of the file are asked, or the rows
of a CSV.
"""

import argparse
import http.client
import json
import math
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from experiments import load
from experiments.deployment.serving.api import plain


def inputs_of(path: Path) -> list[Any]:
    if path.suffix == ".csv":
        import csv

        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    return path.read_text().splitlines()


def ask(connection: http.client.HTTPConnection, inputs: list[Any]) -> tuple[int, Any]:
    body = json.dumps({"inputs": inputs})
    connection.request("POST", "/predict", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def difference(found: Any, wanted: Any) -> float:
    if isinstance(found, float) and isinstance(wanted, float):
        return abs(found - wanted) / max(1.0, abs(wanted))
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        return max((difference(a, b) for a, b in zip(found, wanted, strict=True)), default=0.0)
    if isinstance(found, dict) and isinstance(wanted, dict) and found.keys() == wanted.keys():
        return max((difference(found[name], wanted[name]) for name in found), default=0.0)
    return 0.0 if found == wanted else math.inf


def wait_for(port: int, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.5)
    raise SystemExit("the server did not start")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--ckpt_path", required=True)
    parser.add_argument("--inputs", type=Path, required=True)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--each", type=int, default=1, help="most inputs of a request")
    options = parser.parse_args()
    inputs = inputs_of(options.inputs)
    wanted = [
        {str(name): plain(cell) for name, cell in row.items()}
        for row in load(options.ckpt_path).predict(inputs).to_dict("records")
    ]
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    words = ["serve", "--ckpt_path", options.ckpt_path, "--port", str(port), "--accelerator", "cpu"]
    server = subprocess.Popen([sys.executable, "-m", "experiments", *words])
    try:
        wait_for(port)
        times: list[float] = []
        lost: list[str] = []
        worst = [0.0]
        end = time.monotonic() + options.seconds

        def client(seed: int) -> None:
            chance = random.Random(seed)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            while time.monotonic() < end:
                chosen = [chance.randrange(len(inputs)) for _ in range(chance.randint(1, options.each))]
                start = time.monotonic()
                try:
                    status, answer = ask(connection, [inputs[k] for k in chosen])
                except (OSError, http.client.HTTPException, ValueError) as error:
                    lost.append(repr(error))
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
                    continue
                times.append(time.monotonic() - start)
                if status != 200:
                    lost.append(f"{status}: {answer}")
                    continue
                worst[0] = max(worst[0], difference(answer["predictions"], [wanted[k] for k in chosen]))

        threads = [threading.Thread(target=client, args=(seed,)) for seed in range(options.clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        server.terminate()
        server.wait(30)
    ordered = sorted(times)
    print(
        f"{options.clients} clients, {options.seconds:g} s: {len(times)} answers ({len(times) / options.seconds:.0f} a "
        f"second), {len(lost)} lost, greatest difference {worst[0]:.1e}, median {statistics.median(ordered) * 1e3:.0f} "
        f"ms, 99 of 100 within {ordered[int(0.99 * len(ordered))] * 1e3:.0f} ms"
    )
    print(*lost[:5], sep="\n")


if __name__ == "__main__":
    main()
