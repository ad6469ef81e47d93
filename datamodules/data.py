"""What every kind of data has in common: splits, facts, loaders, predictions."""

import csv
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch
from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info
from torch.utils.data import DataLoader

from datamodules.sampling import Batches, Draw

Raw = TypeVar("Raw")
Row = dict[str, Any]


class Examples(Protocol):
    """A dataset of one split: it fetches a whole batch at once, already collated."""

    def __len__(self) -> int: ...

    def __getitems__(self, indices: Draw) -> Any:
        """The batch of these indices; random choices depend on ``indices.epoch`` and each index only."""


class Data(LightningDataModule, ABC, Generic[Raw]):
    """Base of all datamodules.

    A subclass lists its ``facts`` and writes ``read``, ``learn`` and ``examples`` (and ``download`` for a public
    dataset). Facts are what is learned from the training split: class names, vocabulary, scaling. They are computed
    once, travel in the checkpoint, and are not computed again when they came from one.

    Args:
        root: Folder of datasets; a dataset lies in ``root/<name>/``. ``$LEYDEN_DATA``, else ``data``, if not given.
        batch_size: Examples in a batch, per process.
        num_workers: Processes that load batches; 0 loads them in the training process.
        predict_path: File or folder of raw inputs, without labels, for ``leyden predict``.
    """

    facts: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
    ) -> None:
        super().__init__()
        if batch_size < 1:
            raise MisconfigurationException(f"batch_size is {batch_size}; it must be at least 1")
        self.root = Path(root or os.environ.get("LEYDEN_DATA", "data"))
        self.batch_size, self.num_workers = batch_size, num_workers
        self.predict_path = predict_path
        self.text: str | None = None  # given on the command line instead of a file, where inputs are text
        # Bound on (examples) x (longest length) of a batch; ``batch_size`` rules if None.
        self.max_tokens: int | None = None
        self.seed = int(os.environ.get("PL_GLOBAL_SEED", 0))
        self.known = False  # whether the facts are
        self.restored = False  # whether they came from a checkpoint, and weights with them
        self.datasets: dict[str, Examples] = {}
        self._cache: dict[str, Raw] = {}
        self.counted: dict[str, int] = {}  # batches of each split whose results count, on this process

    # ---- what a subclass writes

    def download(self) -> None:
        """Fetch the dataset into ``root`` unless it lies there. Runs on one process of each machine."""

    @abstractmethod
    def read(self, split: str) -> Raw:
        """Read the raw examples of ``train``, ``val`` or ``test``."""

    @abstractmethod
    def learn(self, train: Raw) -> None:
        """Set the facts from the raw training examples."""

    @abstractmethod
    def examples(self, raw: Raw, train: bool) -> Examples:
        """Make the dataset of a split, augmented if it is for training."""

    def add_words(self, words: Sequence[str]) -> None:
        """Add words to the vocabulary, which have vectors from elsewhere."""
        raise MisconfigurationException(f"{type(self).__name__} has no vocabulary of words to add to")

    def read_predict(self, path: Path) -> Raw:
        """Read the user's raw inputs, without labels."""
        raise MisconfigurationException(f"{type(self).__name__} does not predict from files")

    def read_given(self, text: str) -> Raw:
        """Make a raw input of the text that was given instead of a file."""
        raise MisconfigurationException(f"{type(self).__name__} does not predict from text")

    def lengths(self, examples: Examples) -> Sequence[int] | None:
        """Length of each example, if batches are to hold examples of similar length: the dataset's ``lengths``."""
        return getattr(examples, "lengths", None)

    def describe(self, index: int) -> Row:
        """Columns that tell the user which input a prediction belongs to."""
        return {"index": index}

    def write(self, rows: Sequence[Row], folder: Path) -> Path:
        """Write the predictions in the order of the inputs; that of a given text is also printed."""
        if self.text is not None:
            rank_zero_info("\n".join(f"{name}: {value}" for name, value in rows[0].items()))
        path = folder / "predictions.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else [])
            writer.writeheader()
            writer.writerows(rows)
        return path

    # ---- what all of them share

    def prepare_data(self) -> None:
        """Download the dataset, and nothing else (Lightning calls this on one process)."""
        if (self.predict_path or self.text) is None or not self.known:
            self.download()

    def setup(self, stage: str) -> None:
        """Read the splits that a stage needs, learning the facts first if they are not known."""
        if not self.known:
            self.learn(self._raw("train"))
            self.known = True
            for callback in getattr(self.trainer, "callbacks", ()):
                if hasattr(callback, "on_facts"):  # before anything is made from the facts
                    callback.on_facts(self)
        if stage == "predict":
            self.datasets["predict"] = self.examples(self._inputs(), train=False)
        for split in {"fit": ("train", "val"), "validate": ("val",), "test": ("test",)}.get(stage, ()):
            if split not in self.datasets:
                self.datasets[split] = self.examples(self._raw(split), train=split == "train")
        self._cache.clear()

    def _inputs(self) -> Raw:
        if self.text is not None:
            return self.read_given(self.text)
        if self.predict_path is None:
            raise MisconfigurationException("say what to predict: --data.predict_path FILE_OR_FOLDER")
        path = Path(self.predict_path)
        if not path.exists():
            raise MisconfigurationException(f"--data.predict_path {path}: there is no such file or folder")
        return self.read_predict(path)

    def _raw(self, split: str) -> Raw:
        if split not in self._cache:
            self._cache[split] = self.read(split)
        return self._cache[split]

    def state_dict(self) -> dict[str, Any]:
        """The facts, for the checkpoint."""
        return {name: getattr(self, name) for name in ("seed", *self.facts)} if self.known else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the facts from a checkpoint."""
        missing = [name for name in self.facts if name not in state_dict]
        if missing:
            raise MisconfigurationException(
                f"the checkpoint holds no {', '.join(missing)}, which {type(self).__name__} needs: "
                "it was trained on another kind of data"
            )
        for name, value in state_dict.items():
            setattr(self, name, value)
        self.known = self.restored = True

    def batches(self, split: str) -> Batches:
        """The sampler of a split, on this process, from where training stands."""
        train, epoch, start, rank, num_replicas = split == "train", 0, 0, 0, 1
        if self.trainer is not None:
            rank, num_replicas = self.trainer.global_rank, self.trainer.world_size
            if train:
                loop = self.trainer.fit_loop
                epoch = loop.epoch_progress.current.processed  # type: ignore[attr-defined]
                if loop.epoch_progress.current.ready > epoch:  # restarted within an epoch
                    start = loop.epoch_loop.batch_progress.current.completed
        examples = self.datasets[split]
        try:
            return Batches(
                len(examples),
                self.batch_size,
                self.lengths(examples),
                self.max_tokens,
                shuffle=train,
                seed=self.seed,
                epoch=epoch,
                start=start,
                rank=rank,
                num_replicas=num_replicas,
            )
        except ValueError as error:
            raise MisconfigurationException(str(error)) from error

    def loader(self, split: str) -> DataLoader[Any]:
        """The loader of a split: ``train``, ``val``, ``test`` or ``predict``."""
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
            # A generator of its own: making an iterator must not draw from the global one.
            generator=torch.Generator().manual_seed(self.seed),
        )

    def train_dataloader(self) -> DataLoader[Any]:
        """Training batches."""
        return self.loader("train")

    def val_dataloader(self) -> DataLoader[Any]:
        """Validation batches."""
        return self.loader("val")

    def test_dataloader(self) -> DataLoader[Any]:
        """Test batches."""
        return self.loader("test")

    def predict_dataloader(self) -> DataLoader[Any]:
        """Batches of the user's inputs."""
        return self.loader("predict")


def _as_it_is(batch: Any) -> Any:
    return batch
