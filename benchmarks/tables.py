"""The tabular configs beside scikit-learn, on the same splits: test scores, mean and deviation of the seeds.

    python -m benchmarks.tables [diabetes breast_cancer wine iris ...] [--seeds 5]

The seed draws the split and the weights. The linear model and the gradient boosting are trained on the same training
rows; their few options (and our best epoch) are chosen on the same validation rows. The test rows are scored once.
"""

import argparse
import contextlib
import io
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datamodules.sampling import BatchIndices
from datamodules.types import ClassFacts
from experiments import load
from experiments.program import main as leyden

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
TABLES = {
    "diabetes": ("regression", "r2"),
    "breast_cancer": ("tabular_classification", "accuracy"),
    "wine": ("tabular_classification", "accuracy"),
    "iris": ("tabular_classification", "accuracy"),
}
DOWNLOADED = {
    "california_mlp": ("regression", "r2"),
    "diamonds_mlp": ("regression", "r2"),
    "adult_ft_transformer": ("tabular_classification", "accuracy"),
}


def train(name: str, seed: int, folder: Path) -> tuple[float, Path]:
    """Test score of a config, and its run."""
    task, score = (TABLES | DOWNLOADED)[name]
    quiet = ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
    words = ["--config", str(CONFIGS / task / f"{name}.yaml"), "--seed_everything", str(seed), *quiet]
    run = folder / name / str(seed)
    with contextlib.redirect_stdout(io.StringIO()):
        assert leyden(["fit", *words, "--trainer.default_root_dir", str(folder)]) == 0
        assert leyden(["test", "--ckpt_path", str(run), *quiet]) == 0
    return float(json.loads((run / "metrics.json").read_text())[f"test/{score}"]), run


def linear_models(kind: str) -> Iterator[Any]:
    """Ridge or logistic regression of several strengths."""
    from sklearn.linear_model import LogisticRegression, Ridge

    for strength in (0.01, 0.1, 1.0, 10.0, 100.0):
        yield Ridge(alpha=strength) if kind == "number" else LogisticRegression(C=1 / strength, max_iter=5000)


def boosted_trees(kind: str, rows: int) -> Iterator[Any]:
    """Gradient boosting of several depths and lengths; by histograms where there are many rows."""
    from sklearn import ensemble

    many, what = rows > 10_000, "Regressor" if kind == "number" else "Classifier"
    make = vars(ensemble)[f"{'HistGradientBoosting' if many else 'GradientBoosting'}{what}"]
    for depth in (1, 2, 3):
        for number in (50, 100, 200):
            size = (
                {"max_depth": 3 * depth, "max_iter": number} if many else {"max_depth": depth, "n_estimators": number}
            )
            yield make(**size, random_state=0)


def others(run: Path) -> tuple[float, float]:
    """Test scores of the best linear model and of the best boosted trees, on the splits of a run."""
    _, data = load(run)
    data.setup("fit")
    data.setup("test")
    rows = {}
    for split, examples in data.datasets.items():
        inputs, target = examples.__getitems__(BatchIndices(range(len(examples))))
        rows[split] = inputs.numpy(), target.flatten().numpy()
    kind = "class" if isinstance(data.facts, ClassFacts) else "number"
    scores = []
    for models in (linear_models(kind), boosted_trees(kind, len(rows["train"][0]))):
        best = max((model.fit(*rows["train"]) for model in models), key=lambda model: model.score(*rows["val"]))
        scores.append(float(best.score(*rows["test"])))
    return scores[0], scores[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(TABLES), help=f"also {', '.join(DOWNLOADED)}")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    print(f"{'table':15} {'score':9} {'leyden':>15} {'linear':>15} {'boosted trees':>15}   seconds a run", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for name in options.names:
            columns: list[list[float]] = [[], [], []]
            seconds = []
            for seed in range(options.seeds):
                started = time.perf_counter()
                score, run = train(name, seed, Path(folder))
                seconds.append(time.perf_counter() - started)
                for column, value in zip(columns, (score, *others(run)), strict=True):
                    column.append(value)
            texts = [f"{statistics.mean(c):.3f} ± {statistics.pstdev(c):.3f}" for c in columns]
            print(
                f"{name:15} {(TABLES | DOWNLOADED)[name][1]:9}",
                *(f"{t:>15}" for t in texts),
                f"  {statistics.mean(seconds):.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
