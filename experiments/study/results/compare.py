"""``leyden compare``: what differs between runs, and by how much."""

import argparse
import csv
import io
import json
from collections.abc import Hashable, Iterable, Sequence
from itertools import product
from pathlib import Path

import numpy as np
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.types import Row
from experiments import runs
from experiments.study.options import FREE
from experiments.study.results.groups import Group, Run, plain
from experiments.study.results.scores import Spread, spread, welch

AVERAGED = ", those of one seed and fold averaged"
RESAMPLES, CHUNK = 2000, 1 << 22  # of the bootstrap; indices drawn at once


def main(words: list[str]) -> int:
    """Run ``leyden compare``.

    Args:
        words: The command line, without ``compare``.

    Returns:
        Exit code.
    """
    parser = argparse.ArgumentParser(
        prog="leyden compare",
        description="What differs between runs, studies, or all runs of a name, and by how much. Of two, the "
        "difference over the seeds and folds that both have, and over the test examples where predictions are kept.",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="RUN_OR_STUDY", help="folders such as runs/wine/0")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the table as CSV, too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table as Markdown, too")
    given = parser.parse_args(words)
    groups = [Group(path) for path in given.paths]
    names = _scores(groups)
    table = make_table(groups, names)
    print(as_text(table))
    said = [*warn(groups), *(difference(groups[0], groups[1], names) if len(groups) == 2 else [])]
    print("".join(f"\n{line}" for line in said), end="\n" if said else "")
    if given.csv:
        runs.write(given.csv, as_csv(table))
    if given.markdown:
        runs.write(given.markdown, as_markdown(table) + "".join(f"\n{line}\n" for line in said))
    return 0


def _scores(groups: Sequence[Group]) -> list[str]:
    """The scores on test, or if there are none on validation."""
    found = list(dict.fromkeys(name for group in groups for name in group.scores))
    names = [name for name in found if name.startswith("test/")] or found
    if not names:
        raise MisconfigurationException(f"none of {', '.join(group.name for group in groups)} has any scores")
    return names


def make_table(groups: Sequence[Group], scores: Sequence[str]) -> list[list[str]]:
    """A row for each group: its name, the options that differ, the scores. The first row names the columns."""
    options = [group.options for group in groups]
    names = dict.fromkeys(name for each in options for name in each if not name.startswith(FREE))
    differ = [name for name in names if len({plain(each.get(name)) for each in options}) > 1]
    rows = [["", "runs", *differ, *scores]]
    for group, each in zip(groups, options, strict=True):
        found = group.scores
        rows.append([group.name, str(len(group.runs)), *(plain(each[name]) if name in each else "" for name in differ)])
        rows[-1] += [str(found[name]) if name in found else "" for name in scores]
    return rows


def warn(groups: Sequence[Group]) -> list[str]:
    """What says that runs were tested on different examples, or otherwise than they were trained for."""
    found, first = list[str](), groups[0]
    for run in (run for group in groups for run in group.runs):
        conditions = runs.read_conditions(run.folder).get("test")
        if conditions:
            found.append(f"warning: the test scores of {run.folder} are of {', '.join(conditions)}")
    for other in groups[1:]:
        pairs = [pair for ones, twos in in_common(first, other) for pair in product(ones, twos)]
        for one, two in pairs or [(first.runs[0], other.runs[0])]:
            a, b = one.tested_on, two.tested_on
            differ = [f"{name} {a.get(name)} and {b.get(name)}" for name in {**a, **b} if a.get(name) != b.get(name)]
            if differ:
                found.append(
                    f"warning: {one.folder} and {two.folder} were tested on different examples, so their scores do not "
                    f"compare: {'; '.join(differ)}"
                )
                break
    return found


def in_common(first: Group, second: Group) -> list[tuple[list[Run], list[Run]]]:
    """The runs of two groups that have the same seed and fold."""
    others = second.by_pair()
    return [(runs, others[pair]) for pair, runs in first.by_pair().items() if pair in others]


def difference(first: Group, second: Group, scores: Sequence[str]) -> list[str]:
    """How much more the second group has of each score.

    Args:
        first: Runs.
        second: Others; where both have runs of the same seed and fold, these are compared with each other.
        scores: Names.
    """
    lines = []
    for name in scores:
        a, b = first.means(name), second.means(name)
        common = [pair for pair in a if pair in b]
        counts = [sum(name in run.scores for run in group.runs) for group in (first, second)]
        of = f" (of {counts[0]} and {counts[1]} runs{AVERAGED if counts != [len(a), len(b)] else ''})"
        if len(common) > 1:
            found = spread([b[pair] - a[pair] for pair in common])
            told = f"over {len(common)} pairs of the same seed and fold"
            lines.append(f"{name}: {_told(found)}, {told}{of if counts != [len(common)] * 2 else ''}")
        elif len(a) > 1 and len(b) > 1:
            told = f"over {len(a)} and {len(b)} runs, not paired"
            if counts != [len(a), len(b)]:
                told = f"over {len(a)} and {len(b)} seeds and folds, not paired{of}"
            lines.append(f"{name}: {_told(welch([*a.values()], [*b.values()]))}, {told}")
    for error, values in example_errors(first, second).items():
        found = Spread(float(values.mean()), float(values.std()), *bootstrap(values), len(values))
        lines.append(f"{error} of a test example: {_told(found)}, over {len(values)} examples")
    return [f"{second.name} minus {first.name}", *lines] if lines else []


def _told(found: Spread) -> str:
    return f"{found.mean:+.4g} (95 % {found.low:+.4g} to {found.high:+.4g})"


def example_errors(first: Group, second: Group) -> dict[str, np.ndarray]:
    """How much greater the error of the second group is at each example that both have predicted.

    Args:
        first: Runs.
        second: Others.

    Returns:
        By the kind of error, an array ``(examples)``, of each the mean over the runs that tested on it; nothing if no
        predictions are kept.
    """
    # Several seeds test on the same example anew, which makes no further one of it.
    found: dict[str, dict[Hashable, list[float]]] = {}
    numbered = all(group.numbers_examples for group in (first, second))
    for one, two in (pair for ones, twos in in_common(first, second) for pair in product(ones, twos)):
        a, b = one.predictions, two.predictions
        for example in a if a.keys() == b.keys() else ():
            before, after = _errors(a[example]), _errors(b[example])
            key = (example, None if numbered else one.pair[1], _truth(a[example]))
            for name in before.keys() & after.keys():
                found.setdefault(name, {}).setdefault(key, []).append(after[name] - before[name])
    means = {name: np.array([np.mean(each) for each in values.values()]) for name, values in sorted(found.items())}
    return {name: values for name, values in means.items() if len(values) > 1}


def _truth(row: Row) -> str:
    """What is true of an example, as a text: where that differs, so do the examples, whatever their numbers are."""
    return json.dumps({name: value for name, value in row.items() if name.startswith("truth")}, sort_keys=True)


def _errors(row: Row) -> dict[str, float]:
    """The errors of a kept prediction."""
    if "class" in row:
        return {"share of errors": float(str(row["class"]) != str(row["truth"]))}
    if "tags" in row:
        wrong = [tag != true for tag, true in zip(row["tags"], row["truth"], strict=False)]
        return {"share of wrong tags": sum(wrong) / max(1, len(wrong))}
    if isinstance(row.get("truth"), str):  # several labels, always written in one order
        return {"share of wrong sets of labels": float(row["prediction"] != row["truth"])}
    if "forecast" in row:
        off = np.abs(np.array(row["forecast"], dtype=float) - np.array(row["truth"], dtype=float))
    else:
        numbers = {name.removeprefix("truth"): value for name, value in row.items() if name.startswith("truth")}
        off = np.array([abs(float(row[f"prediction{name}"]) - float(true)) for name, true in numbers.items()])
    return {"absolute error": float(off.mean()), "squared error": float((off**2).mean())}


def bootstrap(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of the mean, by resampling the examples (Efron 1979, percentiles).

    Args:
        values: ``(examples)``.
    """
    generator, means = np.random.default_rng(0), list[float]()
    step = max(1, CHUNK // len(values))
    while len(means) < RESAMPLES:
        drawn = generator.integers(0, len(values), (min(step, RESAMPLES - len(means)), len(values)))
        means += values[drawn].mean(1).tolist()
    low, high = np.quantile(means, (0.025, 0.975)).tolist()
    return low, high


# ---- forms


def as_text(table: Sequence[Sequence[str]]) -> str:
    """A table for the terminal."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join(lines)


def as_markdown(table: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    rows = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in table]
    return "\n".join([rows[0], "|" + "---|" * len(table[0]), *rows[1:], ""])


def as_csv(table: Iterable[Iterable[object]]) -> str:
    """A table as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    return text.getvalue()
