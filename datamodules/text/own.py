"""Texts of the user's own to classify, in tables or folders."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.pairs import check_columns
from datamodules.split_names import report_others, split_folders
from datamodules.targets import Kind, make_target
from datamodules.text.base import TextData
from datamodules.text.sources import Texts
from datamodules.types import TextClassFacts, TextFacts, TextLabelFacts, TextNumberFacts

FACTS: dict[Kind, type[TextFacts]] = {"class": TextClassFacts, "labels": TextLabelFacts, "number": TextNumberFacts}


class TextTable(TextData):
    """Texts of your own in a table: CSV in any dialect, JSON, Parquet or Excel.

    Args:
        path: The file; its texts that no other file is given for are split at random.
        target: Column of what is to be predicted; or several columns of numbers, or of 0 and 1 for a label each.
        column: Column of the text; or the two columns of a pair of texts.
        kind: Whether a text has one ``class``, several ``labels`` (``drama;comedy``, a list), or a ``number``.
        val_path: File of the validation split; a share of ``path`` if not given.
        test_path: File of the test split; a share of ``path`` if not given.
        val_fraction: Share of ``path`` for validation, if there is no file.
        test_fraction: Share of ``path`` for testing, if there is no file.
        separator: Between the cells of a CSV; told from the file if not given.
        label_separator: Between the labels in a cell; told from the column if not given.
        decimal: Decimal sign of numbers to predict; told from the columns if not given.
        **kwargs: Tokenizer, batch size and the like: see ``datamodules.text.base.TextData``.
    """

    changeable = frozenset({"column", "val_path", "test_path"})

    def __init__(
        self,
        path: str,
        target: str | list[str] = "label",
        column: str | list[str] = "text",
        kind: Kind = "class",
        val_path: str | None = None,
        test_path: str | None = None,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        separator: str | None = None,
        label_separator: str | None = None,
        decimal: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.makes = FACTS[kind]
        self.target = make_target(kind, target, label_separator, decimal)
        self.columns = [column] if isinstance(column, str) else column
        if not 1 <= len(self.columns) <= 2:
            raise MisconfigurationException(
                f"data.column names {len(self.columns)} columns: give one, or two of a pair"
            )
        check_columns(column=self.columns, target=self.target.columns)
        self.path, self.separator = Path(path), separator
        self.paths = {"val": val_path, "test": test_path}
        self.fractions = {"val": 0.0 if val_path else val_fraction, "test": 0.0 if test_path else test_fraction}
        self.opened: dict[Path, Texts] = {}

    @property
    def sources(self) -> Sequence[Path]:
        """The file that splits are drawn from."""
        return (self.path,) if any(self.fractions.values()) else ()

    def read(self, split: str) -> Texts:
        """Read a split's file, or a split's share of the one file."""
        own = self.paths.get(split)
        if own is not None:
            return self.source(Path(own))
        return self.subset(self.source(self.path), split, **self.fractions)

    def source(self, path: Path) -> Texts:
        """One file, opened once, so that what is left out of it is told once."""
        if path not in self.opened:
            self.opened[path] = self.open(path)
        return self.opened[path]

    def open(self, path: Path) -> Texts:
        """Open one file."""
        return self.open_labelled(path)


class TextFolder(TextTable):
    """Texts of your own, a ``.txt`` file each, in folders that are named after the classes.

    ``path`` holds folders ``train``, ``val`` (or ``valid``, ``validation``, ``dev``) and ``test`` of class folders, or
    just class folders; splits that are missing are taken from the training texts at random.

    Args:
        path: The folder.
        **kwargs: Shares of the splits, tokenizer, batch size and the like: see ``TextTable``.
    """

    def __init__(self, path: str, **kwargs: Any) -> None:
        self.outer = Path(path)
        self.given = split_folders(self.outer) if self.outer.is_dir() else {}
        own = {split: str(folder) for split, folder in self.given.items()}
        super().__init__(
            path=own.get("train", path),
            target="label",
            column="text",
            kind="class",
            label_separator=None,
            decimal=None,
            val_path=own.get("val"),
            test_path=own.get("test"),
            separator=None,
            **kwargs,
        )

    def read(self, split: str) -> Texts:
        """Read a split's folder, or a split's share of the one folder."""
        if not self.opened and self.outer.is_dir():
            report_others(self.outer, self.given)
        return super().read(split)
