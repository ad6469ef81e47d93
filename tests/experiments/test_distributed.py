"""N processes give what one process gives."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision.io import write_png

from tests.processes import run_on
from tests.small_tasks import CONFIGS, TASKS, fit, predict

FRACTION = re.compile(r"(-?[0-9]+\.[0-9]+)")
FEW = "--data.path=few"


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
    calibrate = "--trainer.callbacks+=experiments.callbacks.Calibrate"
    assert leyden("fit", "--config", digits, "--name", "model", calibrate) == 0
    shutil.copytree("runs/model", "runs/other")
    predict = ["predict", "--data.predict_path=few"]
    single = ["--data=datamodules.images.ImageFolder", FEW, "--data.channels=1", "--data.val_fraction=0.5"]
    single += ["--data.batch_size=1"]
    # One step of plain SGD at rate 1 moves the weights by the gradient.
    step = ["fit", "--model=modules.classification.Classifier", "--model.net=torch.nn.Linear"]
    step += ["--model.optimizer=torch.optim.SGD", "--model.optimizer.lr=1", "--data=datamodules.tables.Iris"]
    step += ["--trainer.max_steps=1", "--name=gradient"]
    still = [*step[:3], "--model.optimizer.lr=0", *step[5:6], "--trainer.max_epochs=1", "--name=still", calibrate]
    commands = [
        ["test", "--ckpt_path=runs/{}/0", "--data.batch_size=50"],
        ["validate", "--ckpt_path=runs/{}/0", "--data.batch_size=7"],
        [*predict, "--ckpt_path=runs/{}/0", "--data.batch_size=2"],
    ]

    def of(run: str, batch_size: int, more: list[Any]) -> list[list[str]]:
        size = f"--data.batch_size={batch_size}"
        return [*([w.format(run) for w in c] for c in commands), [*step, size], [*still, size], *more]

    for command, *words in of("model", 60, []):
        assert leyden(command, *words) == 0
    # Training on more processes: EMA, accumulation, validation on fewer images than processes.
    features = ["--trainer.accumulate_grad_batches=2", "--name=features"]
    features += ["--trainer.callbacks+=experiments.callbacks.averaging.EMA", "--trainer.max_epochs=2"]
    many = ["fit", f"--config={digits}", *features]
    alone = ["fit", f"--config={digits}", *(single if num_processes < 4 else []), "--name=few"]
    said = run_on(num_processes, of("other", 60 // num_processes, [many, alone]), tmp_path)

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
    found = [torch.load(f"runs/still/{n}/checkpoints/best.ckpt", weights_only=True)["calibration"] for n in (0, 1)]
    for name, value in found[0].items():
        assert float(found[1][name]) == pytest.approx(float(value), rel=1e-5), name
    assert Path("runs/features/0/checkpoints/last.ckpt").exists()
    assert Path("runs/few/0/checkpoints/last.ckpt").exists()
    assert "sampler" not in said.lower()


def scores(run: str) -> dict[str, float]:
    found: dict[str, float] = json.loads(Path(f"runs/{run}/0/metrics.json").read_text())
    return found


def predictions(run: str) -> tuple[list[str], list[float]]:
    """What was predicted: the text, and the fractions in it, which may differ in their last digit."""
    files = [path for path in sorted(Path(f"runs/{run}/0").glob("predictions*")) if path.suffix != ".png"]
    parts = [FRACTION.split(path.read_text()) for path in files]
    return [text for part in parts for text in part[::2]], [float(number) for part in parts for number in part[1::2]]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_task_scores_and_predicts_alike(leyden: Callable[..., int], tmp_path: Path) -> None:
    commands = []
    for name in TASKS:
        config, *further = fit(name)
        assert leyden(config, *further, "--trainer.max_epochs=1", f"--name={name}_1") == 0
        for processes in (2, 3):
            shutil.copytree(f"runs/{name}_1", f"runs/{name}_{processes}")
        run = f"--ckpt_path=runs/{name}_{{}}/0"
        commands += [[*words, run] for words in (["validate"], ["test"], predict(name)) if words]
    for command, *words in commands:
        assert leyden(command, *(word.format(1) for word in words)) == 0
    for processes in (2, 3):
        run_on(processes, [[word.format(processes) for word in words] for words in commands], tmp_path)
        for name in TASKS:
            first, second = scores(f"{name}_1"), scores(f"{name}_{processes}")
            assert first.keys() == second.keys()
            for key, value in first.items():
                assert second[key] == pytest.approx(value, rel=1e-5, abs=1e-6, nan_ok=True), (name, key, processes)
            (text, numbers), (other, others) = predictions(f"{name}_1"), predictions(f"{name}_{processes}")
            assert other == text, (name, processes)
            assert others == pytest.approx(numbers, rel=1e-5, abs=2e-6), (name, processes)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_task_is_trained_alike_when_its_weights_are_shared_out(
    leyden: Callable[..., int], tmp_path: Path
) -> None:
    tasks = [name for name in TASKS if name != "tagging_by_counts"]  # which has no weights
    commands: dict[str, list[list[str]]] = {"whole": [], "shared": []}
    shared_out = [f"--config={CONFIGS}/trainer/fsdp.yaml", "--trainer.accelerator=cpu"]
    for name in tasks:
        for kind, strategy in (("whole", ["--trainer.strategy=ddp"]), ("shared", shared_out)):
            words = ["--trainer.callbacks=[]", "--trainer.accumulate_grad_batches=2", f"--name={name}_{kind}"]
            commands[kind].append([*fit(name), *strategy, *words, "--trainer.max_epochs=1"])
            commands[kind].append(["fit", f"--ckpt_path=runs/{name}_{kind}/0", "--trainer.max_epochs=2"])  # goes on
    for kind in commands:
        run_on(2, commands[kind], tmp_path, "")
    for name in tasks:
        for kind in commands:  # on one process
            assert leyden("test", f"--ckpt_path=runs/{name}_{kind}/0", "--trainer.strategy=auto") == 0
        weights = [
            torch.load(f"runs/{name}_{kind}/0/checkpoints/last.ckpt", weights_only=True)["state_dict"]
            for kind in commands
        ]
        assert weights[0].keys() == weights[1].keys()
        # Sums in another order: where a gradient is nearly zero, AdamW makes much of its last digits. A rate is 1e-3.
        for key, value in weights[0].items():
            torch.testing.assert_close(weights[1][key], value, rtol=1e-4, atol=1e-4)
        first, second = scores(f"{name}_whole"), scores(f"{name}_shared")
        for key, value in first.items():
            assert second[key] == pytest.approx(value, rel=1e-3, abs=1e-4, nan_ok=True), (name, key)


@pytest.mark.slow
def test_full_disk_ends_all_processes_with_the_sentence(
    leyden: Callable[..., int], digits: Path, tmp_path: Path
) -> None:
    assert leyden("fit", f"--config={digits}", "--trainer.max_epochs=1") == 0
    Path("runs/digits/0/checkpoints/last.tmp").symlink_to("/dev/full")
    with pytest.raises(AssertionError) as stopped:
        run_on(2, [["fit", "--ckpt_path=runs/digits/0", "--trainer.max_epochs=2"]], tmp_path)
    text = str(stopped.value)
    assert text.count("last.ckpt could not be written (No space left on device); the one before it is untouched") == 2
    assert "Connection closed" not in text
    assert leyden("fit", "--ckpt_path=runs/digits/0", "--trainer.max_epochs=2") == 0
