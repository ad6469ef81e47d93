"""Golden comparison for refactorings: every shipped config does after a change, to the last bit, what it did before.

    python -m benchmarks.golden record FOLDER [--only GLOB ...] [--keep-going]    in the checkout before and in that after
    python -m benchmarks.golden compare FOLDER_BEFORE FOLDER_AFTER [--only GLOB ...]

``record`` runs the code of the current folder: fit (a few batches, as ``configs/trainer/debug.yaml`` says), test and
predict on a copy of ``tests/samples``, each config in a process of its own. It keeps what came out, one file a config: the
tensors and states of ``last.ckpt``, all that was logged, and the files of the run (scores, predictions, ...). Names of
classes, parameters and configs may change, so tensors are compared as a multiset and states by their last name. Numbers
depend on the processor: record both sides on one machine. A checkout that lacks this file runs a copy of it:

    cd OLD_CHECKOUT && python COPY/golden.py record FOLDER
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

# Own data: the configs' former names. All others are known by their stem.
FORMER = {
    "image_classification/own_folder": "own/images",
    "image_classification/own_table": "own/image_table",
    "tabular_classification/own_csv": "own/tabular_classification",
    "regression/own_csv": "own/regression",
    "text_classification/own_table": "own/text",
    "tagging/own_columns": "own/tagging",
    "embedding/own_text": "own/embedding",
    "translation/own_files": "own/translation",
    "dialogue/own_turns": "own/dialogue",
    "forecasting/own_csv": "own/forecasting",
}
# What the user would type, sizes that a small machine bears, and nothing to download.
OPTIONS = {
    "own/images": ["--data.path=my_images", "--model.net.weights=null"],
    "own/image_table": ["--data.path=my_images/labels.csv", "--model.net.weights=null"],
    "own/tabular_classification": ["--data.path=tables/people.csv", "--data.target=city"],
    "own/regression": ["--data.path=tables/people.csv", "--data.target=income"],
    "own/text": ["--data.path=texts/reviews.csv"],
    "own/tagging": ["--data.path=tagged"],
    "own/embedding": ["--data.path=texts/book.txt"],
    "own/translation": ["--data.path=multi30k"],
    "own/dialogue": ["--data.path=turns.jsonl"],
    "own/forecasting": ["--data.path=series/shops.csv", "--data.id=shop", "--data.target=sales"],
    "hymenoptera_resnet18": ["--model.net.weights=null"],
    "imagenet_resnet50": ["--data.batch_size=2"],
}
# What is predicted, and the configs that can.
INPUTS = {
    "my_images": ["own/image*", "cifar10_*", "digits", "*mnist_*", "imagenet_*", "hymenoptera_*"],
    "texts/unlabelled.txt": ["own/text", "own/translation", "own/dialogue", "sst2_*", "trec_*", "multi30k_*", "daily_*"],
    "tagged/sentences.txt": ["own/tagging", "conll2003_*", "ewt_*", "wnut17_*"],
    "tables/people.csv": ["own/tabular_classification", "own/regression"],
    "series/shops.csv": ["own/forecasting"],
    "words.txt": ["own/embedding", "skip_gram"],
}
QUIET = ["--trainer.enable_progress_bar=false", "--trainer.accelerator=cpu", "--trainer.devices=1"]
RUN = Path("runs/golden/0")


def wanted(key: str, globs: list[str]) -> bool:
    return not globs or any(fnmatch(key, glob) for glob in globs)


def configs(folder: Path) -> dict[str, Path]:
    """The experiments in a folder of configs, by what they are called today."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.yaml")):
        if {"model", "data"} <= set(yaml.safe_load(path.read_text()) or {}):
            name = path.relative_to(folder).with_suffix("").as_posix()
            key = name if name.startswith("own/") else FORMER.get(name, path.stem)
            if key in found:
                raise SystemExit(f"{found[key]} and {path} have the same name")
            found[key] = path
    return found


# ---- record


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:24]


def leaves(tree: Any, name: str = "") -> Iterator[str]:
    """Last name and value of everything in a checkpoint; tensors, and values that are long, by their digests."""
    import torch

    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, str(key))
    elif isinstance(tree, torch.Tensor):
        data = tree.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        yield f"{name} {tree.dtype} {list(tree.shape)} {digest(data)}"
    elif isinstance(tree, list | tuple) and any(isinstance(value, dict | list | tuple | torch.Tensor) for value in tree):
        for value in tree:
            yield from leaves(value, name)
    else:
        text = json.dumps(tree, default=repr)
        yield f"{name} {text if len(text) <= 80 else digest(text.encode())}"


def logged(run: Path) -> dict[str, list[Any]]:
    """Steps and values of all scalars, pictures and texts of a run, in the order of its commands."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found: dict[str, list[Any]] = {}
    for path in sorted(run.glob("events.out.*"), key=lambda path: path.stat().st_mtime_ns):
        events = EventAccumulator(str(path), size_guidance={"scalars": 0, "images": 0, "tensors": 0}).Reload()  # type: ignore[no-untyped-call]
        tags = events.Tags()  # type: ignore[no-untyped-call]
        for tag in tags["scalars"]:
            found.setdefault(tag, []).extend([event.step, event.value] for event in events.Scalars(tag))  # type: ignore[no-untyped-call]
        for tag in tags["images"]:
            pictures = events.Images(tag)  # type: ignore[no-untyped-call]
            found.setdefault(tag, []).extend([event.step, digest(event.encoded_image_string)] for event in pictures)
        for tag in tags["tensors"]:
            texts = events.Tensors(tag)  # type: ignore[no-untyped-call]
            found.setdefault(tag, []).extend([e.step, digest(e.tensor_proto.SerializeToString())] for e in texts)
    return found


def outcome(run: Path) -> dict[str, Any]:
    """All of a run that a refactoring must leave as it is."""
    import torch

    content = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    weights, optimizer = content.pop("state_dict"), [content.pop("optimizer_states"), content.pop("lr_schedulers")]
    del content["config"]
    files: dict[str, list[str]] = {}
    for path in sorted(run.iterdir()):
        if path.is_file() and not path.name.startswith("events.") and path.name not in ("config.yaml", "hparams.yaml"):
            data = path.read_bytes()
            files[path.name] = [digest(data)] if path.suffix in (".png", ".parquet") else data.decode().splitlines()
    return {
        "weights": sorted(text for weight in weights.values() for text in leaves(weight)),
        "optimizer": sorted(leaves(optimizer)),
        "state": sorted(leaves(content)),
        "metrics": {name: [value] for name, value in json.loads("\n".join(files.pop("metrics.json"))).items()},
        "logged": logged(run),
        "files": files,
    }


def samples(source: Path, folder: Path) -> None:
    """Copy the samples, and make what tests make too: user's own names, dialogues, words; no sums of published files."""
    import torchvision

    shutil.copytree(source, folder)
    for file in (folder / "multi30k").glob("test_2016_flickr.*"):
        shutil.copyfile(file, file.with_name(file.name.replace("test_2016_flickr", "test")))
    turns = [json.dumps({"turns": [f"hello {i}", f"good day {i}", f"how are you {i}"]}) for i in range(40)]
    (folder / "turns.jsonl").write_text("\n".join(turns))
    (folder / "words.txt").write_text("the\nof\nand\n")
    torchvision.datasets.cifar.check_integrity = lambda *args: True
    torchvision.datasets.CIFAR10._check_integrity = lambda self: True


def play(key: str, config: Path, source: Path, folder: Path, log: Path, result: Path) -> None:
    """Run one config in this process, which does nothing else, and write down what came out."""
    from experiments.cli import main

    with log.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    samples(source, folder)
    os.chdir(folder)
    os.environ["LEYDEN_DATA"] = str(folder)
    debug = next(path for path in source.parents[1].glob("configs/**/debug.yaml"))
    data = next((name for name, globs in INPUTS.items() if wanted(key, globs)), None)
    commands = [
        ["fit", f"--config={config}", f"--config={debug}", *OPTIONS.get(key, []), "--name=golden"],
        ["test", f"--ckpt_path={RUN}", "--trainer.limit_test_batches=2"],
        *([["predict", f"--ckpt_path={RUN}", f"--data.predict_path={data}"]] if data else []),
    ]
    try:
        for command, *words in commands:
            if main([command, *QUIET, *words, "--trainer.deterministic=true"]) != 0:
                raise RuntimeError(f"leyden {command} {' '.join(words)} failed")
        result.parent.mkdir(parents=True, exist_ok=True)
        result.write_text(json.dumps(outcome(RUN), indent=1, sort_keys=True).replace(str(folder), "."))
    except BaseException:
        traceback.print_exc()
        sys.exit(1)


def record(folder: Path, globs: list[str], keep_going: bool) -> int:
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    sys.path[0] = os.getcwd()  # the code here, not what lies beside this file
    import torch

    import experiments.cli  # noqa: F401  # once for all the processes that are forked below

    torch.set_num_threads(1)
    failed = []
    for key, config in configs(Path.cwd() / "configs").items():
        if not wanted(key, globs):
            continue
        started, result = time.monotonic(), folder.resolve() / f"{key}.json"
        result.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory() as place:
            log = Path(place, "log")
            ways = (key, config, Path.cwd() / "tests" / "samples", Path(place, "samples"), log, result)
            process = multiprocessing.get_context("fork").Process(target=play, args=ways)
            process.start()
            process.join()
            print(f"{key}: {time.monotonic() - started:.1f} s{', failed' * bool(process.exitcode)}", flush=True)
            if process.exitcode:
                failed.append(key)
                print(log.read_text()[-3000:])
                if not keep_going:
                    break
    print(f"{len(failed)} failed: {', '.join(failed)}" if failed else f"all in {folder}")
    return int(bool(failed))


# ---- compare


def differences(a: dict[str, Any], b: dict[str, Any]) -> Iterator[str]:
    for part in ("weights", "optimizer", "state"):
        gone, come = Counter(a[part]) - Counter(b[part]), Counter(b[part]) - Counter(a[part])
        if gone or come:
            yield f"{part}: {gone.total()} of {len(a[part])} became {come.total()} others of {len(b[part])}"
            yield from (f"    - {text}" for text in list(gone)[:3])
            yield from (f"    + {text}" for text in list(come)[:3])
    for part in ("metrics", "logged", "files"):
        for name in sorted(a[part].keys() | b[part].keys()):
            before, after = a[part].get(name), b[part].get(name)
            if before is None or after is None:
                yield f"{part}: {name} is only {'after' if before is None else 'before'}"
            elif json.dumps(before) != json.dumps(after):  # NaN is equal to NaN here
                pairs = enumerate(zip([*before, None], [*after, None], strict=False), start=1)
                number, (x, y) = next((n, (x, y)) for n, (x, y) in pairs if json.dumps(x) != json.dumps(y))
                yield f"{part}: {name}, {number} of {len(before)}: {str(x)[:200]!r} became {str(y)[:200]!r}"


def compare(before: Path, after: Path, globs: list[str]) -> int:
    first, second = (
        {path.relative_to(folder).with_suffix("").as_posix(): path for path in folder.rglob("*.json")}
        for folder in (before, after)
    )
    keys = [key for key in sorted(first.keys() | second.keys()) if wanted(key, globs)]
    count = 0
    for key in keys:
        if key in first and key in second:
            found = list(differences(*(json.loads(paths[key].read_text()) for paths in (first, second))))
        else:
            found = [f"only in {before if key in first else after}"]
        count += bool(found)
        print("\n    ".join([f"{key}: {'differs' if found else 'equal'}", *found]))
    print(f"{count} of {len(keys)} configs differ")
    return int(count > 0 or not keys)


def main() -> int:
    parser = argparse.ArgumentParser(description="Whether every shipped config does what it did before a change.")
    commands = parser.add_subparsers(dest="command", required=True)
    recording, comparing = commands.add_parser("record"), commands.add_parser("compare")
    recording.add_argument("folder", type=Path, help="where to write what came out")
    recording.add_argument("--keep-going", action="store_true", help="do the other configs when one fails")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    for command in (recording, comparing):
        command.add_argument("--only", nargs="+", default=[], metavar="GLOB", help="configs: digits, 'own/*'")
    options = parser.parse_args()
    if options.command == "record":
        return record(options.folder, options.only, options.keep_going)
    return compare(options.before, options.after, options.only)


if __name__ == "__main__":
    sys.exit(main())
