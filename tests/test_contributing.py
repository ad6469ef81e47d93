"""A dataset and a task are added as CONTRIBUTING.md says, to a copy of the packages."""

import csv
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SAMPLES = Path(__file__).parent / "samples"
TEXT = (ROOT / "CONTRIBUTING.md").read_text()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packages and configs in a folder of their own."""
    for name in ("datamodules", "modules", "experiments", "configs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def leyden(folder: Path, *words: str) -> str:
    """What the program in a folder says; it has to end well."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "LEYDEN_DATA": str(folder / "data"), "OMP_NUM_THREADS": "1"}
    quiet = ["--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu", "--trainer.devices=1"]
    command = [sys.executable, "-m", "experiments", words[0], *quiet, *words[1:]]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_dataset_is_added(copy: Path) -> None:
    code = re.search(r"```python\n(class Reviews.*?)```", TEXT, re.DOTALL)
    assert code is not None
    assert len(code[1].split('"""', 2)[2].strip().splitlines()) <= 15  # without its first docstring
    public = copy / "datamodules" / "text" / "public.py"
    source = public.read_text().replace("import TextLines, Texts", "import TableTexts, TextLines, Texts")
    public.write_text(source + "\n\n" + code[1])
    names = copy / "datamodules" / "text" / "__init__.py"
    names.write_text(names.read_text().replace("SST2, TREC\n", "SST2, TREC, Reviews\n"))
    (copy / "data" / "reviews").mkdir(parents=True)
    shutil.copyfile(SAMPLES / "texts" / "reviews.csv", copy / "data" / "reviews" / "reviews.csv")
    config = copy / "configs" / "text_classification" / "reviews_cnn.yaml"
    config.write_text(
        "model:\n  class_path: modules.classification.Classifier\n  init_args: {net: modules.nets.text.TextCNN}\n"
        "data: datamodules.text.Reviews\ntrainer: {max_epochs: 1}\n"
    )
    leyden(copy, "fit", f"--config={config}", "--data.batch_size=8")
    leyden(copy, "test", "--ckpt_path=runs/reviews_cnn/0")


def test_a_task_is_added(copy: Path) -> None:
    files = re.findall(r"^`([\w/.]+)`:\n\n```\w+\n(.*?)```", TEXT, re.DOTALL | re.MULTILINE)
    assert [name for name, _ in files] == [
        "datamodules/measurements.py",
        "modules/anomaly.py",
        "configs/anomaly/measurements.yaml",
    ]
    for name, content in files:
        assert not (copy / name).exists()  # no file is edited
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text(content)
    chance = random.Random(0)
    with (copy / "table.csv").open("w") as file:
        file.write("a,b,c\n")
        for _ in range(200):
            x = chance.gauss(0, 1)
            file.write(f"{x:.4f},{2 * x + chance.gauss(0, 0.1):.4f},{-x + chance.gauss(0, 0.1):.4f}\n")
    (copy / "new.csv").write_text("a,b,c\n1.0,2.0,-1.0\n1.0,-2.0,-1.0\n")
    leyden(copy, "fit", "--config=configs/anomaly/measurements.yaml", "--data.path=table.csv")
    leyden(copy, "test", "--ckpt_path=runs/measurements/0")
    leyden(copy, "predict", "--ckpt_path=runs/measurements/0", "--data.predict_path=new.csv")
    with (copy / "runs" / "measurements" / "0" / "predictions.csv").open() as file:
        usual, unusual = (float(row["anomaly"]) for row in csv.DictReader(file))
    assert unusual > 5 * usual
