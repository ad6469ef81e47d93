"""A signal to all processes of a training, as of ``timeout``, Ctrl-C, a cluster or a container that ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1]


def start(folder: Path, *words: str) -> "subprocess.Popen[str]":
    quiet = ["--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu"]
    return subprocess.Popen(
        [sys.executable, "-m", "experiments", "fit", *words, *quiet],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    until = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("signum", SIGNALS)
@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("processes", [1, 2])
def test_signal_to_the_group_ends_in_a_checkpoint_and_the_command_that_goes_on(
    processes: int, num_workers: int, signum: int, digits: Path, tmp_path: Path
) -> None:
    options = ["--trainer.max_epochs=100000", "--checkpoint.every_n_train_steps=1", f"--data.num_workers={num_workers}"]
    options += [f"--trainer.devices={processes}", f"--trainer.strategy={'ddp' if processes > 1 else 'auto'}"]
    process = start(tmp_path, f"--config={digits}", *options)
    last = tmp_path / "runs/digits/0/checkpoints/last.ckpt"
    wait_for(last, process)
    time.sleep(1)
    os.killpg(process.pid, signum)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 128 + signum, said
    assert "Traceback" not in said
    assert said.count("go on with: leyden fit --ckpt_path runs/digits/0\n") == 1
    step = torch.load(last, weights_only=True)["global_step"]
    assert f"stopped at step {step};" in said
    until = time.monotonic() + 30
    with pytest.raises(ProcessLookupError):  # nobody is left behind
        while time.monotonic() < until:
            os.killpg(process.pid, 0)
            time.sleep(0.1)


def test_signal_before_the_first_step_leaves_nothing_behind(
    leyden: Callable[..., int], digits: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from modules.classification import Classifier

    before = [signal.getsignal(signum) for signum in SIGNALS]
    monkeypatch.setattr(Classifier, "build", lambda self: os.kill(os.getpid(), signal.SIGTERM))
    assert leyden("fit", "--config", digits) == 128 + signal.SIGTERM
    assert "stopped before the first step" in capsys.readouterr().out
    assert [signal.getsignal(signum) for signum in SIGNALS] == before
    assert not Path("runs").exists()
