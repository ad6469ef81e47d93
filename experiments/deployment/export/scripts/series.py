"""Forecasts series: ``python predict.py series.csv > predictions.csv``; it goes on where the file ends."""

from calendar import monthrange
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from experiments.deployment.export.scripts.files import run, table_of, write_csv
from experiments.deployment.export.scripts.onnx_network import OnnxNetwork as Network
from experiments.deployment.export.scripts.shared import number, read_json, time_of, written_like

PERIODS = {"minute": 60, "hour": 24, "weekday": 7, "day": 31, "day_of_year": 365.25, "month": 12}


def following(time: datetime, step: dict[str, Any]) -> datetime:
    """The time a step later: so many months, the same day or the last of the month; working days; or seconds."""
    if step["months"]:
        year, month = divmod(time.year * 12 + time.month - 1 + step["months"], 12)
        days = monthrange(year, month + 1)[1]
        return time.replace(year=year, month=month + 1, day=days if step["at_end"] else time.day)
    if step["working_days"]:
        for _ in range(step["working_days"]):
            time += timedelta(days=3 if time.weekday() == 4 else 1)
        return time
    return time + timedelta(seconds=step["seconds"])


def phases(times: Sequence[datetime], fields: Sequence[str]) -> np.ndarray:
    """Sine and cosine of each part of the times ``(steps, 2 x fields)``."""
    columns = []
    for field in fields:
        values = [
            {"weekday": time.weekday(), "day_of_year": time.timetuple().tm_yday}.get(field, getattr(time, field, 0))
            for time in times
        ]
        angle = 2 * np.pi * np.array(values, dtype=float) / PERIODS[field]
        columns += [np.sin(angle), np.cos(angle)]
    return np.stack(columns, 1) if columns else np.zeros((len(times), 0))


def predict(rows: Sequence[dict[str, Any]], folder: Path, name: str = "") -> list[dict[str, Any]]:
    """The forecasts of one series by its rows, of regular times without gaps; with ``known`` covariates the rows go on
    for the horizon, with empty targets.

    Args:
        rows: Cells by column.
        folder: Of this program.
        name: Which of the series of training it is.
    """
    facts = read_json(folder)
    targets, context, horizon = facts["targets"], facts["context"], facts["horizon"]
    if name not in facts["series"]:
        raise ValueError(f"training had no series {name!r}")
    own = facts["series"].index(name)
    dated = [(time_of(row[facts["time"]], facts["date_order"]), row) for row in rows]
    dated.sort(key=lambda pair: pair[0])
    rows = [row for _, row in dated]
    last = max(
        (k for k, row in enumerate(rows, start=1) if any((row[name] or "").strip() for name in targets)), default=0
    )
    if last < context:
        raise ValueError(f"the series has {last} rows, but a forecast looks back on {context}")
    given, ahead = rows[last - context : last], rows[last:][:horizon]
    if facts["known"] and len(ahead) < horizon:
        raise ValueError(f"{', '.join(facts['known'])} must be given for {horizon} rows after the last target")

    def columns(some: Sequence[dict[str, Any]], names: Sequence[str]) -> np.ndarray:
        numbers = [[number(row[name], facts["columns"][name], ()) for name in names] for row in some]
        if any(x != x for row in numbers for x in row):
            raise ValueError(f"a cell of {', '.join(names)} is empty")
        return np.array(numbers, dtype=float).reshape(len(some), len(names))

    values = columns(given, [*targets, *facts["past"]])
    values = np.log(values) if facts["scale"] == "log" else values
    mean, std = np.array(facts["mean"][own]), np.array(facts["std"][own])
    told = [time for time, _ in dated[last - context : last + (horizon if facts["known"] else 0)]]
    times = told[:context]
    later = [following(times[-1], facts["step"])]
    while len(later) < horizon:
        later.append(following(later[-1], facts["step"]))
    for before, time in pairwise(told):
        wanted = following(before, facts["step"])
        if time != wanted:
            raise ValueError(f"after {before} comes {time}, not {wanted}: a row for each step is needed")
    known = (columns([*given, *ahead], facts["known"]) - facts["known_mean"]) / facts["known_std"]
    known = known if facts["known"] else np.zeros((context + horizon, 0))
    known = np.concatenate([known, phases([*times, *later], facts["calendar"])], 1)
    history = ((values - mean) / std).astype(np.float32)[None]
    outputs = Network(folder)(history=history, known=known.astype(np.float32)[None])["forecast"][0].astype(float)
    endings = ["", *(f"_{level}" for level in facts["quantiles"])]  # of (horizon, targets, outputs)
    parts = [outputs[..., outputs.shape[-1] // 2, None], outputs[..., : len(facts["quantiles"])]]
    if facts["calibration"]:
        spread = np.sqrt(history[0, :, : len(targets)].astype(float).var(0) + facts["least_spread"] ** 2)
        margin = (np.array(facts["calibration"]["margin"]) * spread)[..., None]
        lower, upper = outputs[..., :1] - margin, outputs[..., -1:] + margin
        parts += [np.minimum(lower, (lower + upper) / 2), np.maximum(upper, (lower + upper) / 2)]
        endings += ["_lower", "_upper"]
    found = np.concatenate(parts, -1) * std[: len(targets), None] + mean[: len(targets), None]
    found = np.exp(found) if facts["scale"] == "log" else found
    forecasts = []
    for k, (time, step) in enumerate(zip(later, found.tolist(), strict=True)):
        row: dict[str, Any] = {facts["time"]: written_like(time, given[-1][facts["time"]], facts["date_order"])}
        row |= {} if facts["id"] is None else {facts["id"]: name}
        for target, numbers in zip(targets, step, strict=True):
            row |= {f"{target}{ending}": x for ending, x in zip(endings, numbers, strict=True)}
        forecasts.append(row | {covariate: ahead[k][covariate] for covariate in facts["known"]})
    return forecasts


if __name__ == "__main__":
    here = Path(__file__).parent
    known = read_json(here)
    column = known["id"]
    needed = [known["time"], *known["targets"], *known["past"], *known["known"], *([] if column is None else [column])]
    table = table_of(needed)
    if column is None:
        write_csv(run(predict, table, here))
    else:
        names = list(dict.fromkeys(row[column] for row in table))
        groups = {name: [row for row in table if row[column] == name] for name in names}
        write_csv([row for name in names for row in run(predict, groups[name], here, name)])
