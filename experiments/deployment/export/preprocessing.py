"""What a network needs beside its weights, as JSON; and the program that reads it."""

import json
from functools import singledispatch
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.nn.utils.rnn import pad_sequence
from torchvision.transforms import v2

from datamodules.corpus.base import CorpusData
from datamodules.data import Data
from datamodules.dialogue.base import DialogueData
from datamodules.files.numbers import MISSING, NumberFormat
from datamodules.images.base import Images
from datamodules.parallel.base import ParallelData
from datamodules.series.base import SeriesData
from datamodules.tables.base import TableData
from datamodules.tagging.base import Tagging
from datamodules.text.base import TextData
from datamodules.tokens import Tokens
from datamodules.types import ChoiceFacts, ClassFacts, Facts, LabelFacts, NumberFacts
from experiments.deployment.export.scripts import images, replies, sequences, series, table, tags, text, words
from modules.forecasting import LEAST_SPREAD
from modules.task import Task


class Preprocessing(NamedTuple):
    """What makes inputs of a network of what a user has.

    Attributes:
        program: Module of the program that does it; None if there is none for this kind of data.
        values: What it reads from ``preprocess.json``.
        files: Further files: texts and arrays by name.
        packages: Packages that it needs beside numpy and that of the network.
    """

    program: ModuleType | None
    values: dict[str, Any]
    files: dict[str, str | np.ndarray]
    packages: tuple[str, ...] = ()


CALENDAR = ("MS", "ME", "QS", "QE", "YS", "YE")  # steps of months


@singledispatch
def preprocessing_of(data: Data, task: Task) -> Preprocessing:
    """What the data knows.

    Args:
        data: With its facts.
        task: The task that is exported with it.
    """
    plain = {name: value for name, value in data.facts.state().items() if not isinstance(value, torch.Tensor)}
    return Preprocessing(None, plain, {})


def _reading(how: NumberFormat) -> dict[str, Any]:
    """What a program needs to read numbers so written."""
    return {"needs_unit": how.needs_unit, "pattern": how.pattern}


def step_of(frequency: str) -> dict[str, Any]:
    """The step of a series: so many months, working days, or seconds.

    Raises:
        MisconfigurationException: If it is another one.
    """
    import pandas as pd

    unit = frequency.lstrip("0123456789")
    count = int(frequency.removesuffix(unit) or 1)
    months = {"M": 1, "Q": 3, "Y": 12}.get(unit[:1], 0) * count if unit.partition("-")[0] in CALENDAR else 0
    working = count if unit == "B" else 0
    step = {"months": months, "at_end": unit[1:2] == "E", "working_days": working, "seconds": 0.0}
    if not months and not working:
        times = pd.date_range("2001-01-01", periods=60, freq=frequency)
        apart = set((times[1:] - times[:-1]).total_seconds())
        if len(apart) > 1:
            raise MisconfigurationException(
                f"a step of `{frequency}` is not exported: predict.py knows none that varies"
            )
        step["seconds"] = apart.pop()
    return step


@preprocessing_of.register
def _(data: TableData, task: object) -> Preprocessing:
    facts = data.facts
    values: dict[str, Any] = {
        "columns": [
            column | (_reading(NumberFormat(*column["format"])) if column["kind"] == "number" else {})
            for column in facts.columns
        ],
        "missing": sorted({*MISSING, *(word.lower() for word in data.missing)}),
        "missing_words": list(data.missing),
    }
    return Preprocessing(table, values | _answers(facts, task), {})


def _answers(facts: Facts, task: Any) -> dict[str, Any]:
    """What outputs mean: classes, labels, or numbers and their units."""
    if isinstance(facts, ClassFacts):
        return {"classes": facts.classes, "calibration": _calibration(task)}
    if isinstance(facts, LabelFacts):
        return {"labels": facts.labels, "between": facts.between, "threshold": task.threshold}
    if isinstance(facts, NumberFacts):
        units = {"target_mean": facts.target_mean, "target_scale": facts.target_scale}
        return {"targets": facts.targets, **units, "calibration": _calibration(task)}
    raise MisconfigurationException(f"it is not known how answers of {type(facts).__name__} are exported")


def _calibration(task: Task) -> dict[str, Any] | None:
    """What was fitted to the validation split, as numbers."""
    if task.calibration is None:
        return None
    return {name: value.tolist() for name, value in task.calibration.values.items()}


@preprocessing_of.register
def _(data: Images, task: object) -> Preprocessing:
    facts = data.facts
    steps: list[dict[str, Any]] = []
    others: list[str] = []
    if data.cache_size is not None:
        steps.append({"name": "shrink", "size": [data.cache_size]})
    transforms = data.transforms_for(train=False, preset=facts.preset)
    if facts.size and (data.max_size is not None or not transforms):
        steps.append({"name": "resize", "size": facts.size})
    for transform in transforms:
        if isinstance(transform, v2.Resize) and transform.max_size is None and transform.size is not None:
            mode = v2.InterpolationMode(transform.interpolation).value
            steps.append({"name": "resize", "size": list(transform.size), "interpolation": mode})
            others += [] if mode in ("bilinear", "bicubic") and transform.antialias else [f"Resize ({mode})"]
        elif isinstance(transform, v2.CenterCrop):
            steps.append({"name": "crop", "size": list(transform.size)})
        else:
            others.append(type(transform).__name__)
    values = {"channels": data.channels, "mean": facts.mean, "std": facts.std, **_answers(facts, task)}
    return Preprocessing(images, values | {"transforms": steps, "not_written": others}, {}, ("pillow",))


def _tokenizer(tokens: Tokens, max_length: int | None) -> dict[str, Any]:
    own = json.loads(tokens.json).get("leyden", {})
    return {"pad": own.get("pad", 0), "limit": tokens.limit(max_length)}


def _plain_tokenizer(text: str) -> str:
    fitted = json.loads(text)
    fitted.pop("leyden", None)
    return json.dumps(fitted, ensure_ascii=False)


@preprocessing_of.register
def _(data: TextData, task: object) -> Preprocessing:
    if len(data.columns) > 1:
        raise MisconfigurationException("pairs of texts are not exported: predict.py would have to put them together")
    facts, tokens = data.facts, Tokens(data.facts.tokenizer)
    values = {
        **_answers(facts, task),
        "max_length": data.max_length,
        "num_words": len(tokens),
        "buckets": facts.num_inputs - len(tokens),
        **_tokenizer(tokens, data.max_length),
    }
    return Preprocessing(text, values, {"tokenizer.json": _plain_tokenizer(facts.tokenizer)}, ("tokenizers",))


@preprocessing_of.register
def _(data: Tagging, task: Any) -> Preprocessing:
    facts = data.facts
    crf = None
    if task.head == "crf":
        parts = zip(("transitions", "start", "end"), task.crf.potentials(), strict=True)
        crf = {name: part.detach().cpu().tolist() for name, part in parts}
    values: dict[str, Any] = {name: getattr(facts, name) for name in ("tags", "scheme", "words", "chars", "shapes")}
    values |= {"lower": data.lower, "crf": crf, "has_pieces": bool(facts.tokenizer)}
    values["bias"] = [task.outside_bias * (tag == "O") for tag in facts.tags]
    if not facts.tokenizer:
        return Preprocessing(tags, values, {})
    values |= _tokenizer(Tokens(facts.tokenizer), data.max_pieces)
    return Preprocessing(tags, values, {"tokenizer.json": _plain_tokenizer(facts.tokenizer)}, ("tokenizers",))


def _search(task: Any) -> dict[str, Any]:
    if task.sampling is not None:
        raise MisconfigurationException(
            "a model that draws its tokens by chance (model.temperature) answers differently every time, so an export "
            "could not be checked"
        )
    return {"beam_size": task.beam_size, "length_penalty": task.length_penalty, "max_length": task.max_length}


@preprocessing_of.register
def _(data: ParallelData, task: object) -> Preprocessing:
    facts = data.facts
    values = {"languages": facts.languages, "longest": data.max_length, "is_dialogue": False, "pad": 0, "limit": None}
    files: dict[str, str | np.ndarray] = {
        "source_tokenizer.json": _plain_tokenizer(facts.source_tokenizer),
        "target_tokenizer.json": _plain_tokenizer(facts.target_tokenizer),
    }
    return Preprocessing(sequences, values | _search(task), files, ("tokenizers",))


@preprocessing_of.register
def _(data: DialogueData, task: Any) -> Preprocessing:
    facts, code = data.facts, data.code()
    values: dict[str, Any] = {name: getattr(code, name) for name in ("first", "last", "you", "me", "is_own", "room")}
    values |= _tokenizer(code.tokens, None)
    values |= {
        "num_turns": data.num_turns,
        "special": max(*code.you, *code.me) if code.is_own else 0,
    }
    plain = _plain_tokenizer(code.tokens.json)
    if not isinstance(facts, ChoiceFacts):
        files: dict[str, str | np.ndarray] = {"source_tokenizer.json": plain, "target_tokenizer.json": plain}
        return Preprocessing(sequences, values | {"is_dialogue": True} | _search(task), files, ("tokenizers",))
    with torch.no_grad():
        vectors = task(
            pad_sequence([torch.tensor(ids) for ids in facts.reply_tokens], batch_first=True).to(task.device)
        )
    values |= {"replies": facts.replies, "top_k": min(task.top_k, len(facts.replies))}
    return Preprocessing(
        replies, values, {"tokenizer.json": plain, "replies.npy": vectors.cpu().numpy()}, ("tokenizers",)
    )


@preprocessing_of.register
def _(data: SeriesData, task: Any) -> Preprocessing:
    facts = data.facts
    values = {
        name: value.tolist() if isinstance(value, torch.Tensor) else value for name, value in facts.state().items()
    }
    formats = {
        name: NumberFormat(facts.decimal or ".", "", facts.units.get(name, ""))
        for name in (*facts.targets, *facts.past, *facts.known)
    }
    values["columns"] = {name: {"name": name, "format": list(how), **_reading(how)} for name, how in formats.items()}
    values |= {"id": data.id, "quantiles": task.quantiles, "step": step_of(facts.frequency)}
    values |= {"calibration": _calibration(task), "least_spread": LEAST_SPREAD}
    return Preprocessing(series, values, {})


@preprocessing_of.register
def _(data: CorpusData, task: Any) -> Preprocessing:
    values = {"words": data.facts.words, "lowercase": data.lowercase, "top_k": task.top_k}
    return Preprocessing(words, values, {})
