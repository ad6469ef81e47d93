"""Two hosts, one of which is killed: network namespaces joined by a virtual cable, one process on each; and an elastic
job, of two groups of processes on this machine, that goes on with the one that is left.

The commands are those of docs/multinode.md.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[1]
JOB = """#!/usr/bin/env bash
last=$(ls -dt runs/{name}/*/checkpoints/last.ckpt 2>/dev/null | head -n 1)
if [ -n "$last" ]; then
    exec leyden fit --ckpt_path "${{last%/checkpoints/last.ckpt}}"
fi
exec leyden fit --name {name} --config digits.yaml --config {root}/configs/trainer/multinode.yaml \\
    --trainer.accelerator cpu --checkpoint.every_n_train_steps 1 --trainer.enable_progress_bar false
"""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def hosts() -> Iterator[list[str]]:
    """Two network namespaces, 10.77.0.1 and 10.77.0.2."""
    names = [f"leyden{os.getpid()}-{number}" for number in range(2)]
    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", "cable0", "netns", names[0], "type", "veth", "peer", "name", "cable1", "netns", names[1])
        for number, name in enumerate(names):
            ip("-n", name, "addr", "add", f"10.77.0.{number + 1}/24", "dev", f"cable{number}")
            ip("-n", name, "link", "set", f"cable{number}", "up")
            ip("-n", name, "link", "set", "lo", "up")
    except (FileNotFoundError, subprocess.CalledProcessError) as error:
        remove(names)
        pytest.skip(f"network namespaces cannot be made here (ip netns: {getattr(error, 'stderr', b'') or error})")
    yield names
    remove(names)


def remove(names: list[str]) -> None:
    for name in names:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def boot(host: str, number: int, job: Path, port: int) -> "subprocess.Popen[bytes]":
    """What is typed on one host."""
    words = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
    words += ["--max-restarts", "5", "--rdzv-backend", "c10d", "--rdzv-id", job.stem]
    words += ["--rdzv-endpoint", f"10.77.0.1:{port}", "--local-addr", f"10.77.0.{number + 1}"]
    words += ["--rdzv-conf", "keep_alive_interval=1,keep_alive_max_attempt=3,is_host=" + ("0" if number else "1")]
    words += ["--no-python", str(job)]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "GLOO_SOCKET_IFNAME": f"cable{number}",
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",  # else a host that comes back is never told the new address
        "OMP_NUM_THREADS": "1",
    }
    with (job.parent / f"{job.stem}-host{number}.txt").open("ab") as log:
        return subprocess.Popen(
            ["ip", "netns", "exec", host, *words],
            cwd=job.parent,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def kill(host: str) -> None:
    """Everything that runs on a host, at once."""
    listed = subprocess.run(["ip", "netns", "pids", host], check=True, capture_output=True, text=True).stdout
    for pid in map(int, listed.split()):
        os.kill(pid, signal.SIGKILL)


def said(folder: Path) -> str:
    return "\n".join(f"== {path.name}\n{path.read_text()[-4000:]}" for path in sorted(folder.glob("*-host?.txt")))


@pytest.mark.slow
def test_job_goes_on_to_the_same_bits_after_a_host_was_killed(
    tmp_path: Path, hosts: list[str], digits: Path, differences: Callable[[Path, Path], list[str]]
) -> None:
    digits.write_text(digits.read_text().replace("max_epochs: 2", "max_epochs: 12"))
    jobs = []
    for name in ("alone", "killed"):
        jobs.append(tmp_path / f"{name}.sh")
        jobs[-1].write_text(JOB.format(name=name, root=ROOT))
        jobs[-1].chmod(0o755)
    try:
        alone = [boot(host, number, jobs[0], 29400) for number, host in enumerate(hosts)]
        assert [process.wait(300) for process in alone] == [0, 0], said(tmp_path)

        last = tmp_path / "runs" / "killed" / "0" / "checkpoints" / "last.ckpt"
        first, second = (boot(host, number, jobs[1], 29401) for number, host in enumerate(hosts))
        while not last.exists():
            assert first.poll() is None, said(tmp_path)
            time.sleep(0.01)
        kill(hosts[1])
        second.wait()
        before = last.stat().st_mtime_ns
        second = boot(hosts[1], 1, jobs[1], 29401)  # the host is up again
        assert [process.wait(300) for process in (first, second)] == [0, 0], said(tmp_path)
    finally:
        for host in hosts:
            kill(host)
    assert last.stat().st_mtime_ns > before  # the kill fell into training
    assert not (tmp_path / "runs" / "killed" / "1").exists()
    for name in ("last.ckpt", "best.ckpt"):
        assert differences(tmp_path / "runs" / "alone" / "0" / "checkpoints" / name, last.with_name(name)) == []


ELASTIC = """#!/usr/bin/env bash
nodes=$((WORLD_SIZE / LOCAL_WORLD_SIZE))
last=$(ls -dt runs/{name}/*/checkpoints/last.ckpt 2>/dev/null | head -n 1)
if [ -n "$last" ]; then
    exec leyden fit --ckpt_path "${{last%/checkpoints/last.ckpt}}" --trainer.num_nodes $nodes
fi
exec leyden fit --name {name} --config digits.yaml --config {root}/configs/trainer/multinode.yaml \\
    --trainer.num_nodes $nodes --trainer.accelerator cpu --checkpoint.every_n_train_steps 1 \\
    --data.global_batch_size 300 --trainer.enable_progress_bar false
"""


def join(number: int, job: Path, port: int) -> "subprocess.Popen[bytes]":
    """What is typed on each machine of an elastic job."""
    words = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "1:2", "--nproc-per-node", "1"]
    words += ["--max-restarts", "5", "--rdzv-backend", "c10d", "--rdzv-id", job.stem]
    words += ["--rdzv-endpoint", f"localhost:{port}", "--local-addr", "localhost"]
    conf = "last_call_timeout=8,keep_alive_interval=1,keep_alive_max_attempt=3"
    words += ["--rdzv-conf", f"{conf},is_host={1 - number}", "--no-python", str(job)]
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
        "OMP_NUM_THREADS": "1",
    }
    with (job.parent / f"{job.stem}-host{number}.txt").open("ab") as log:
        return subprocess.Popen(words, cwd=job.parent, env=environment, stdout=log, stderr=log, start_new_session=True)


@pytest.mark.slow
def test_elastic_job_goes_on_with_fewer_machines(tmp_path: Path, digits: Path) -> None:
    digits.write_text(digits.read_text().replace("max_epochs: 2", "max_epochs: 20"))
    job = tmp_path / "elastic.sh"
    job.write_text(ELASTIC.format(name="elastic", root=ROOT))
    job.chmod(0o755)
    first, second = (join(number, job, 29402) for number in range(2))
    last = tmp_path / "runs" / "elastic" / "0" / "checkpoints" / "last.ckpt"
    try:
        while not last.exists():
            assert first.poll() is None, said(tmp_path)
            time.sleep(0.05)
        children = Path(f"/proc/{second.pid}/task/{second.pid}/children").read_text().split()
        for pid in (second.pid, *map(int, children)):  # its machine is gone
            os.kill(pid, signal.SIGKILL)
        assert first.wait(300) == 0, said(tmp_path)
    finally:
        for process in (first, second):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    processes = [line for line in (tmp_path / "elastic-host0.txt").read_text().splitlines() if "MEMBER" in line]
    assert "1/2" in processes[0]
    assert not any("/2" in line for line in processes[1:])
    assert len(processes) > 1
    assert torch.load(last, weights_only=True)["epoch"] == 20
