"""Golden comparison for refactorings: after a change every shipped config does, to the last bit, what it did before.

    python -m benchmarks.golden record FOLDER [--only GLOB ...] [--keep-going]    in the checkout before, and after
    python -m benchmarks.golden compare BEFORE AFTER [--only GLOB ...]            exit status 1 if anything differs

``record`` runs the code of the current folder: fit (a few batches), test and predict on a copy of ``tests/samples``,
each config in a process of its own. It keeps, in one file a config, the values in ``last.ckpt``, all that was logged,
and the files of the run (scores, predictions, ...). Names of classes, parameters and configs may change: tensors are
compared as a multiset, other values by their last name only. Numbers depend on processor and libraries: record both
sides on one machine. A checkout without this file runs a copy of it: ``python COPY_OF_GOLDEN.py record FOLDER``.
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
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

# Own data: the former name of the config, and what the user would type. All others are known by their stem.
OWN = {
    "own/images": ("image_classification/own_folder", "--data.path=my_images --model.net.weights=null"),
    "own/image_table": ("image_classification/own_table", "--data.path=my_images/labels.csv --model.net.weights=null"),
    "own/tabular_classification": (
        "tabular_classification/own_csv",
        "--data.path=tables/people.csv --data.target=city",
    ),
    "own/regression": ("regression/own_csv", "--data.path=tables/people.csv --data.target=income"),
    "own/text": ("text_classification/own_table", "--data.path=texts/reviews.csv"),
    "own/tagging": ("tagging/own_columns", "--data.path=tagged"),
    "own/embedding": ("embedding/own_text", "--data.path=texts/book.txt"),
    "own/translation": ("translation/own_files", "--data.path=multi30k"),
    "own/dialogue": ("dialogue/own_turns", "--data.path=turns.jsonl"),
    "own/forecasting": ("forecasting/own_csv", "--data.path=series/shops.csv --data.id=shop --data.target=sales"),
}
NAMES = {former: name for name, (former, _) in OWN.items()}
# Nothing to download, and a size that a small machine bears.
OPTIONS = {"hymenoptera_resnet18": "--model.net.weights=null", "imagenet_resnet50": "--data.batch_size=2"}
OPTIONS |= {name: options for name, (_, options) in OWN.items()}
OPTIONS |= {
    "text_labels": "--data.path=texts/films.csv --data.target=genres",
    "text_number": "--data.path=texts/films.csv --data.target=minutes",
    "text_pairs": "--data.path=texts/pairs.csv",
    "tabular_labels": "--data.path=tables/hobbies.csv --data.target=hobbies",
    "image_labels": "--data.path=my_images/tags.csv --model.net.weights=null",
    "image_number": "--data.path=my_images/tags.csv",
}
# What is predicted, and the configs for which it is; <name>.csv for all others.
INPUTS = {
    "my_images": "own/image* image[s_]* cifar10_* digits *mnist_* imagenet_* hymenoptera_*",
    "texts/unlabelled.txt": "own/text text_[ln]* own/translation own/dialogue sst2_* trec_* multi30k_* daily_*",
    "tagged/sentences.txt": "own/tagging conll2003_* ewt_* wnut17_*",
    "tables/people.csv": "own/tabular_classification own/regression",
    "texts/pairs.csv": "text_pairs",
    "tables/hobbies.csv": "tabular_labels",
    "california_housing/housing.csv": "california_*",
    "diamonds/diamonds.csv": "diamonds_*",
    "adult/adult.test": "adult_*",
    "series/shops.csv": "own/forecasting",
    "ett/ETTh1.csv": "etth1_*",
    "univariate/airline-passengers.csv": "airline_*",
    "words.txt": "own/embedding skip_gram cbow",
}
ALWAYS = (
    "--trainer.enable_progress_bar=false --trainer.accelerator=cpu --trainer.devices=1 --trainer.deterministic=true"
)
RUN = Path("runs/golden/0")

CLOCKS = ("_hparams_/", "train/throughput", "run/text_summary")  # what tells the time, or the command


def matches(key: str, globs: list[str]) -> bool:
    return any(fnmatch(key, glob) for glob in globs)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:24]


def configs(folder: Path) -> dict[str, Path]:
    """All experiments in a folder of configs, by the names they have today."""
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.yaml")):
        if {"model", "data"} <= set(yaml.safe_load(path.read_text()) or {}):
            name = path.relative_to(folder).with_suffix("").as_posix()
            key = name if name in OWN else NAMES.get(name, path.stem)
            if key in found:
                raise SystemExit(f"{found[key]} and {path} have the same name")
            found[key] = path
    return found


def leaves(tree: Any, name: str = "") -> Iterator[str]:
    """Last name and value of everything in a checkpoint; tensors and long values by their digests."""
    import torch

    nested = (dict, list, tuple, torch.Tensor)
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, str(key).rpartition(".")[2])
    elif isinstance(tree, torch.Tensor):
        data = tree.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        yield f"{name} {tree.dtype} {list(tree.shape)} {digest(data)}".lstrip()
    elif isinstance(tree, list | tuple) and any(isinstance(value, nested) for value in tree):
        for value in tree:
            yield from leaves(value, name)
    else:
        text = json.dumps(tree, default=repr)
        yield f"{name} {text if len(text) <= 80 else digest(text.encode())}"


def logged(run: Path) -> dict[str, list[Any]]:
    """Step and value of all that TensorBoard shows; of pictures and texts the digest."""
    from tensorboard.backend.event_processing import event_file_loader

    found: dict[str, list[Any]] = {}
    for path in sorted(run.glob("events.*"), key=lambda path: path.stat().st_mtime_ns):
        for event in event_file_loader.LegacyEventFileLoader(str(path)).Load():
            for value in (value for value in event.summary.value if not value.tag.startswith(CLOCKS)):
                number = value.simple_value if value.HasField("simple_value") else digest(value.SerializeToString())
                found.setdefault(value.tag, []).append([event.step, number])
    return found


def outcome(run: Path) -> dict[str, Any]:
    """All of a run that a refactoring must leave as it is."""
    import torch

    content = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)
    weights, optimizer = content.pop("state_dict"), [content.pop("optimizer_states"), content.pop("lr_schedulers")]
    del content["config"]  # full of names
    files: dict[str, list[str]] = {}
    for path in sorted(path for path in run.iterdir() if path.is_file() and not path.match("events.*")):
        if path.name not in ("config.yaml", "hparams.yaml", ".training"):
            data = path.read_bytes()
            files[path.name] = [digest(data)] if path.suffix in (".png", ".parquet") else data.decode().splitlines()
    return {
        "weights": sorted(text for weight in weights.values() for text in leaves(weight)),
        "optimizer": sorted(leaves(optimizer)),
        "state": sorted(leaves(content)),
        "scores": {name: [value] for name, value in json.loads("\n".join(files.pop("metrics.json"))).items()},
        "logged": logged(run),
        "files": files,
    }


def prepare(source: Path, folder: Path) -> None:
    """Copy the samples, add what the tests add and what is to be predicted, and believe the samples' checksums."""
    import torchvision
    from sklearn import datasets

    shutil.copytree(source, folder)
    for file in (folder / "multi30k").glob("test_2016_flickr.*"):  # under the name of a user's own too
        shutil.copyfile(file, file.with_name(file.name.replace("test_2016_flickr", "test")))
    turns = [json.dumps({"turns": [f"hello {i}", f"good day {i}", f"how are you {i}"]}) for i in range(40)]
    (folder / "turns.jsonl").write_text("\n".join(turns))
    (folder / "words.txt").write_text("the\nof\nand\n")
    (folder / "line.csv").write_text("x\n1\n2.5\n")
    for name in ("iris", "wine", "breast_cancer", "diabetes"):
        table = getattr(datasets, f"load_{name}")(as_frame=True).data
        table.iloc[::20].to_csv(folder / f"{name}.csv", index=False)
    torchvision.datasets.cifar.check_integrity = lambda *args: True
    torchvision.datasets.CIFAR10._check_integrity = lambda self: True


def play(key: str, config: Path, checkout: Path, folder: Path, result: Path) -> None:
    """Run one config in this process, which does nothing else, and write down what came out."""
    with folder.with_suffix(".log").open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    from experiments.program import main

    prepare(checkout / "tests" / "samples", folder)
    os.chdir(folder)
    os.environ["LEYDEN_DATA"] = "."  # no name that is another one the next time
    debug = checkout / "configs" / "trainer" / "debug.yaml"
    inputs = next((name for name, globs in INPUTS.items() if matches(key, globs.split())), f"{key}.csv")
    for words in (
        ["fit", f"--config={config}", f"--config={debug}", *OPTIONS.get(key, "").split(), "--name=golden"],
        ["test", f"--ckpt_path={RUN}", "--trainer.limit_test_batches=2"],
        ["predict", f"--ckpt_path={RUN}", f"--data.predict_path={inputs}"],
    ):
        if main([*words, *ALWAYS.split()]) != 0:
            raise SystemExit(f"leyden {' '.join(words)} failed")
    result.parent.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps(outcome(RUN), indent=1, sort_keys=True))


def record(folder: Path, only: list[str], keep_going: bool) -> int:
    os.environ |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    sys.path[0] = os.getcwd()  # the code here, not what lies beside this file
    import torch

    import experiments.cli  # noqa: F401  # once, for all the processes that are forked from this one

    torch.set_num_threads(1)
    checkout, failed = Path.cwd(), []
    for key, config in configs(checkout / "configs").items():
        if not matches(key, only):
            continue
        started, result = time.monotonic(), folder.resolve() / f"{key}.json"
        result.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory() as place:
            ways = (key, config, checkout, Path(place, "samples"), result)
            process = multiprocessing.get_context("fork").Process(target=play, args=ways)
            process.start()
            process.join()
            print(f"{key}: {time.monotonic() - started:.1f} s", flush=True)
            if process.exitcode:
                failed.append(key)
                print(f"{key} FAILED:\n{Path(place, 'samples.log').read_text()[-3000:]}", flush=True)
                if not keep_going:
                    break
    print(f"failed: {', '.join(failed)}" if failed else f"all in {folder}")
    return int(bool(failed))


def differences(a: dict[str, Any], b: dict[str, Any]) -> Iterator[str]:
    for part in ("weights", "optimizer", "state"):
        gone, come = Counter(a[part]) - Counter(b[part]), Counter(b[part]) - Counter(a[part])
        if gone or come:
            yield f"{part}: {gone.total()} of {len(a[part])} became {come.total()} others of {len(b[part])}, such as"
            yield from (f"  {sign} {text}" for sign, some in (("-", gone), ("+", come)) for text in list(some)[:3])
    for part in ("scores", "logged", "files"):
        for name in sorted(a[part].keys() | b[part].keys()):
            # As texts: NaN is equal to NaN.
            before, after = ([json.dumps(value) for value in side[part].get(name, [])] for side in (a, b))
            if before != after:
                length = max(len(before), len(after))
                before, after = (side + ["nothing"] * (length - len(side)) for side in (before, after))
                first = next(i for i in range(length) if before[i] != after[i])
                pair = before[first], after[first]
                start = next((i for i, (x, y) in enumerate(zip(*pair, strict=False)) if x != y), 0) - 30
                old, new = (f"...{text[start:]}"[:160] if start > 0 else text[:160] for text in pair)
                yield f"{part}: {name}, {first + 1} of {length}: {old} became {new}"


def compare(before: Path, after: Path, only: list[str]) -> int:
    keys = {
        path.relative_to(folder).with_suffix("").as_posix()
        for folder in (before, after)
        for path in folder.rglob("*.json")
    }
    count, chosen = 0, sorted(key for key in keys if matches(key, only))
    for key in chosen:
        paths = [folder / f"{key}.json" for folder in (before, after)]
        missing = [f"missing: {path}" for path in paths if not path.exists()]
        found = missing or list(differences(*(json.loads(path.read_text()) for path in paths)))
        count += bool(found)
        print("\n    ".join([f"{key}: {'DIFFERS' if found else 'equal'}", *found]))
    print(f"{count} of {len(chosen)} configs differ")
    return int(count > 0 or not chosen)


def main() -> int:
    parser = argparse.ArgumentParser(description="Whether every shipped config does what it did before a change.")
    commands = parser.add_subparsers(dest="command", required=True)
    recording, comparing = commands.add_parser("record"), commands.add_parser("compare")
    recording.add_argument("folder", type=Path, help="where to write what came out")
    recording.add_argument("--keep-going", action="store_true", help="run the other configs when one has failed")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    for command in (recording, comparing):
        command.add_argument("--only", nargs="+", default=["*"], metavar="GLOB", help="configs: digits 'own/*'")
    options = parser.parse_args()
    if options.command == "record":
        return record(options.folder, options.only, options.keep_going)
    return compare(options.before, options.after, options.only)


if __name__ == "__main__":
    sys.exit(main())
