"""Texts to classify from the Hugging Face hub."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.faults import Faults, OnError
from datamodules.targets import Target
from datamodules.text.own import TextTable
from datamodules.text.sources import Text, Texts, text_in

if TYPE_CHECKING:
    from datasets import DatasetDict


class HubTexts(TextTable):
    """A dataset of the Hugging Face hub by its name; it is mapped into memory, so it may be larger than that.

    Args:
        name: Name on the hub (``stanfordnlp/imdb``), or a folder that ``datasets.load_dataset`` can read.
        variant: Name of one of the dataset's configurations.
        train_split: Name of the training split.
        val_split: Name of the validation split; a share of the training split if not given.
        test_split: Name of the test split; a share of the training split if not given.
        **kwargs: Columns, shares of the splits, tokenizer and the like: see ``datamodules.text.TextTable``.
    """

    changeable = frozenset({"val_split", "test_split"})

    def __init__(
        self,
        name: str,
        variant: str | None = None,
        train_split: str = "train",
        val_split: str | None = None,
        test_split: str | None = "test",
        **kwargs: Any,
    ) -> None:
        super().__init__(path=train_split, val_path=val_split, test_path=test_split, separator=None, **kwargs)
        self.dataset, self.variant = name, variant

    @property
    def sources(self) -> Sequence[Path]:
        """No files of the user's."""
        return ()

    def download(self) -> None:
        """Let ``datasets`` fetch it into its cache."""
        self._load()

    def open(self, path: Path) -> Texts:
        """Open one split."""
        return HubSplit(self._load(), self.dataset, str(path), self.columns, self.target, self.on_error)

    def _load(self) -> "DatasetDict":
        from datasets import load_dataset

        try:
            return load_dataset(self.dataset, self.variant)
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise MisconfigurationException(
                f"the dataset {self.dataset} could not be loaded: {reason} "
                "(without a download: --data.name FOLDER, with its files)"
            ) from error


class HubSplit(Texts):
    """A split of a dataset of the hub.

    Args:
        dataset: The dataset, a dictionary of splits.
        name: Its name.
        split: Name of the split.
        columns: Column of the text, or those of a pair of texts.
        target: What is to be predicted.
        on_error: Whether a row without it is left out.
    """

    def __init__(
        self,
        dataset: "DatasetDict",
        name: str,
        split: str,
        columns: Sequence[str],
        target: Target,
        on_error: OnError = "stop",
    ) -> None:
        super().__init__(f"{name}, {split}")
        self.on_error = on_error
        if split not in dataset:
            raise MisconfigurationException(f"{name} has no split `{split}`; there are: {', '.join(dataset)}")
        self.rows, self.columns, self.target = dataset[split], columns, target
        for wanted in (*columns, *target.columns):
            if wanted not in self.rows.features:
                known = ", ".join(self.rows.features)
                raise MisconfigurationException(f"{name} has no column `{wanted}`; there are: {known}")
        # Classes have names; those in a list, by the feature that it is a list of.
        features = {name: self.rows.features[name] for name in target.columns}
        names = {name: getattr(getattr(kind, "feature", kind), "names", None) for name, kind in features.items()}
        self.names = {name: known for name, known in names.items() if known is not None}

    def __iter__(self) -> Iterator[Text]:
        faults = Faults(self.on_error, self.source)
        for number, row in enumerate(self.rows, start=1):
            named = {name: _named(row[name], names) for name, names in self.names.items()}
            with faults:
                text = text_in({**row, **named}, self.columns, self.target, self.source, f"row {number}")
                yield text._replace(row=row)
        self.tell(faults, len(self.rows))


def _named(cell: list[int] | int | None, names: Sequence[str]) -> list[str] | str | None:
    """The names of a cell's numbers; -1 is how the hub writes that there is no class."""
    if isinstance(cell, list):
        return [names[number] for number in cell]
    return None if cell is None or cell < 0 else names[cell]
