"""What a study has found, in files."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence

import yaml
from optuna.trial import FrozenTrial, TrialState

from datamodules.optional import optional
from experiments import runs
from experiments.study.claims import LOCK, FileLock
from experiments.study.results.compare import as_csv, as_markdown
from experiments.study.results.folds import POOLED, pooled, write_pooled
from experiments.study.results.scores import Spread, spreads
from experiments.study.space import words
from experiments.study.trials import Parsed
from experiments.study.work import Work

_PARTS = ("model", "data", "trainer", "checkpoint", "seed_everything")  # of a config to fit with


def write_report(work: Work) -> str:
    """Write ``study.json``, ``trials.csv``, ``summary.md``, and after a search ``best.yaml`` and pictures.

    Args:
        work: A study that is done.

    Returns:
        What the user is told.
    """
    folder = work.plan.folder
    with FileLock(folder / LOCK):
        ended = [trial for trial in work.final.trials() if trial.state == TrialState.COMPLETE]
        found = spreads([trial.user_attrs["scores"] for trial in ended])
        following = [_write_best(work, fold, trial) for fold, trial in work.best.items()]
        if work.best:
            from experiments.study.results.pictures import FOLDER, write_pictures

            with optional("the pictures of the search", folder / FOLDER):
                write_pictures(work)
        together = _pool(work)
        told = _table(found, together)
        facts = _facts(work, ended, found) | {"pooled": {name: _json(s._asdict()) for name, s in together.items()}}
        runs.write(folder / "study.json", json.dumps(facts, indent=2) + "\n")
        runs.write(folder / "trials.csv", _csv(list(_rows(work))))
        runs.write(folder / "summary.md", _summary(work, ended, found, together))
    return "\n".join([told, f"{folder / 'summary.md'}", *(f"next: leyden fit --config {path}" for path in following)])


def _facts(work: Work, ended: Sequence[FrozenTrial], found: Mapping[str, Spread]) -> dict[str, object]:
    plan = work.plan
    return {
        "name": plan.folder.name,
        "seeds": plan.seeds,
        "folds": plan.settings.folds,
        "options": plan.base,
        "scores": {name: _json(score._asdict()) for name, score in found.items()},
        "runs": [
            {
                "run": work.final.run_folder(trial.number).name,
                **work.final.repeat(trial).label,
                "scores": _json(trial.user_attrs["scores"]),
                "seconds": trial.user_attrs.get("seconds"),
            }
            for trial in ended
        ],
        "search": [
            {
                "fold": fold,
                "monitor": plan.monitor,
                "direction": work.searches[fold].study.direction.name.lower(),
                "trials": {state.name.lower(): count for state, count in _counts(work, fold).items()},
                "best": {"run": work.searches[fold].run_folder(trial.number).name, "value": trial.value},
                "params": trial.params,
            }
            for fold, trial in work.best.items()
        ],
    }


def _json(values: Mapping[str, float]) -> dict[str, float | None]:
    """Numbers as JSON has them: without NaN."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _counts(work: Work, fold: int | None) -> dict[TrialState, int]:
    states = [trial.state for trial in work.searches[fold].trials()]
    return {state: states.count(state) for state in sorted(set(states))}


def _rows(work: Work) -> Iterator[dict[str, object]]:
    """A row for each trial and each run that is tested."""
    for fold, stage in [*work.searches.items(), (None, work.final)]:
        for trial in stage.trials():
            row: dict[str, object] = {"run": stage.run_folder(trial.number).name, "state": trial.state.name.lower()}
            is_final = stage is work.final
            row |= work.final.repeat(trial).label if is_final else {"seed": work.plan.seed, "fold": fold}
            params = work.final.repeat(trial).params if is_final else trial.params
            row |= {"seconds": round(trial.user_attrs.get("seconds", 0.0), 2), **params}
            row |= trial.user_attrs.get("scores", {})
            yield row | {"reason": trial.user_attrs.get("reason")}


def _csv(rows: Sequence[Mapping[str, object]]) -> str:
    names = dict.fromkeys(name for row in rows for name in row)
    return as_csv([names, *([row.get(name) for name in names] for row in rows)])


def _pool(work: Work) -> dict[str, Spread]:
    """The scores of the predictions of all folds together, over the seeds."""
    plan, found = work.plan, list[dict[str, float]]()
    if not plan.settings.folds:
        return {}
    for path in plan.folder.glob(f"*{POOLED}"):  # of other seeds or options that were asked for before
        path.unlink()
    folders = {work.final.repeat(trial)[:2]: work.final.run_folder(trial.number) for trial in work.final.trials()}
    for seed in plan.seeds:
        rows, scores = pooled([folders[seed, fold] for fold in plan.folds])
        if not rows:
            return {}
        found.append(scores)
        write_pooled(rows, plan.folder / (POOLED if len(plan.seeds) == 1 else f"seed_{seed}_{POOLED}"))
    return spreads(found)


def _table(found: Mapping[str, Spread], together: Mapping[str, Spread]) -> str:
    """The scores on test for the terminal."""
    names = [name for name in found if name.startswith("test/")]
    width = max(map(len, names), default=0)
    also = {name: f"   all folds together {score}" for name, score in together.items()}
    return "\n".join(f"{name:<{width}}  {found[name]}{also.get(name, '')}" for name in names)


def _summary(
    work: Work,
    ended: Sequence[FrozenTrial],
    found: Mapping[str, Spread],
    together: Mapping[str, Spread],
) -> str:
    plan = work.plan
    lines = [f"# {plan.folder.name}", "", f"{plan}.", ""]
    for fold, trial in work.best.items():
        of = "" if fold is None else f" of fold {fold}"
        counts = ", ".join(f"{count} {state.name.lower()}" for state, count in _counts(work, fold).items())
        run = work.searches[fold].run_folder(trial.number).name
        lines += [f"Best trial{of}: {run}, {plan.monitor} {trial.value:.4g} on validation ({counts}).", ""]
        searched = [[name, str(plan.settings.spaces[name]), str(value)] for name, value in trial.params.items()]
        lines.append(as_markdown([["option", "searched in", "best"], *searched]))
    each = [work.final.repeat(trial).label for trial in ended]
    labels = [" ".join(f"{name} {value}" for name, value in label.items()) for label in each]
    table = [["score", "mean", "standard deviation", "95 % interval", *labels]]
    for name, score in found.items():
        values = [f"{trial.user_attrs['scores'][name]:.4f}" for trial in ended]
        inside = f"{score.low:.4f} to {score.high:.4f}" if score.num_runs > 1 else ""
        std = f"{score.std:.4f}" if score.num_runs > 1 else ""
        table.append([name, f"{score.mean:.4f}", std, inside, *values])
    lines.append(as_markdown(table))
    if together:
        lines += ["Scores of the predictions of all folds together, each example by the model that did not see it:", ""]
        means = [[name, str(score)] for name, score in together.items()]
        lines.append(as_markdown([["score", "mean over seeds"], *means]))
    seconds = sum(trial.user_attrs.get("seconds", 0.0) for stage in (*work.searches.values(), work.final)
                  for trial in stage.trials())  # fmt: skip
    return "\n".join([*lines, f"Time in runs: {seconds:.0f} s.", ""])


def _write_best(work: Work, fold: int | None, trial: FrozenTrial) -> str:
    """A config to fit with; the path of the file."""
    path = work.plan.folder / ("best.yaml" if fold is None else f"best_of_fold_{fold}.yaml")
    parsed = Parsed(["fit", *work.plan.given.words, *words(trial.params)]).options
    head = f"# Best of {work.plan.folder.name}: {work.plan.monitor} {trial.value:.4g} on validation.\n"
    runs.write(path, head + yaml.safe_dump({part: parsed[part] for part in _PARTS if part in parsed}, sort_keys=False))
    return str(path)
