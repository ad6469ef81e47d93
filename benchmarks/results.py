"""The table of results: each config's test scores beside the published figure, and under which conditions both hold.

    python -m benchmarks.results [RUN ...]

Takes the test scores of runs (``runs/<config>/<n>``, after ``leyden test``) into ``docs/results.yaml``, in the place of
their seed, and writes ``docs/results.md``. A run whose options are not those of its config is refused: its score would
not be the config's.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from experiments.runs import CONFIG, SCORES, read_conditions

ROOT = Path(__file__).resolve().parent.parent
CONFIGS, TABLE, PAGE = ROOT / "configs", ROOT / "docs" / "results.yaml", ROOT / "docs" / "results.md"
NO_FIGURE = ("own", "trainer", "studies")  # folders of configs for data that is the user's
TASKS = {
    "image_classification": "Image classification",
    "transfer_learning": "Transfer learning",
    "tabular_classification": "Tabular classification",
    "regression": "Regression",
    "text_classification": "Text classification",
    "tagging": "Sequence labelling",
    "embedding": "Word embeddings",
    "translation": "Machine translation",
    "dialogue": "Dialogue",
    "forecasting": "Time-series forecasting",
}
INTRODUCTION = """\
# Results

Scores of the test split, of the epoch that is best by validation, in the mean over seeds with their standard deviation.
This page is written by `python -m benchmarks.results`; `docs/results.yaml` has the score of each seed.
"""


def names() -> list[str]:
    """All configs that should have a figure, by task."""
    return [
        f"{task}/{path.stem}"
        for task in [*TASKS, *(path.name for path in sorted(CONFIGS.iterdir()) if path.name not in TASKS)]
        if task not in NO_FIGURE
        for path in sorted((CONFIGS / task).glob("*.yaml"))
    ]


def lines(table: dict[str, Any]) -> Iterator[str]:
    """The page."""
    yield INTRODUCTION
    tasks = list(dict.fromkeys(name.split("/")[0] for name in table))
    for task in sorted(tasks, key=lambda task: list(TASKS).index(task)):
        yield f"\n## {TASKS[task]}\n\n| config | test score | conditions | published |\n|---|---|---|---|\n"
        for name, entry in table.items():
            if name.startswith(f"{task}/"):
                if "missing" in entry:
                    yield f"| `{name.split('/')[1]}` | not measured | {entry['missing']} | |\n"
                else:
                    scores = "; ".join(shown(score, values) for score, values in entry["scores"].items())
                    yield f"| `{name.split('/')[1]}` | {scores} | {entry['conditions']} | {entry['published']} |\n"


def shown(name: str, values: Any) -> str:
    """A score, with its spread and the number of seeds."""
    if isinstance(values, dict):
        mean, spread, seeds = values["mean"], values.get("spread"), values["seeds"]
    else:
        mean, seeds = statistics.mean(values), len(values)
        spread = statistics.stdev(values) if seeds > 1 else None
    digits = 0 if mean >= 1000 else 1 if mean >= 10 else 3 if mean >= 0.1 or name != "rmse" else 4
    more = "" if spread is None else f" ± {spread:,.{digits}f}"
    return f"{name} {mean:,.{digits}f}{more} ({seeds} seed{'s' * (seeds > 1)})"


def take(table: dict[str, Any], run: Path) -> None:
    """Put the scores of a run in the place of its seed."""
    for file in (CONFIG, SCORES):
        if not (run / file).is_file():
            raise SystemExit(f"there is no {run / file}: RUN is a folder of a run that was trained and tested")
    trained = yaml.safe_load((run / CONFIG).read_text())
    stem = trained["name"].removesuffix("_study")
    name = next((name for name in names() if name.split("/")[1] == stem), None)
    if name is None:
        raise SystemExit(f"{run}: no config is called {trained['name']}")
    differing = list(_differences(yaml.safe_load((CONFIGS / f"{name}.yaml").read_text()), trained))
    if differing:
        raise SystemExit(f"{run} was not trained as configs/{name}.yaml says: {', '.join(differing)}")
    if read_conditions(run).get("test"):
        raise SystemExit(f"the scores of {run} are of {', '.join(read_conditions(run)['test'])}: test it anew")
    tested = json.loads((run / SCORES).read_text())
    entry = table.setdefault(name, {"scores": {}, "conditions": "", "published": "none"})
    seed = int(trained["seed_everything"])
    for score in list(entry.get("scores") or ["accuracy"]):
        if f"test/{score}" not in tested:
            raise SystemExit(f"{run} has no test/{score}: run leyden test --ckpt_path {run}")
        values = entry.setdefault("scores", {}).get(score)
        values = values if isinstance(values, list) else []
        if seed > len(values):
            raise SystemExit(f"{run} has seed {seed}: put the runs of seeds {len(values)} to {seed - 1} in first")
        entry["scores"][score] = [*values[:seed], float(f"{tested[f'test/{score}']:.4f}"), *values[seed + 1 :]]
    entry.pop("missing", None)


def _differences(asked: Any, trained: Any, path: str = "") -> Iterator[str]:
    # The run's configuration has all options, the config only some.
    if isinstance(asked, dict) and isinstance(trained, dict):
        for key, value in asked.items():
            key = key.removesuffix("+")
            if key in trained:
                yield from _differences(value, trained[key], f"{path}.{key}".lstrip("."))
            elif isinstance(trained.get("init_args"), dict):  # the short form of an optimizer
                yield from _differences(value, trained["init_args"].get(key), f"{path}.{key}")
            else:
                yield f"{path}.{key}".lstrip(".")
    elif isinstance(trained, dict) and isinstance(asked, str) and "class_path" in trained:
        if trained["class_path"].rsplit(".", 1)[-1] != asked.rsplit(".", 1)[-1]:
            yield path
    elif isinstance(asked, list) and isinstance(trained, list):
        for value in asked:
            if not any(not list(_differences(value, other)) for other in trained):
                yield f"{path}: {value}"
    elif path.endswith("class_path"):
        if str(asked).rsplit(".", 1)[-1] != str(trained).rsplit(".", 1)[-1]:
            yield path
    elif asked != trained:
        yield path


def main() -> int:
    """Take runs in, and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.results", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("runs", metavar="RUN", nargs="*", type=Path, help="runs that were trained and tested")
    runs = parser.parse_args().runs
    table = yaml.safe_load(TABLE.read_text())
    head = "".join(line for line in TABLE.read_text().splitlines(keepends=True) if line.startswith("#"))
    for run in runs:
        take(table, run)
    if runs:
        TABLE.write_text(head + yaml.safe_dump(table, sort_keys=False, width=1000, default_flow_style=None))
    PAGE.write_text("".join(lines(table)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
