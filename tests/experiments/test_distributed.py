"""N processes give what one process gives."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.io import write_png

ROOT = Path(__file__).parents[2]
# Each process runs all commands, so that the imports are paid for once.
WORKER = """
import json, sys
from experiments.program import main
for words in json.loads(sys.argv[1]):
    code = main(words)
    assert code == 0, (words, code)
"""
FEW = "--data.path=few"


def run_on(num_processes: int, commands: list[list[str]], folder: Path) -> str:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port), "WORLD_SIZE": str(num_processes)}
    options = ["--trainer.accelerator=cpu", f"--trainer.devices={num_processes}", "--trainer.strategy=ddp"]
    options += ["--trainer.enable_progress_bar=false"]
    words = json.dumps([[command[0], *options, *command[1:]] for command in commands])
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


def few_images(folder: Path) -> None:
    """Two images a class and split: fewer than three processes have batches for."""
    generator = torch.Generator().manual_seed(0)
    for split in ("train", "val", "test"):
        for label in range(2):
            place = folder / split / str(label)
            place.mkdir(parents=True)
            for i in range(2 if split == "train" else 1):
                pixels = torch.randint(0, 255, (1, 8, 8), generator=generator).to(torch.uint8)
                write_png(pixels, str(place / f"{i}.png"))


@pytest.mark.parametrize("num_processes", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_scores_predictions_and_gradients_are_those_of_one_process(
    num_processes: int, leyden: Callable[..., int], digits: Path, tmp_path: Path
) -> None:
    few_images(tmp_path / "few")
    assert leyden("fit", "--config", digits, "--name", "model") == 0
    shutil.copytree("runs/model", "runs/other")
    predict = ["predict", "--data.predict_path=few"]
    single = ["--data=datamodules.images.ImageFolder", FEW, "--data.channels=1", "--data.val_fraction=0.5"]
    single += ["--data.batch_size=1"]
    # One step of plain SGD at rate 1 moves the weights by the gradient.
    step = ["fit", "--model=modules.classification.Classifier", "--model.net=torch.nn.Linear"]
    step += ["--model.optimizer=torch.optim.SGD", "--model.optimizer.lr=1", "--data=datamodules.tables.Iris"]
    step += ["--trainer.max_steps=1", "--name=gradient"]
    commands = [
        ["test", "--ckpt_path=runs/{}/0", "--data.batch_size=50"],
        ["validate", "--ckpt_path=runs/{}/0", "--data.batch_size=7"],
        [*predict, "--ckpt_path=runs/{}/0", "--data.batch_size=2"],
    ]

    def of(run: str, batch_size: int, more: list[Any]) -> list[list[str]]:
        return [*([w.format(run) for w in c] for c in commands), [*step, f"--data.batch_size={batch_size}"], *more]

    for command, *words in of("model", 60, []):
        assert leyden(command, *words) == 0
    # Training on more processes: EMA, accumulation, validation on fewer images than processes.
    features = ["--trainer.accumulate_grad_batches=2", "--name=features"]
    features += ["--trainer.callbacks+=experiments.callbacks.averaging.EMA", "--trainer.max_epochs=2"]
    fit = ["fit", f"--config={digits}", *features]
    alone = ["fit", f"--config={digits}", *(single if num_processes < 4 else []), "--name=few"]
    said = run_on(num_processes, of("other", 60 // num_processes, [fit, alone]), tmp_path)

    first, second = (json.loads(Path(f"runs/{run}/0/metrics.json").read_text()) for run in ("model", "other"))
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert second[name] == pytest.approx(value, abs=1e-6), name
    predictions = [Path(f"runs/{run}/0/predictions.csv").read_text() for run in ("model", "other")]
    assert predictions[0] == predictions[1]
    assert len(predictions[0].splitlines()) == 9
    weights = [torch.load(f"runs/gradient/{n}/checkpoints/last.ckpt", weights_only=True)["state_dict"] for n in (0, 1)]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-5, atol=1e-6)
    assert Path("runs/features/0/checkpoints/last.ckpt").exists()
    assert Path("runs/few/0/checkpoints/last.ckpt").exists()
    assert "sampler" not in said.lower()
