"""The user's own parallel text: sentences and their translations."""

from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.pairs import check_fractions, share
from datamodules.parallel.base import ParallelData
from datamodules.parallel.reading import Pairs, find_files


class ParallelText(ParallelData):
    """Your own sentences and their translations.

    ``path`` is one of

    - two files ``corpus.en`` and ``corpus.de``, a sentence a line, plain or packed (``corpus.en.gz``), given by what
      their names have in common, ``corpus``, or by one of the two;
    - a table with the columns ``en`` and ``de``: CSV in any dialect, JSON lines, Parquet or Excel;
    - a folder of one of these, or of ``train``, ``val`` and ``test`` ones: ``train.en``, ``train.de``, ``val.en``, ...

    Splits without a file get a share of the training pairs, drawn at random.

    Args:
        path: Where the sentences are.
        val_fraction: Share of the pairs to validate on, if there is no file for that.
        test_fraction: Share of the pairs to test on, if there is no file for that.
        separator: Between the cells of a CSV; told from the file if not given.
        **kwargs: Languages, vocabulary, batch size and the like: see ``datamodules.parallel.base.ParallelData``.
    """

    def __init__(
        self,
        path: str,
        val_fraction: float = 0.05,
        test_fraction: float = 0.05,
        separator: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_fractions(val_fraction, test_fraction)
        self.path, self.separator = Path(path), separator
        self.fractions = {"val": val_fraction, "test": test_fraction}

    def read(self, split: str) -> Pairs:
        """Read the pairs of a split."""
        files = find_files(self.path, self.source, self.target)
        if split in files and split != "train":
            return self.open_pairs(files[split])
        if "train" not in files:
            raise MisconfigurationException(f"{self.path} holds no training files")
        val, test = (0.0 if name in files else fraction for name, fraction in self.fractions.items())
        if "whole" not in self._cache:
            self._cache["whole"] = self.open_pairs(files["train"])
        whole = self._cache["whole"]
        assert whole.target is not None
        mine = share(self, len(whole.source), split, val, test, ", ".join(map(str, files["train"])))
        return Pairs([whole.source[i] for i in mine], [whole.target[i] for i in mine])
