"""The options of a study: words ``--study.*`` of the command line, and the ``study:`` section of a config."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import timedelta
from os.path import isfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from jsonargparse import Namespace
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from experiments import yaml_limits
from experiments.messages import needing
from experiments.parsing import LeydenParser
from experiments.study.space import Space, read_space

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

# Options that have no say in what a study finds, or that it gives its runs itself.
FREE: tuple[str, ...] = ("name", "ckpt_path", "seed_everything", "data.num_workers", "data.predict_path", "data.fold")
FREE += ("data.split_seed", "trainer.devices", "trainer.accelerator", "trainer.default_root_dir")
FREE += ("trainer.enable_progress_bar", "trainer.enable_model_summary")
SECTION, SEARCH = "study", "search"
USAGE = """leyden study --config FILE --study.seeds N | --study.folds N | --study.trials N [options of leyden fit]

Many runs, one answer: a mean over seeds or folds, or a search for the best options. To stop it does no harm: the same
command goes on, and typed in several shells at once it shares the work."""


class Settings:
    """What a study is to do.

    Args:
        parsed: The options of the study, parsed.
        search: What is searched, by the paths of options.
        parser: Made them.

    Attributes:
        seeds: How many seeds, or which, a result is the mean over; None if not given.
        folds: How many folds; 0 for none.
        gap: Examples left out before a fold in time.
        trials: How many trials; 0 for none.
        timeout: Seconds after which no trial begins any more.
        storage: URL of a database.
        devices_per_trial: Devices of a run.
    """

    def __init__(self, parsed: Namespace, search: Mapping[str, object], parser: LeydenParser) -> None:
        self._parsed, self._parser = parsed, parser
        self.seeds: int | list[int] | None = parsed.seeds
        self.folds: int = parsed.folds
        self.gap: int = parsed.gap
        self.trials: int = parsed.trials
        timeout: timedelta | None = parsed.timeout
        self.timeout = None if timeout is None else timeout.total_seconds()
        self.storage: str | None = parsed.storage
        self.devices_per_trial: int | None = parsed.devices_per_trial
        self.spaces: dict[str, Space] = {option: read_space(option, written) for option, written in search.items()}
        self._check()

    def _check(self) -> None:
        least = {"folds": (self.folds, 2), "trials": (self.trials, 1), "gap": (self.gap, 1)}
        for name, (value, minimum) in least.items():
            if value and value < minimum:
                raise MisconfigurationException(f"--study.{name} is {value}; it must be at least {minimum}")
        if self.seeds is not None and (not self.seeds or (isinstance(self.seeds, int) and self.seeds < 1)):
            raise MisconfigurationException(f"--study.seeds is {self.seeds}; say how many, or a list of them")
        if isinstance(self.seeds, list) and len(set(self.seeds)) < len(self.seeds):
            raise MisconfigurationException(f"--study.seeds {self.seeds}: a seed stands twice")
        if self.devices_per_trial is not None and self.devices_per_trial < 1:
            raise MisconfigurationException(f"--study.devices_per_trial is {self.devices_per_trial}; at least 1")
        if not (self.seeds or self.folds or self.trials):
            raise MisconfigurationException("say what to study: --study.seeds N, --study.folds N or --study.trials N")
        if self.trials and not self.spaces:
            raise MisconfigurationException(
                '--study.trials needs options to search: --study.search.model.optimizer.lr "log(1e-4, 1e-1)"'
            )
        if self.spaces and not self.trials:
            raise MisconfigurationException("--study.search needs a number of trials: --study.trials N")
        if self.gap and not self.folds:
            raise MisconfigurationException("--study.gap is for folds in time: give --study.folds too")

    def list_seeds(self, first: int) -> list[int]:
        """The seeds.

        Args:
            first: The first one, if only their number was given. Three follow a search, one folds, if not even that.
        """
        if isinstance(self.seeds, list):
            return self.seeds
        return list(range(first, first + (self.seeds or (3 if self.trials and not self.folds else 1))))

    def sampler(self, seed: int) -> "BaseSampler":
        """A new sampler.

        Args:
            seed: Its seed.
        """
        spec = self._parsed.clone().sampler
        if "seed" in spec.get("init_args", {}):
            spec.init_args.seed = seed
        made: BaseSampler = self._make(sampler=spec).sampler
        return made

    def pruner(self) -> "BasePruner":
        """A new pruner."""
        made: BasePruner = self._make(pruner=self._parsed.clone().pruner).pruner
        return made

    def _make(self, **specs: object) -> Any:
        return self._parser.instantiate_classes(Namespace({SECTION: Namespace(specs)})).study

    def fixed(self) -> dict[str, object]:
        """What must not change while a study is under way: all but how many runs, where and for how long."""
        search = {name: str(space) for name, space in self.spaces.items()}
        kept: dict[str, object] = {"folds": self.folds, "gap": self.gap, "search": search}
        if self.trials:
            made = {name: self._parsed[name].as_dict() for name in ("sampler", "pruner")}
            kept |= yaml.safe_load(yaml.safe_dump(made))
        return kept


class Given(NamedTuple):
    """A command line, taken apart.

    Attributes:
        all: All of its words.
        words: Those for ``leyden fit``.
        settings: Those for the study.
        name: The name of the study.
    """

    all: list[str]
    words: list[str]
    settings: Settings
    name: str


def read_options(words: Sequence[str]) -> Given:
    """Take a command line apart.

    Args:
        words: All of it after ``leyden study``.

    Raises:
        MisconfigurationException: If there is nothing to do, or something contradicts itself.
    """
    rest, mine, search = list[str](), list[str](), dict[str, object]()
    section: dict[str, object] = {}
    stem = name = None
    for option, value in _pairs(words):
        if option in ("--config", "-c") and value is not None and isfile(value):
            stem = stem or Path(value).stem
            content = yaml_limits.read(Path(value))
            own = content.pop(SECTION, None)
            if own is not None:
                if not isinstance(own, dict) or not isinstance(own.get(SEARCH, {}), dict):
                    raise MisconfigurationException(f"{value}: {SECTION}, and {SEARCH} in it, must be mappings")
                search |= own.pop(SEARCH, {})
                section |= own
                value = yaml.safe_dump(content, sort_keys=False)
            rest += ["--config", value]
        elif option.startswith(f"--{SECTION}.{SEARCH}."):
            search[option.removeprefix(f"--{SECTION}.{SEARCH}.")] = value
        elif option.startswith(f"--{SECTION}"):
            mine += [option] if value is None else [f"{option}={value}"]
        elif option == "--name":
            name = value
        elif option == "--ckpt_path":
            raise MisconfigurationException(
                "a study goes on by itself when its command is typed again: leave out --ckpt_path"
            )
        elif option in ("-h", "--help"):
            mine.append("--help")
        else:
            rest += [option] if value is None else [option, value] if option in words else [f"{option}={value}"]
    parser = make_parser()
    parser.words = mine
    text = ["--config", yaml.safe_dump({SECTION: section})] if section else []
    settings = Settings(parser.parse_args([*text, *mine]).study, search, parser)
    return Given(list(words), rest, settings, name or (f"{stem}_study" if stem else "study"))


def _pairs(words: Sequence[str]) -> list[tuple[str, str | None]]:
    """Options with their values; what stands alone has none."""
    found: list[tuple[str, str | None]] = []
    for place, word in enumerate(words):
        option, equals, value = word.partition("=")
        if word.startswith("-") and equals:
            found.append((option, value))
        elif word.startswith("--") or word in ("-c", "-h"):
            found.append((word, None))
        elif found and found[-1][1] is None and place and words[place - 1] == found[-1][0]:
            found[-1] = (found[-1][0], word)
        else:
            found.append((word, None))
    return found


def make_parser() -> LeydenParser:
    """The parser of the options of a study.

    Raises:
        MisconfigurationException: If Optuna is not installed.
    """
    with needing("a study needs Optuna", "study"):
        from optuna.pruners import BasePruner
        from optuna.samplers import BaseSampler
    parser = LeydenParser(prog="leyden study", usage=USAGE, description=None)
    add = parser.add_argument
    add("--config", action="config", help="Config of the runs; a section `study` in it is for the study")
    add("--study.seeds", type=int | list[int] | None, help="Seeds, or how many, that results are the mean over")
    add("--study.folds", type=int, default=0, help="Folds that are held out in turn, in place of the test split")
    add("--study.gap", type=int, default=0, help="Examples left out before each fold, where splits go by time")
    add("--study.trials", type=int, default=0, help="Runs of a search, chosen by checkpoint.monitor on validation")
    add(
        f"--{SECTION}.{SEARCH}.OPTION",
        dest=f"{SECTION}.option",
        type=str | None,
        help="What an option of model, data or trainer is searched in: log(a, b), uniform(a, b), int(a, b), [a, b, c]",
    )
    add("--study.sampler", type=BaseSampler, default={"class_path": "optuna.samplers.TPESampler"}, help="Of Optuna")
    add("--study.pruner", type=BasePruner, default={"class_path": "optuna.pruners.MedianPruner"}, help="Of Optuna")
    add("--study.timeout", type=timedelta | None, help="Time after which no trial begins, such as 02:00:00")
    add("--study.storage", type=str | None, help="URL of a database, for many machines; a file in the study's folder")
    add("--study.devices_per_trial", type=int | None, help="Devices of a run; 1, or what trainer.devices says")
    return parser


def command_line(words: Sequence[str]) -> str:
    """The command as a shell takes it."""
    return f"leyden study {shlex.join(words)}"
