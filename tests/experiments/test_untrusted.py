"""What a file from a stranger may say: an attack on every option of every class, and what stays possible."""

import importlib
import inspect
import json
import pkgutil
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from jsonargparse import ArgumentParser
from lightning.pytorch import Callback
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

import datamodules
import experiments
import modules
from datamodules.data import Data
from experiments import load
from experiments.parsing import LeydenParser, check
from experiments.parsing import _parser as parser_of
from experiments.untrusted import MOST, Restriction, import_paths, read_config, restricted, unfolded_size
from modules.task import Task

CONFIGS = Path(__file__).parents[2] / "configs"
SOURCE = Path("stranger.ckpt")
EVERY = 6  # 1 tries all forms on all options, in half a minute
HOSTILE = """
import pathlib
import torch
pathlib.Path(__file__).with_name("imported").touch()

class Net(torch.nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
        pathlib.Path(__file__).with_name("executed").touch()
"""


@pytest.fixture
def marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """A module that must not be imported; what was marked since the last call."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "hostile.py").write_text(HOSTILE)
    (tmp_path / "spec.yaml").write_text("class_path: hostile.Net\n")

    def take() -> list[str]:
        found = [name for name in ("imported", "executed") if (tmp_path / name).exists()]
        for name in found:
            path = tmp_path / name
            path.rmdir() if path.is_dir() else path.unlink()
        return found + (["hostile"] if sys.modules.pop("hostile", None) else [])

    yield take
    sys.modules.pop("hostile", None)


def forms() -> list[Any]:
    """A call and a class that must not be, in every way to write them."""
    call = {"class_path": "os.makedirs", "init_args": {"name": "executed"}}
    made = {"class_path": "hostile.Net"}
    linear = {"class_path": "torch.nn.Linear", "init_args": {"in_features": 2, "out_features": 2}}
    return [
        call,
        made,
        "os.makedirs",
        "hostile.Net",
        json.dumps(call),
        yaml.safe_dump(made),
        {**call, "class_path": "datamodules.data.os.makedirs"},
        "datamodules.data.os.makedirs",
        str(Path("spec.yaml").absolute()),
        [call],
        [made],
        {"x": made},
        {"init_args": made},
        {**linear, "init_args": {**linear["init_args"], "device": made}},  # type: ignore[dict-item]
        {**linear, "dict_kwargs": {"device": call}},
        {"class_path": "torchvision.transforms.v2.Lambda", "init_args": {"lambd": "os.makedirs"}},
        {"class_path": "torch.optim.lr_scheduler.LambdaLR", "init_args": {"lr_lambda": made}},
        {"class_path": "experiments.__main__.main"},
    ]


def shipped() -> list[type]:
    """All classes of the three packages that a configuration can name."""
    for package in (modules, datamodules, experiments):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    kinds, found_kinds = [Task, Data, nn.Module, LRScheduler, Callback], list[type]()
    for kind in kinds:
        waiting: list[type] = [kind]
        while waiting:
            here = waiting.pop()
            waiting += here.__subclasses__()
            ours = here.__module__.partition(".")[0] in ("modules", "datamodules", "experiments")
            if ours and not inspect.isabstract(here) and here not in found_kinds and "<" not in here.__qualname__:
                found_kinds.append(here)
    return sorted(found_kinds, key=lambda one: (one.__module__, one.__qualname__))


def options_of(kind: type) -> list[str]:
    parser = ArgumentParser(exit_on_error=False)
    try:
        parser.add_class_arguments(kind, "x", fail_untyped=False)
    except ValueError:  # its options have types that no configuration can give
        return []
    return [action.dest[2:] for action in parser._actions if action.dest[:2] == "x." and action.dest[-5:] != ".help"]


def place(kind: type, option: str, value: Any) -> dict[str, Any]:
    """A configuration in which an option of a class has a value."""
    spec = {"class_path": f"{kind.__module__}.{kind.__qualname__}", "init_args": {option: value}}
    task: dict[str, Any] = {"class_path": "modules.classification.Classifier", "init_args": {"net": "torch.nn.Linear"}}
    data: dict[str, Any] = {"class_path": "datamodules.images.Digits"}
    if issubclass(kind, Task):
        return {"model": {**spec, "init_args": {"net": "torch.nn.Linear", option: value}}, "data": data}
    if issubclass(kind, Data):
        return {"model": task, "data": spec}
    if issubclass(kind, Callback):
        return {"model": task, "data": data, "trainer": {"callbacks": [spec]}}
    task["init_args"]["scheduler" if issubclass(kind, LRScheduler) else "net"] = spec
    return {"model": task, "data": data}


def test_no_option_of_any_class_runs_or_imports_what_a_file_says(marks: Callable[[], list[str]]) -> None:
    kinds = shipped()
    assert len(kinds) > 90
    parsers = {section: parser_of((section,), SOURCE) for section in ("", "trainer")}
    tried, done = 0, list[str]()
    turn = 0  # the forms take turns, three of them for each option
    for kind in kinds:
        for option in options_of(kind):
            turn += 1
            for form in forms()[turn % EVERY :: EVERY]:
                config = place(kind, option, form)
                parser = parsers["trainer" if "trainer" in config else ""]
                tried += 1
                try:
                    with restricted(Restriction(), SOURCE, config):
                        parser.instantiate_classes(parser.parse_object(config))
                except Exception:  # refused, or wrong otherwise
                    pass
                done += [f"{kind.__name__}.{option}: {form} {mark}" for mark in marks()]
    assert done == []
    assert tried > 2000


def test_without_the_restriction_the_attack_succeeds(marks: Callable[[], list[str]]) -> None:
    config = place(Data, "train_transforms", [{"class_path": "hostile.Net"}])
    config["data"]["class_path"] = "datamodules.images.Digits"
    parser = parser_of((), SOURCE)
    parser.instantiate_classes(parser.parse_object(config))
    assert marks() == ["imported", "executed", "hostile"]


@pytest.fixture
def stranger(leyden: Callable[..., int], digits: Path, tmp_path: Path) -> Callable[[str, Any], Path]:
    """A run whose checkpoints carry another value for an option."""
    assert leyden("fit", "--config", digits, "--trainer.max_epochs=1") == 0
    paths = [tmp_path / f"runs/digits/0/checkpoints/{name}.ckpt" for name in ("best", "last")]
    content = torch.load(paths[1], weights_only=True)

    def write(option: str, value: Any) -> Path:
        config = yaml.safe_load(content["config"])
        *path, last = option.split(".")
        part = config
        for name in path:
            part = part[name]
        part[last] = value
        for path_ in paths:
            torch.save({**content, "config": yaml.safe_dump(config)}, path_)
        return tmp_path / "runs/digits/0"

    return write


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("model.init_args.optimizer", {"class_path": "os.makedirs", "init_args": {"name": "executed"}}),
        ("model.init_args.net", "hostile.Net"),
        ("data.init_args.train_transforms", [{"class_path": "hostile.Net"}]),
        ("data.class_path", "hostile.Net"),
    ],
)
def test_no_command_runs_what_a_checkpoint_says(
    option: str,
    value: Any,
    marks: Callable[[], list[str]],
    stranger: Callable[[str, Any], Path],
    leyden: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = stranger(option, value)
    for command in ("test", "predict", "validate", "fit"):
        assert leyden(command, "--ckpt_path", run) == 1
        assert f"names {value if isinstance(value, str) else 'hostile' if 'data' in option else 'os.make'}" in (
            capsys.readouterr().err
        )
    assert leyden_chat(run) == 1
    with pytest.raises(MisconfigurationException, match=r"\.ckpt names .*--trust"):
        load(run)
    assert marks() == []


def leyden_chat(run: Path) -> int:
    from experiments.program import main

    return main(["chat", "--ckpt_path", str(run)])


def test_callbacks_that_a_checkpoint_names_are_not_made(
    marks: Callable[[], list[str]], stranger: Callable[[str, Any], Path], leyden: Callable[..., int]
) -> None:
    run = stranger("trainer.callbacks", [{"class_path": "hostile.Net"}])
    assert leyden("fit", "--ckpt_path", run) == 1
    assert leyden("test", "--ckpt_path", run) == 0  # which does not look at the trainer's options
    run = stranger(
        "trainer.callbacks",
        [{"class_path": "lightning.pytorch.callbacks.LambdaCallback", "init_args": {"setup": "os.getcwd"}}],
    )
    assert leyden("fit", "--ckpt_path", run) == 1
    assert marks() == []


def test_what_a_run_may_write_to_is_not_told_by_its_checkpoint(
    tmp_path: Path, stranger: Callable[[str, Any], Path], leyden: Callable[..., int]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    logger = {
        "class_path": "lightning.pytorch.loggers.CSVLogger",
        "init_args": {"save_dir": str(elsewhere), "name": "../x"},
    }
    profiler = {"class_path": "lightning.pytorch.profilers.SimpleProfiler", "init_args": {"dirpath": str(elsewhere)}}
    run = stranger("trainer.logger", logger)
    with pytest.warns(UserWarning, match=r"a run writes into its own folder, so trainer.logger.name: ../x of"):
        assert leyden("fit", "--ckpt_path", run, "--trainer.max_epochs=2") == 0
    run = stranger("trainer.profiler", profiler)
    assert leyden("fit", "--ckpt_path", run, "--trainer.max_epochs=2") == 0
    run = stranger("trainer.default_root_dir", str(elsewhere))
    assert leyden("fit", "--ckpt_path", run, "--trainer.max_epochs=2") == 0
    assert not elsewhere.exists()
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix != ".yaml") == ["runs"]
    assert list(run.rglob("metrics.csv"))


def test_facts_of_a_checkpoint_set_no_options(stranger: Callable[[str, Any], Path], leyden: Callable[..., int]) -> None:
    run = stranger("name", None)
    content = torch.load(run / "checkpoints/best.ckpt", weights_only=True)
    content["Digits"]["facts"]["predict_path"] = "/etc"
    torch.save(content, run / "checkpoints/best.ckpt")
    assert leyden("test", "--ckpt_path", run) == 1
    content["Digits"]["facts"].pop("predict_path")
    content["Digits"]["predict_path"] = content["Digits"]["seed_everything"] = "/etc"
    torch.save(content, run / "checkpoints/best.ckpt")
    assert load(run)[1].predict_path is None


OWN = """
import torch
class Own(torch.nn.Linear):
    pass
def make(num_inputs: int, num_outputs: int) -> Own:
    return Own(num_inputs, num_outputs)
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A configuration with a network of the user's own."""
    (tmp_path / "own_nets.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "own.yaml"
    path.write_text(
        """
model: {class_path: modules.classification.Classifier, init_args: {net: own_nets.Own}}
data: {class_path: datamodules.tables.Iris}
trainer: {max_epochs: 1, enable_model_summary: false}
"""
    )
    yield path
    sys.modules.pop("own_nets", None)


@pytest.mark.parametrize("name", ["own_nets.Own", "own_nets.make"])
def test_package_of_ones_own_is_trusted_by_name(
    name: str,
    own: Path,
    leyden: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert leyden("fit", "--config", own, f"--model.net={name}") == 0
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "of_another_user"))
    sys.modules.pop("own_nets")
    assert leyden("test", "--ckpt_path", "runs/own/0") == 1
    assert f"names {name} (model.net)" in (said := capsys.readouterr().err)
    assert "add --trust own_nets" in said
    with pytest.raises(MisconfigurationException, match="names own_nets"):
        load("runs/own/0")
    assert "own_nets" not in sys.modules
    assert leyden("test", "--ckpt_path", "runs/own/0", "--trust", "own_nets") == 0
    assert isinstance(load("runs/own/0", trust=["own_nets"])[0].get_submodule("net"), nn.Linear)
    assert leyden("fit", "--ckpt_path", "runs/own/0", "--trust=own_nets", "--trainer.max_epochs=2") == 0
    assert leyden("test", "--ckpt_path", "runs/own/0") == 0  # what was trusted once is now a run of this user


def test_a_run_of_ones_own_goes_on_as_it_began(own: Path, leyden: Callable[..., int]) -> None:
    assert leyden("fit", "--config", own) == 0
    assert leyden("fit", "--ckpt_path", "runs/own/0", "--trainer.max_epochs=2") == 0
    shutil.rmtree("runs/own/0/checkpoints")
    assert leyden("fit", "--ckpt_path", "runs/own/0") == 0  # anew, from its configuration
    assert leyden("test", "--ckpt_path", "runs/own/0") == 0
    assert isinstance(load("runs/own/0")[0].get_submodule("net"), nn.Linear)
    config = Path("runs/own/0/config.yaml")
    config.write_text(config.read_text().replace("max_epochs: 2", "max_epochs: 3"))
    shutil.rmtree("runs/own/0/checkpoints")
    assert leyden("fit", "--ckpt_path", "runs/own/0") == 1  # somebody changed it


def test_what_the_user_types_is_not_restricted(own: Path, digits: Path, leyden: Callable[..., int]) -> None:
    iris = own.read_text().replace("own_nets.Own", "torch.nn.Linear")
    own.with_name("iris.yaml").write_text(iris)
    assert leyden("fit", "--config", "iris.yaml") == 0
    # A function, a class of a package that is not known, and a configuration by its path.
    own.with_name("net.yaml").write_text("class_path: own_nets.Own\n")
    for typed in ("own_nets.make", "own_nets.Own", "net.yaml"):
        assert leyden("test", "--ckpt_path", "runs/iris/0", f"--model.net={typed}") == 0


CONFIG_FILES = sorted(path for path in CONFIGS.rglob("*.yaml") if path.parent.name not in ("configs", "trainer"))


@pytest.mark.parametrize("path", CONFIG_FILES, ids=lambda path: path.stem)
def test_shipped_configs_may_come_from_a_checkpoint(path: Path) -> None:
    tree = yaml.safe_load(path.read_text().replace("callbacks+:", "callbacks:"))
    check(read_config(yaml.safe_dump(tree), SOURCE, to_train=True), SOURCE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- 1", "does not say its model"),
        ("", "does not say its model"),
        ("model: x", "does not say its model"),
        ("model: {class_path: [a]}", "does not say its model"),
        ("model: {class_path: a.B}", "does not say its data"),
        ("model: [", "cannot be read"),
        ("model: !!python/object/apply:os.getcwd []", "cannot be read"),
        ("a: &a [*a]" + " " * 60, "holds itself"),
        ("- " * 60 + "x", "nests deeper than 50 levels"),
        (
            "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
            + "".join(f"{b}: &{b} [{','.join(10 * [f'*{a}'])}]\n" for a, b in zip("abcde", "bcdef", strict=True)),
            "unfolds",
        ),
    ],
)
def test_text_that_is_no_configuration(text: str, said: str) -> None:
    with pytest.raises(MisconfigurationException, match=f"^stranger.ckpt .*{said}"):
        read_config(text, SOURCE, to_train=False)


def test_parts_that_are_no_options_do_not_count() -> None:
    text = "{model: {class_path: a.B}, data: {class_path: c.D}, weights_only: false, config: x.yaml, trainer: {a: 1}}"
    parts = {"model": {"class_path": "a.B"}, "data": {"class_path": "c.D"}}
    assert read_config(text, SOURCE, to_train=False) == parts
    assert read_config(text, SOURCE, to_train=True) == {**parts, "trainer": {"a": 1}}


def test_import_paths_of_words_and_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("net: own.nets.Net\n")
    words = ["--model.net=x.Y", f"--config={tmp_path / 'a.yaml'}", "0.5", "x" * 5000]
    found = import_paths(words)
    assert {"own.nets.Net", "model.net", "x.Y"} <= found
    assert "0.5" not in found


def test_containers_are_counted_as_they_unfold() -> None:
    tree: list[Any] = [1]
    for _ in range(40):
        tree = [tree, tree]
    assert unfolded_size(tree) > MOST
    assert unfolded_size({"a": [1, 2, (3,)], "b": "text"}) == 11
    loop: list[Any] = []
    loop.append(loop)
    assert unfolded_size(loop) > MOST
    deep: Any = 1
    for _ in range(300):
        deep = {"a": deep}
    assert unfolded_size(deep) > MOST


def test_settings_of_the_parser_are_put_back() -> None:
    from jsonargparse import _common, _typehints

    before = {**_common.parsing_settings}, _typehints.import_object, _typehints.adapt_typehints
    with pytest.raises(MisconfigurationException), restricted(Restriction(), SOURCE, {}):
        raise MisconfigurationException("x")
    assert (_common.parsing_settings, _typehints.import_object, _typehints.adapt_typehints) == before
    assert isinstance(LeydenParser(), LeydenParser)
