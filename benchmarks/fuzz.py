"""Wrong command lines, made from the parsers' own options: each must end in one sentence, and none in a traceback.

    python -m benchmarks.fuzz --count 500 --seed 0 [--verbose] [--only 17]

All run in one process, on small experiments of every task: values of the wrong type or out of range, misspelt options,
options without their value, wrong classes, paths that lead nowhere, broken configurations and checkpoints. Counted are
tracebacks, what took longer than ``LONGEST`` seconds, and sentences longer than ``WIDEST`` characters; what was
accepted is listed with ``--verbose``, since some of it may be right.
"""

import argparse
import contextlib
import importlib
import io
import logging
import os
import random
import shutil
import signal
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml
from jsonargparse import ArgumentParser
from lightning.pytorch import Trainer

from experiments.callbacks.checkpointing import RunCheckpoint
from experiments.program import main as leyden

ROOT = Path(__file__).resolve().parent.parent
LONGEST, WIDEST = 60, 500
QUIET = ["--trainer.enable_progress_bar=false", "--trainer.enable_model_summary=false", "--trainer.accelerator=cpu"]
SHORT = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=2", "--trainer.limit_val_batches=1"]
EXPERIMENTS = {
    "regression/line": [],
    "image_classification/digits": [],
    "tabular_classification/iris": [],
    "own/tabular_classification": ["--data.path=table.csv", "--data.target=kind"],
    "own/regression": ["--data.path=table.csv", "--data.target=size"],
    "own/text": ["--data.path=texts.csv"],
    "own/tagging": ["--data.path=tagged.conll"],
    "own/forecasting": ["--data.path=series.csv", "--data.context=6", "--data.horizon=2"],
    "own/translation": ["--data.path=corpus", "--model.net.size=8", "--model.net.hidden=8", "--data.num_tokens=300"],
    "own/dialogue": ["--data.path=turns.jsonl", "--data.candidates=2"],
    "own/embedding": ["--data.path=book.txt", "--data.word_lists=false", "--trainer.callbacks=[]"],
}
# These start further processes, which would run this script again, wait for other machines, or never end.
LEFT_OUT = {"trainer.num_nodes", "trainer.devices", "trainer.max_epochs", "trainer.max_steps", "data.num_workers"}
NUMBERS = ["-1", "0", "-0.5", "1.5", "2", "nan", "inf", "1e30", "-7", "1000000007"]
OTHERS = ["abc", "[1,2]", "[]", "{a: 1}", "", "null", "true", "[a, [b]]", "{", "'", "*x", "1,2", "-", "{class_path: 3}"]
CLASSES = ["torch.nn.Linear", "os.path", "modules.nope.Net", "Foo", "os.popen", "torch.nn", "torch.optim.Adam", "int"]
PATHS = ["no/such/path", ".", "broken.yaml", "bytes.bin", "/dev/null", "empty.csv", "x" * 300, "a\\0b"]


class Wrong(NamedTuple):
    """A wrong command line, and what kind of wrong it is."""

    kind: str
    words: list[str]


def write_samples() -> None:
    """Small data of every kind, and files that are none."""
    rng = random.Random(0)
    words = ["the", "a", "red", "blue", "old", "new", "cat", "dog", "bird", "house", "tree", "runs", "sings", "sees"]

    def sentence(n: int = 5) -> str:
        return " ".join(rng.choice(words) for _ in range(n))

    rows = [(rng.random(), rng.choice("xyz"), rng.choice(["good", "bad"]), rng.random()) for _ in range(60)]
    Path("table.csv").write_text("width,colour,kind,size\n" + "".join(f"{a},{b},{c},{d}\n" for a, b, c, d in rows))
    Path("texts.csv").write_text("text,label\n" + "".join(f"{sentence()},{rng.choice('pq')}\n" for _ in range(60)))
    tagged = ["".join(f"{w} {rng.choice(['O', 'B-X'])}\n" for w in sentence().split()) for _ in range(40)]
    Path("tagged.conll").write_text("\n".join(tagged))
    days = [f"{date(2024, 1, 1) + timedelta(days=i)},{rng.random()}\n" for i in range(150)]
    Path("series.csv").write_text("date,sales\n" + "".join(days))
    for language in ("en", "de"):
        Path(f"corpus.{language}").write_text("".join(sentence() + "\n" for _ in range(60)))
    turns = ['{"turns": ["' + '", "'.join(sentence() for _ in range(4)) + '"]}\n' for _ in range(40)]
    Path("turns.jsonl").write_text("".join(turns))
    Path("book.txt").write_text("".join(sentence(30) + ".\n" for _ in range(60)))
    Path("broken.yaml").write_text("model: [\n")
    Path("list.yaml").write_text("- 1\n")
    Path("bytes.bin").write_bytes(bytes(range(256)))
    Path("empty.csv").touch()
    Path("text.ckpt").write_text("no checkpoint")


def classes(tree: Any, path: str) -> Iterator[tuple[str, str]]:
    """Option and class path of every class that a configuration names, but for those in lists."""
    if isinstance(tree, dict):
        if isinstance(tree.get("class_path"), str):
            yield path, tree["class_path"]
        for name, value in tree.get("init_args", tree).items():
            yield from classes(value, f"{path}.{name}" if path else name)
    elif isinstance(tree, str) and tree.startswith(("modules.", "datamodules.", "torch.")):
        yield path, tree


def options(config: Path) -> dict[str, Any]:
    """Every option of an experiment with its type."""
    found = dict(_options_of(Trainer, "trainer") | _options_of(RunCheckpoint, "checkpoint"))
    found |= {"seed_everything": int, "name": str}
    tree = yaml.safe_load(config.read_text())
    for path, name in classes({part: tree[part] for part in ("model", "data")}, ""):
        module, _, leaf = name.rpartition(".")
        found |= {path: type} | _options_of(getattr(importlib.import_module(module), leaf), path)
    return {name: kind for name, kind in found.items() if name not in LEFT_OUT}


def _options_of(kind: type, path: str) -> dict[str, Any]:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind, path, fail_untyped=False)
    known = {action.dest: getattr(action, "_typehint", None) for action in parser._actions}
    return {name: kind for name, kind in known.items() if name.startswith(f"{path}.") and not name.endswith(".help")}


def wrong_lines(rng: random.Random, known: dict[str, dict[str, Any]], runs: dict[str, Path]) -> Iterator[Wrong]:
    """Wrong command lines without end."""
    while True:
        name = rng.choice(list(EXPERIMENTS))
        command, start = "fit", ["--config", str(ROOT / "configs" / f"{name}.yaml"), *EXPERIMENTS[name], *SHORT]
        if rng.random() < 0.3:
            command = rng.choice(["fit", "test", "validate", "predict"])
            start = ["--ckpt_path", str(runs[name]), *(["--trainer.max_epochs=2"] if command == "fit" else [])]
        option, kind = rng.choice(list(known[name].items())), rng.choice(KINDS)
        yield Wrong(f"{kind.__name__} {command}", [command, *QUIET, *kind(rng, start, option[0])])


def wrong_type(rng: random.Random, start: list[str], option: str) -> list[str]:
    return [*start, f"--{option}={rng.choice(OTHERS)}"]


def out_of_range(rng: random.Random, start: list[str], option: str) -> list[str]:
    return [*start, f"--{option}={rng.choice(NUMBERS)}"]


def misspelt(rng: random.Random, start: list[str], option: str) -> list[str]:
    at = rng.randrange(1, len(option))
    spelt = rng.choice([option[:at] + option[at + 1 :], option[:at] + option[at - 1 :], option + "x"])
    return [*start, f"--{spelt}=1"]


def without_value(rng: random.Random, start: list[str], option: str) -> list[str]:
    return rng.choice([[*start, f"--{option}"], [f"--{option}", *start]])


def wrong_class(rng: random.Random, start: list[str], option: str) -> list[str]:
    return [*start, f"--{option}={rng.choice(CLASSES)}"]


def wrong_path(rng: random.Random, start: list[str], option: str) -> list[str]:
    chosen = rng.choice(["--data.path", "--data.predict_path", "--config", "--ckpt_path", f"--{option}"])
    return [*start, f"{chosen}={rng.choice([*PATHS, 'list.yaml', 'text.ckpt', 'table.csv'])}"]


KINDS = [wrong_type, out_of_range, misspelt, without_value, wrong_class, wrong_path]


def _too_long(signum: int, frame: Any) -> None:
    raise TimeoutError(f"not finished after {LONGEST} seconds")


def run(words: list[str]) -> tuple[int | str, str]:
    """Exit code or traceback, and what was said on standard error."""
    said = io.StringIO()
    signal.alarm(LONGEST)
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            return leyden(words), said.getvalue()
    except SystemExit as end:
        return int(end.code or 0), said.getvalue()
    except BaseException:
        return traceback.format_exc(), said.getvalue()
    finally:
        signal.alarm(0)


def main() -> None:
    """Run ``count`` wrong command lines and tell what came of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="run the one of this number only")
    parser.add_argument("--verbose", action="store_true", help="print every sentence, and what was accepted")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    signal.signal(signal.SIGALRM, _too_long)
    before, folder = os.getcwd(), tempfile.mkdtemp()
    os.chdir(folder)
    write_samples()
    runs = {}
    for name, start in EXPERIMENTS.items():
        code, said = run(["fit", "--config", str(ROOT / "configs" / f"{name}.yaml"), *start, *SHORT, *QUIET])
        if code != 0:
            raise SystemExit(f"{name} does not run as it is: {said[-2000:]} {code}")
        runs[name] = sorted(Path("runs").glob(f"{name.split('/')[-1]}/*"))[-1]
    known = {name: options(ROOT / "configs" / f"{name}.yaml") for name in EXPERIMENTS}
    lines, tally, started = wrong_lines(random.Random(asked.seed), known, runs), Counter[str](), time.monotonic()
    for number in range(asked.count):
        wrong = next(lines)
        if asked.only not in (None, number):
            continue
        copied = {
            path: shutil.copytree(path, f"kept/{number}/{path}") for path in runs.values() if str(path) in wrong.words
        }
        code, said = run(wrong.words)
        for path, kept in copied.items():  # a wrong line may train on
            shutil.rmtree(path)
            shutil.move(kept, path)
        sentences = [line for line in said.splitlines() if line.startswith("leyden: ")]
        if isinstance(code, str):
            outcome = "too long" if "TimeoutError" in code else "tracebacks"
        elif code == 0:
            outcome = "accepted"
        elif len(sentences) != 1:
            outcome = "not one sentence"
        else:
            outcome = "refused" if len(sentences[0]) <= WIDEST else "too wide"
        tally[outcome] += 1
        if outcome not in ("refused", "accepted") or asked.verbose:
            shown = code if isinstance(code, str) else " | ".join(sentences)
            typed = " ".join(word for word in wrong.words if word not in (*QUIET, *SHORT))
            print(f"{number} {outcome}: {wrong.kind}: leyden {typed}\n    {shown}", flush=True)
    print(f"{asked.count} wrong command lines in {time.monotonic() - started:.0f} s: {dict(tally)}")
    os.chdir(before)
    shutil.rmtree(folder)
    raise SystemExit(tally["tracebacks"] + tally["too long"] + tally["not one sentence"] > 0)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
