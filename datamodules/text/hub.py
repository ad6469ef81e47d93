"""Texts to classify from the Hugging Face hub."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.text.own import TextTable
from datamodules.text.sources import Text, Texts


class HubTexts(TextTable):
    """A dataset of the Hugging Face hub by its name; it is mapped into memory, so it may be larger than that.

    Args:
        name: Name on the hub (``stanfordnlp/imdb``), or a folder that ``datasets.load_dataset`` can read.
        variant: Name of one of the dataset's configurations.
        target: Column of the class.
        column: Column of the text.
        train_split: Name of the training split.
        val_split: Name of the validation split; a share of the training split if not given.
        test_split: Name of the test split; a share of the training split if not given.
        val_fraction: Share of the training split for validation, if there is none.
        test_fraction: Share of the training split for testing, if there is none.
        root: Folder of datasets, not used here: the hub's own cache is.
        batch_size: Texts in a batch, per process.
        num_workers: Processes that load batches.
        predict_path: Texts to predict: ``.txt`` (one a line), CSV, TSV, JSONL, Parquet, or a folder of ``.txt`` files.
        text: One text to predict, instead of ``predict_path``.
        tokenizer: ``words``, ``bpe``, ``wordpiece``, or a pretrained model's folder or name.
        num_tokens: Most tokens that a fitted tokenizer keeps.
        min_count: Times that a word must occur in training to be kept.
        lowercase: Whether a fitted tokenizer forgets the case.
        ngrams: Rows of the embedding for the 3 to 5 letters within a word; 0 for none. For ``words`` only.
        max_length: Tokens after which a text is cut.
    """

    def __init__(
        self,
        name: str,
        variant: str | None = None,
        target: str = "label",
        column: str = "text",
        train_split: str = "train",
        val_split: str | None = None,
        test_split: str | None = "test",
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
        text: str | None = None,
        tokenizer: str = "words",
        num_tokens: int = 30000,
        min_count: int = 1,
        lowercase: bool = True,
        ngrams: int = 0,
        max_length: int = 512,
    ) -> None:
        super().__init__(
            train_split, target, column, val_split, test_split, val_fraction, test_fraction, root, batch_size,
            num_workers, predict_path, text, tokenizer, num_tokens, min_count, lowercase, ngrams, max_length,
        )  # fmt: skip
        self.dataset, self.variant = name, variant

    def download(self) -> None:
        """Let ``datasets`` fetch it into its cache."""
        self._load()

    def open(self, path: Path) -> Texts:
        """Open one split."""
        return HubSplit(self._load(), self.dataset, str(path), self.column, self.target)

    def _load(self) -> Any:
        from datasets import load_dataset

        try:
            return load_dataset(self.dataset, self.variant)
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise MisconfigurationException(f"the dataset {self.dataset} could not be loaded: {reason}") from error


class HubSplit(Texts):
    """A split of a dataset of the hub.

    Args:
        dataset: The dataset, a dictionary of splits.
        name: Its name.
        split: Name of the split.
        column: Column of the text.
        target: Column of the class.
    """

    def __init__(self, dataset: Any, name: str, split: str, column: str, target: str) -> None:
        super().__init__(f"{name}, {split}")
        if split not in dataset:
            raise MisconfigurationException(f"{name} has no split `{split}`; there are: {', '.join(dataset)}")
        self.rows, self.column, self.target = dataset[split], column, target
        for wanted in (column, target):
            if wanted not in self.rows.features:
                known = ", ".join(self.rows.features)
                raise MisconfigurationException(f"{name} has no column `{wanted}`; there are: {known}")
        self.names = getattr(self.rows.features[target], "names", None)

    def __iter__(self) -> Iterator[Text]:
        for number, row in enumerate(self.rows, start=1):
            label = row[self.target]
            yield Text(row[self.column] or "", str(label) if self.names is None else self.names[label], f"row {number}")
