"""What every kind of data has in common: splits, facts, loaders, predictions."""

import csv
import math
import os
import signal
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from os.path import isfile  # False too for a text that can be no path
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, runtime_checkable

import torch
from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn
from torch.utils.data import DataLoader
from typing_extensions import TypeVar

from datamodules.fetch import fetch
from datamodules.files.faults import OnError
from datamodules.files.fingerprint import fingerprint
from datamodules.files.opening import nearby
from datamodules.sampling import BatchIndices, BatchLayout, DistributedBatchSampler
from datamodules.splits import SPLITS, Fold, Labels, assign
from datamodules.types import Array, Facts, Row

if TYPE_CHECKING:
    from pandas import DataFrame

Raw = TypeVar("Raw", default=Any)
F = TypeVar("F", bound=Facts, default=Any)


@runtime_checkable
class Examples(Protocol):
    """A dataset of one split: it fetches a whole batch at once, already collated."""

    def __len__(self) -> int: ...

    def __getitems__(self, indices: BatchIndices) -> Any:
        """The batch of these indices; random choices depend on ``indices.epoch`` and each index only."""


class Data(LightningDataModule, ABC, Generic[Raw, F]):
    """Base of all datamodules.

    A subclass says which facts it ``makes`` and writes ``read``, ``learn`` and ``examples``; a public dataset names its
    ``folder`` in ``root``, the ``url`` that its files are below, and the ``files`` with their SHA-256. Facts are
    learned once from the training split and travel in the checkpoint.

    Args:
        root: Folder of datasets; a dataset lies in ``root/<name>/``. ``$LEYDEN_DATA``, else ``data``, if not given.
        batch_size: Examples in a batch, per process.
        num_workers: Processes that load batches; 0 loads them in the training process.
        predict_path: File or folder of raw inputs, without labels, for ``leyden predict``.
        encoding: Encoding of the user's text files; UTF-8, or what a byte-order mark says, if not given.
        on_error: What to do about a faulty example in the user's files: ``stop`` with a sentence that names it, or
            ``skip`` it; how many were skipped is told.
        global_batch_size: Examples in a batch of all processes together, instead of ``batch_size``: with another number
            of processes training goes on with the same batches.
        split_seed: Seed of the splits that are drawn; that of the run (``seed_everything``) if not given.
        fold: Test on one of several folds, each held out in turn, instead of on a share: its ``index``, the ``count``.
    """

    makes: type[F]
    str_is_text: ClassVar[bool] = False  # whether inputs are texts, so that a string is not the name of a file
    folder: ClassVar[str] = ""
    url: ClassVar[str] = ""
    files: ClassVar[dict[str, str]] = {}
    # Options that a command with a checkpoint may change. A subclass names those of its own; the others are settled
    # by training: what a run was trained on, and what it learned of that, follow from them.
    changeable: ClassVar[frozenset[str]] = frozenset(
        {"root", "path", "batch_size", "num_workers", "predict_path", "text", "encoding", "on_error",
         "global_batch_size", "max_tokens", "separator"}
    )  # fmt: skip

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
        encoding: str | None = None,
        on_error: OnError = "stop",
        global_batch_size: int | None = None,
        split_seed: int | None = None,
        fold: Fold | None = None,
    ) -> None:
        super().__init__()
        check_least(1, batch_size=batch_size)
        check_least(0, num_workers=num_workers)
        self.root = Path(root or os.environ.get("LEYDEN_DATA", "data"))
        self.batch_size, self.global_batch_size, self.num_workers = batch_size, global_batch_size, num_workers
        self.predict_path, self.encoding, self.on_error = predict_path, encoding, on_error
        self.text: str | None = None  # given on the command line instead of a file, where inputs are text
        self.objects: object = None  # given by a Python program instead of a file
        self.labelled: object = None  # likewise, instead of the test split
        # Bound on (examples) x (longest length) of a batch; ``batch_size`` rules if None.
        self.max_tokens: int | None = None
        self.seed = 0  # of splits, of the order of examples and of their augmentation
        self.split_seed, self.fold = split_seed, fold
        self._assigned_splits: Array | None = None  # of each example of what is divided
        self.restored = False  # whether the facts came from a checkpoint, and weights with them
        self.datasets: dict[str, Examples] = {}
        self.counted: dict[str, int] = {}  # batches of each split whose results count, on this process
        self._facts: F | None = None
        # Where the checkpoint was that training goes on from: steps, epoch, and how this was shared out so far.
        self._steps = self._epoch = 0
        self._layouts: list[BatchLayout] = []
        self._training: DistributedBatchSampler | None = None
        self._reload: int | None = None
        self._cache: dict[str, Raw] = {}  # of each split, and of what splits are drawn from, until all are made

    # ---- what a subclass writes

    def download(self) -> None:
        """Fetch the dataset into ``root`` unless it lies there. Runs on one process of each machine."""
        for name, checksum in self.files.items():
            fetch(self.url + name, self.root / self.folder / name, checksum)

    @abstractmethod
    def read(self, split: str) -> Raw:
        """Read the raw examples of ``train``, ``val`` or ``test``."""

    @abstractmethod
    def learn(self, train: Raw) -> F:
        """Learn the facts from the raw training examples."""

    @abstractmethod
    def examples(self, raw: Raw, train: bool) -> Examples:
        """Make the dataset of a split, augmented if it is for training."""

    def read_predict(self, path: Path) -> Raw:
        """Read the user's raw inputs, without labels."""
        raise MisconfigurationException(f"{type(self).__name__} does not predict from files")

    def read_given(self, text: str) -> Raw:
        """Make a raw input of the text that was given instead of a file."""
        raise MisconfigurationException(f"{type(self).__name__} does not predict from text")

    def read_objects(self, inputs: object) -> Raw:
        """Make raw inputs of what a Python program has in memory, equal to those that a file of the same would give."""
        raise MisconfigurationException(f"{type(self).__name__} does not predict from a {type(inputs).__name__}")

    def read_labelled(self, inputs: object) -> Raw:
        """Make raw examples, with what is to be predicted, of a path or of what a Python program has in memory."""
        raise MisconfigurationException(
            f"{type(self).__name__} scores no {type(inputs).__name__}; without inputs, its test split is scored"
        )

    def lengths(self, examples: Examples) -> Sequence[int] | None:
        """Length of each example, if batches are to hold examples of similar length: the dataset's ``lengths``."""
        return getattr(examples, "lengths", None)

    def size_of_batches(self, split: str) -> int:
        """Examples in a batch of a split, per process, unless ``max_tokens`` bounds it."""
        return self.batch_size

    def describe(self, index: int) -> Row:
        """Columns that tell the user which input a prediction belongs to."""
        return {"index": index}

    def frame(self, rows: Sequence[Row]) -> "DataFrame":
        """The predictions in the order of the inputs, with the columns of the file that ``write`` writes."""
        import pandas as pd

        return pd.DataFrame(list(rows))

    def write(self, rows: Sequence[Row], folder: Path) -> Path:
        """Write the predictions in the order of the inputs; that of a given text is also printed."""
        if self.text is not None:
            shown = "\n".join(f"{name}: {value}" for name, value in rows[0].items())
            rank_zero_info(shown.encode(errors="replace").decode())
        path = folder / "predictions.csv"
        # Half a character (a lone surrogate), which JSON may hold, cannot be written.
        with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
            # A row may lack what others have, where each has its own keys.
            writer = csv.DictWriter(file, fieldnames=dict.fromkeys(name for row in rows for name in row))
            writer.writeheader()
            writer.writerows(rows)
        return path

    def draw(self, rows: Sequence[Row], folder: Path) -> None:
        """Draw the predictions beside their file, if there is anything to see."""

    @property
    def sources(self) -> Sequence[Path]:
        """The user's files and folders that the splits are drawn from: that they have changed is told."""
        return ()

    # ---- what all of them share

    def assign_splits(
        self,
        size: int,
        val: float = 0.0,
        test: float = 0.0,
        stratify: Labels | None = None,
        groups: Labels | None = None,
        times: Array | None = None,
    ) -> Array:
        """The split of each example of those that no file and no official list assigns to one.

        Args:
            size: Number of examples.
            val: Share of the whole that is for validation.
            test: Share of the whole that is for testing, unless a fold is.
            stratify: Class of each example, if each is to have the same share in every split.
            groups: Group of each example, if none is to be divided.
            times: Time of each example, if the latest are tested on.

        Returns:
            Index into ``splits.SPLITS`` of each example, or ``splits.UNUSED``, ``(size)``.
        """
        if self.fold is not None and not test:
            raise MisconfigurationException(self._without_folds())
        seed = self.seed if self.split_seed is None else self.split_seed
        self._assigned_splits = assign(size, seed, val, test, stratify, groups, times, self.fold)
        return self._assigned_splits

    def _without_folds(self) -> str:
        return (
            f"{type(self).__name__} has a test split of its own (or data.test_fraction is 0), so there are no folds to "
            "test on: leave out data.fold and --study.folds, and take --study.seeds"
        )

    def positions(self, split: str) -> list[int] | None:
        """Where the examples of a split stand among all that are divided; None if there is no such order."""
        if self._assigned_splits is None:
            return None
        found: list[int] = (self._assigned_splits == SPLITS.index(split)).nonzero()[0].tolist()
        return found if len(found) == len(self.datasets[split]) else None

    @property
    def known(self) -> bool:
        """Whether the facts are."""
        return self._facts is not None

    @property
    def facts(self) -> F:
        """What was learned from the training split, or came from a checkpoint."""
        if self._facts is None:
            raise MisconfigurationException(f"{type(self).__name__} has learned nothing yet: call setup first")
        return self._facts

    @classmethod
    def check_unchanged(cls, trained: dict[str, object], now: dict[str, object]) -> None:
        """Refuse other options than those of training where they cannot be changed any more.

        Args:
            trained: The options that a checkpoint was trained with.
            now: Those that are asked for.

        Raises:
            MisconfigurationException: If one that training settled is another now.
        """
        free = {name for base in cls.__mro__ for name in vars(base).get("changeable", ())}
        for name in sorted(trained.keys() & now.keys() - free):
            if trained[name] != now[name]:
                raise MisconfigurationException(
                    f"data.{name} is {now[name]!r}, in training it was {trained[name]!r}: the splits, and what was "
                    "learned of the training data, hold from then on; leave the option out, or train anew"
                )

    def prepare_data(self) -> None:
        """Download the dataset, and nothing else (Lightning calls this on one process)."""
        given = self.predict_path or self.text or self.labelled
        if given is None or not self.known:
            self.download()

    def setup(self, stage: str) -> None:
        """Read the splits that a stage needs, learning the facts first if they are not known."""
        if self._facts is None:
            facts: object = self.learn(self._raw("train"))
            if not isinstance(facts, self.makes):
                raise MisconfigurationException(
                    f"{type(self).__name__}.learn returned a {type(facts).__name__}; it makes {self.makes.__name__}"
                )
            self._facts = replace(facts, fingerprint=fingerprint(self.sources))
        elif self.restored and stage != "predict" and self.labelled is None and self.changed:
            rank_zero_warn(
                f"{', '.join(map(str, self.sources))}: not what the model was trained on, or changed since: examples "
                "it was trained on may now be among those it is tested on"
            )
        if stage == "predict":
            self._use("predict", self._inputs())
        if stage == "test" and self.labelled is not None:
            self._use("test", self.read_labelled(self.labelled))
            return
        for split in {"fit": ("train", "val"), "validate": ("val",), "test": ("test",)}.get(stage, ()):
            if split not in self.datasets:
                self._use(split, self._raw(split))
        if self.fold is not None and stage != "predict" and self._assigned_splits is None:
            raise MisconfigurationException(self._without_folds())
        self._cache.clear()

    @property
    def changed(self) -> bool:
        """Whether the files are others than the model was trained on."""
        return self.facts.fingerprint not in ("", fingerprint(self.sources))

    def _use(self, split: str, raw: Raw) -> None:
        examples: object = self.examples(raw, train=split == "train")
        if not isinstance(examples, Examples):
            raise MisconfigurationException(
                f"{type(self).__name__}.examples returned a {type(examples).__name__}, which lacks __len__ or "
                "__getitems__: the latter takes the indices of a batch and returns the batch, collated"
            )
        self.datasets[split] = examples

    def ask(self, inputs: object) -> None:
        """Say what ``setup("predict")`` is to read: a path, or what ``read_objects`` takes.

        Raises:
            MisconfigurationException: If there are none, or a string could be a text as well as a file.
        """
        if inputs is None or (isinstance(inputs, list | tuple | dict) and not inputs):
            raise MisconfigurationException("there is nothing to predict: no inputs")
        if isinstance(inputs, str) and self.str_is_text and isfile(inputs):
            raise MisconfigurationException(
                f"{inputs!r} is a text, and there is a file of that name: say pathlib.Path({inputs!r}) for the file, "
                f"[{inputs!r}] for the text"
            )
        is_path = isinstance(inputs, Path) or (isinstance(inputs, str) and not self.str_is_text)
        self.text, self.predict_path, self.objects = None, str(inputs) if is_path else None, None if is_path else inputs

    def _inputs(self) -> Raw:
        if self.objects is not None:
            return self.read_objects(self.objects)
        if self.text is not None and self.predict_path is not None:
            raise MisconfigurationException("--data.text and --data.predict_path are both given: predict one of them")
        if self.text is not None:
            return self.read_given(self.text)
        if self.predict_path is None:
            raise MisconfigurationException("say what to predict: --data.predict_path FILE_OR_FOLDER")
        path = Path(self.predict_path)
        if not path.exists():
            raise MisconfigurationException(
                f"--data.predict_path {path}: there is no such file or folder{nearby(path)}"
            )
        return self.read_predict(path)

    def _raw(self, split: str) -> Raw:
        if split not in self._cache:
            self._cache[split] = self.read(split)
        return self._cache[split]

    def state_dict(self) -> dict[str, object]:
        """Seed and facts, and how the epoch at hand was shared out so far, for the checkpoint."""
        if self._facts is None:
            return {}
        return {"seed": self.seed, "facts": self._facts.state(), "progress": self._progress()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take seed, facts and the layouts of an epoch from a checkpoint."""
        self._facts = self.makes.from_state(state_dict.get("facts", {}))
        self.seed = int(state_dict["seed"])
        progress = state_dict["progress"]
        self._steps, self._epoch = int(progress["steps"]), int(progress["epoch"])
        self._layouts = [BatchLayout(*map(int, layout)) for layout in progress["layouts"]]
        self.restored = True

    def _progress(self) -> dict[str, object]:
        if self.trainer is None or self._training is None:
            return {"epoch": 0, "steps": 0, "layouts": []}
        loop, epoch = self.trainer.fit_loop, _epochs_done(self.trainer)
        layouts = []
        if loop.epoch_progress.current.ready > epoch:  # within an epoch
            layouts = [
                list(layout) for layout in self._training.layouts(loop.epoch_loop.batch_progress.current.completed)
            ]
        return {"epoch": epoch, "steps": self.trainer.global_step, "layouts": layouts}

    def batches(self, split: str, epoch: int | None = None) -> DistributedBatchSampler:
        """The sampler of a split, on this process, from where training stands; or that of another epoch of training."""
        train, rank, num_replicas = split == "train", 0, 1
        if self.trainer is not None:
            rank, num_replicas = self.trainer.global_rank, self.trainer.world_size
            if train and epoch is None:
                epoch = _epochs_done(self.trainer)
        epoch = epoch or 0
        batch_size = self.size_of_batches(split)
        if self.global_batch_size is not None:
            batch_size, rest = divmod(self.global_batch_size, num_replicas)
            if rest or not batch_size:
                raise MisconfigurationException(
                    f"data.global_batch_size is {self.global_batch_size}, which {num_replicas} processes cannot share"
                )
        examples = self.datasets[split]
        try:
            return DistributedBatchSampler(
                len(examples),
                batch_size,
                self.lengths(examples),
                self.max_tokens,
                shuffle=train,
                seed=self.seed,
                epoch=epoch,
                past=self._layouts if train and epoch == self._epoch else (),
                rank=rank,
                num_replicas=num_replicas,
            )
        except ValueError as error:
            raise MisconfigurationException(str(error)) from error

    def num_steps(self, epochs: int, accumulate: Callable[[int], int], limit: float) -> int:
        """Optimizer steps of the whole training, those before a restart included.

        Args:
            epochs: Epochs of the whole training.
            accumulate: Batches of a step in an epoch.
            limit: Most batches of an epoch, or if a float the share of them.
        """

        def limited(batches: int) -> int:
            return min(batches, limit) if isinstance(limit, int) else int(batches * limit)

        first, rest = self._epoch, 0
        if self._layouts:
            begun = self.batches("train", first)  # the epoch in which training goes on
            rest = math.ceil(limited(len(begun)) / accumulate(first)) - begun.start // accumulate(first)
            first += 1
        each = limited(len(self.batches("train", self._epoch + 1)))
        return self._steps + rest + sum(math.ceil(each / accumulate(epoch)) for epoch in range(first, epochs))

    def loader(self, split: str) -> DataLoader[object]:
        """The loader of a split: ``train``, ``val``, ``test`` or ``predict``.

        Raises:
            MisconfigurationException: If there is nothing to validate or to test on.
        """
        if split in ("val", "test") and not len(self.datasets[split]):
            without = " (--trainer.limit_val_batches 0 trains without)" if split == "val" else ""
            raise MisconfigurationException(
                f"{type(self).__name__} has no examples in its {split} split: raise data.{split}_fraction{without}"
            )
        batches = self.batches(split)
        self.counted[split] = batches.counted
        return DataLoader(
            self.datasets[split],  # type: ignore[arg-type]
            batch_sampler=batches,
            collate_fn=_as_it_is,
            num_workers=self.num_workers,
            # Evaluation does not need the workers between epochs, training does.
            persistent_workers=self.num_workers > 0 and split == "train",
            pin_memory=torch.cuda.is_available(),
            worker_init_fn=_leave_signals if self.trainer is not None else None,
            # A generator of its own: making an iterator must not draw from the global one.
            generator=torch.Generator().manual_seed(self.seed),
        )

    def train_dataloader(self) -> DataLoader[object]:
        """Training batches."""
        trainer = self.trainer
        assert trainer is not None
        loader = self.loader("train")
        assert isinstance(loader.batch_sampler, DistributedBatchSampler)
        self._training = loader.batch_sampler
        # Lightning takes the number of batches of the first epoch for that of all, unless the loader is made anew.
        if self._training.is_replanned:
            self._reload, trainer.reload_dataloaders_every_n_epochs = trainer.reload_dataloaders_every_n_epochs, 1  # type: ignore[attr-defined]
        elif self._reload is not None:
            trainer.reload_dataloaders_every_n_epochs, self._reload = self._reload, None  # type: ignore[attr-defined]
        return loader

    def val_dataloader(self) -> DataLoader[object]:
        """Validation batches."""
        return self.loader("val")

    def test_dataloader(self) -> DataLoader[object]:
        """Test batches."""
        return self.loader("test")

    def predict_dataloader(self) -> DataLoader[object]:
        """Batches of the user's inputs."""
        return self.loader("predict")


def check_least(least: int, **options: float | None) -> None:
    """Refuse options of the data that are less than makes sense; None is passed over."""
    for name, value in options.items():
        if value is not None and value < least:
            raise MisconfigurationException(f"data.{name} is {value}; it must be at least {least}")


def _epochs_done(trainer: Trainer) -> int:
    done: int = trainer.fit_loop.epoch_progress.current.processed  # type: ignore[attr-defined]
    return done


def _leave_signals(worker: int) -> None:
    """Leave it to the trainer to stop: it ends its workers itself, when it has written a checkpoint."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal.signal(signum, signal.SIG_IGN)


def _as_it_is(batch: object) -> object:
    return batch


def data_of(trainer: Trainer) -> Data:
    """The data that a trainer works on."""
    data = trainer.datamodule  # type: ignore[attr-defined]
    assert isinstance(data, Data)
    return data
