"""The tabular configs beside other models, on the same splits: test scores, mean and deviation of the seeds.

    python -m benchmarks.tables [diabetes breast_cancer wine iris california_tabm ...] [--seeds 5]

The seed draws the split and the weights. All models are trained on the same training rows, and the test rows are scored
once. Beside the small tables stand a linear model and boosted trees of scikit-learn, whose few options (and our best
epoch) are chosen on the same validation rows; beside the large ones XGBoost, LightGBM and CatBoost at their defaults
(``uv pip install leyden[benchmarks]``), which take numbers and categories as they are.
"""

import argparse
import contextlib
import io
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from datamodules.files.numbers import NumberFormat
from datamodules.sampling import BatchIndices
from datamodules.tables.base import TableData
from datamodules.tables.cells import CellReader, categories
from datamodules.types import TableNumberFacts
from experiments import load
from experiments.program import main as leyden

if TYPE_CHECKING:
    from pandas import DataFrame

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
SMALL = {
    "diabetes": ("regression", "r2"),
    "breast_cancer": ("tabular_classification", "accuracy"),
    "wine": ("tabular_classification", "accuracy"),
    "iris": ("tabular_classification", "accuracy"),
}
LARGE = {
    "california_tabm": ("regression", "rmse"),
    "diamonds_tabm": ("regression", "rmse"),
    "adult_tabm": ("tabular_classification", "accuracy"),
}
Arrays = dict[str, tuple[Any, Any]]  # inputs and target of each split


def train(name: str, seed: int, folder: Path) -> tuple[float, Path]:
    """Test score of a config, and its run."""
    task, score = (SMALL | LARGE)[name]
    quiet = ["--trainer.enable_progress_bar", "false", "--trainer.enable_model_summary", "false"]
    words = ["--config", str(CONFIGS / task / f"{name}.yaml"), "--seed_everything", str(seed), *quiet]
    run = folder / name / str(seed)
    with contextlib.redirect_stdout(io.StringIO()):
        assert leyden(["fit", *words, "--trainer.default_root_dir", str(folder)]) == 0
        assert leyden(["test", "--ckpt_path", str(run), *quiet]) == 0
    return float(json.loads((run / "metrics.json").read_text())[f"test/{score}"]), run


def linear_models(regression: bool) -> Iterator[Any]:
    """Ridge or logistic regression of several strengths."""
    from sklearn.linear_model import LogisticRegression, Ridge

    for strength in (0.01, 0.1, 1.0, 10.0, 100.0):
        yield Ridge(alpha=strength) if regression else LogisticRegression(C=1 / strength, max_iter=5000)


def boosted_trees(regression: bool) -> Iterator[Any]:
    """Gradient boosting of several depths and lengths."""
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

    make = GradientBoostingRegressor if regression else GradientBoostingClassifier
    for depth in (1, 2, 3):
        for number in (50, 100, 200):
            yield make(max_depth=depth, n_estimators=number, random_state=0)


def chosen(models: Callable[[bool], Iterator[Any]], data: TableData) -> float:
    """Test score of the best of some models, which see the rows as our network does."""
    rows = {split: (inputs.numpy(), target.flatten().numpy()) for split, inputs, target in encoded(data)}
    tried = (model.fit(*rows["train"]) for model in models(isinstance(data.facts, TableNumberFacts)))
    return float(max(tried, key=lambda model: model.score(*rows["val"])).score(*rows["test"]))


def encoded(data: TableData) -> Iterator[tuple[str, Any, Any]]:
    """Inputs and target of each split, as tensors."""
    for split, examples in data.datasets.items():
        inputs, target = examples.__getitems__(BatchIndices(range(len(examples))))
        yield split, inputs, target


def frame(data: TableData, split: str) -> "DataFrame":
    """The rows of a split as libraries for trees take them: numbers, and categories of which missing is one."""
    import pandas as pd

    rows = data.read(split)
    reader = CellReader(rows)
    columns: dict[str, Any] = {}
    for column in data.facts.columns:
        name = column["name"]
        if column["kind"] == "category":
            texts, codes = categories(rows.column(name), column["whole"])
            known = {*column["categories"], "missing"}
            named = np.array([*(text if text in known else "other" for text in texts), "missing"], dtype=object)
            columns[name] = pd.Categorical(named[codes], sorted({*known, "other"}))
        else:
            columns[name] = reader.numbers(name, NumberFormat(*column["format"]))
    return pd.DataFrame(columns)


def boosters(regression: bool, named: list[str]) -> dict[str, Any]:
    """Libraries for boosted trees at their defaults; ``named`` are the columns of categories."""
    from catboost import CatBoostClassifier, CatBoostRegressor
    from lightgbm import LGBMClassifier, LGBMRegressor
    from xgboost import XGBClassifier, XGBRegressor

    quiet = {"verbose": 0, "allow_writing_files": False}
    return {
        "XGBoost": (XGBRegressor if regression else XGBClassifier)(enable_categorical=True),
        "LightGBM": (LGBMRegressor if regression else LGBMClassifier)(verbose=-1),
        "CatBoost": (CatBoostRegressor if regression else CatBoostClassifier)(cat_features=named, **quiet),
    }


def beside(run: Path) -> dict[str, float]:
    """Test scores of the other models on the splits of a run."""
    _, data = load(run)
    assert isinstance(data, TableData)
    data.setup("fit")
    data.setup("test")
    regression = isinstance(data.facts, TableNumberFacts)
    if run.parent.name in SMALL:
        return {"linear": chosen(linear_models, data), "boosted trees": chosen(boosted_trees, data)}
    train, test = (frame(data, split) for split in ("train", "test"))
    target = {split: target.flatten().numpy().astype("float64") for split, _, target in encoded(data)}
    if isinstance(data.facts, TableNumberFacts):
        target = {s: t * data.facts.target_scale[0] + data.facts.target_mean[0] for s, t in target.items()}
    named = [c["name"] for c in data.facts.columns if c["kind"] == "category"]
    scores = {}
    for name, model in boosters(regression, named).items():
        found = model.fit(train, target["train"]).predict(test)
        right = np.sqrt(np.square(found - target["test"]).mean()) if regression else (found == target["test"]).mean()
        scores[name] = float(right)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(SMALL), help=f"also {', '.join(LARGE)}")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    for name in options.names:
        columns: dict[str, list[float]] = {}
        seconds = []
        with tempfile.TemporaryDirectory() as folder:
            for seed in range(options.seeds):
                started = time.process_time()
                score, run = train(name, seed, Path(folder))
                seconds.append(time.process_time() - started)
                found = {"Leyden": score, **beside(run)}
                print(f"{name}, seed {seed}: " + ", ".join(f"{m} {v:.6g}" for m, v in found.items()), flush=True)
                for model, value in found.items():
                    columns.setdefault(model, []).append(value)
        digits = 5 if (SMALL | LARGE)[name][1] == "rmse" else 3
        means = [
            f"{model} {statistics.mean(values):.{digits}g} ± {statistics.stdev(values) if len(values) > 1 else 0:.2g}"
            for model, values in columns.items()
        ]
        print(
            f"{name}: {(SMALL | LARGE)[name][1]}: {'; '.join(means)}; {statistics.mean(seconds):.0f} CPU seconds a run",
            flush=True,
        )


if __name__ == "__main__":
    main()
