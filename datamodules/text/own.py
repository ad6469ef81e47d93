"""Texts of the user's own to classify, in tables or folders."""

from pathlib import Path

from datamodules.text.base import TextData
from datamodules.text.sources import Folder, Texts
from datamodules.text.text_tables import Table


class TextTable(TextData):
    """Texts of your own in CSV, TSV, JSONL or Parquet files.

    Args:
        path: The file; its texts that no other file is given for are split at random.
        target: Column of the class.
        column: Column of the text.
        val_path: File of the validation split; a share of ``path`` if not given.
        test_path: File of the test split; a share of ``path`` if not given.
        val_fraction: Share of ``path`` for validation, if there is no file.
        test_fraction: Share of ``path`` for testing, if there is no file.
        root: Folder of datasets, not used here.
        batch_size: Texts in a batch, per process. They are of similar length, and padded to the longest of them.
        num_workers: Processes that load batches; 0 loads them in the training process.
        predict_path: Texts to predict: ``.txt`` (one a line), CSV, TSV, JSONL, Parquet, or a folder of ``.txt`` files.
        text: One text to predict, instead of ``predict_path``.
        tokenizer: ``words``, ``bpe`` or ``wordpiece``, fitted on the training split; or a pretrained model's own, by
            the model's folder or its name on the Hugging Face hub.
        num_tokens: Most tokens that a fitted tokenizer keeps.
        min_count: Times that a word must occur in training to be kept.
        lowercase: Whether a fitted tokenizer forgets the case.
        ngrams: Rows of the embedding for the 3 to 5 letters within a word; 0 for none. For ``words`` only.
        max_length: Tokens after which a text is cut.
        encoding: Encoding of the files.
    """

    def __init__(
        self,
        path: str,
        target: str = "label",
        column: str = "text",
        val_path: str | None = None,
        test_path: str | None = None,
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
        encoding: str = "utf-8",
    ) -> None:
        super().__init__(
            root, batch_size, num_workers, predict_path, text,
            tokenizer, num_tokens, min_count, lowercase, ngrams, max_length, encoding,
        )  # fmt: skip
        self.path, self.column, self.target = Path(path), column, target
        self.paths = {"val": val_path, "test": test_path}
        self.fractions = {
            name: fraction
            for name, fraction in (("test", test_fraction), ("val", val_fraction))
            if self.paths[name] is None
        }

    def read(self, split: str) -> Texts:
        """Read a split's file, or a split's share of the one file."""
        own = self.paths.get(split)
        if own is not None:
            return self.open(Path(own))
        whole = self.open(self.path)
        return self.split(whole, split, self.fractions) if self.fractions else whole

    def open(self, path: Path) -> Texts:
        """Open one file."""
        return Table(path, self.column, self.target, self.encoding)


class TextFolder(TextTable):
    """Texts of your own, a ``.txt`` file each, in folders that are named after the classes.

    ``path`` holds ``train``, ``val`` and ``test`` folders of class folders, or just class folders; splits that are
    missing are taken from the training texts at random.

    Args:
        path: The folder.
        val_fraction: Share of the training texts for validation, if there is no such folder.
        test_fraction: Share of the training texts for testing, if there is no such folder.
        root: Folder of datasets, not used here.
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
        encoding: Encoding of the files.
    """

    def __init__(
        self,
        path: str,
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
        encoding: str = "utf-8",
    ) -> None:
        folder = Path(path)
        own = {name: str(folder / name) if (folder / name).is_dir() else None for name in ("val", "test")}
        super().__init__(
            str(folder / "train") if (folder / "train").is_dir() else path, "label", "text",
            own["val"], own["test"], val_fraction, test_fraction, root, batch_size, num_workers, predict_path, text,
            tokenizer, num_tokens, min_count, lowercase, ngrams, max_length, encoding,
        )  # fmt: skip

    def open(self, path: Path) -> Texts:
        """Open one folder of class folders."""
        return Folder(path, self.encoding)
