"""The user's own images, in folders or listed in a table."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.faults import Faults
from datamodules.files.forms import JSON
from datamodules.files.frame import separator_of
from datamodules.files.objects import GIVEN, is_table, rows_in
from datamodules.files.opening import suffix_of
from datamodules.files.rows import column_names, read_rows, require
from datamodules.images.base import Images
from datamodules.images.checks import report_classes, report_copies
from datamodules.images.decoding import is_image
from datamodules.images.folders import class_folders
from datamodules.images.sets import ImageSet, text_of
from datamodules.pairs import cell_of, check_columns
from datamodules.split_names import report_others, split_folders, split_name
from datamodules.splits import SPLITS
from datamodules.targets import ClassTarget, Kind, make_target
from datamodules.types import ImageClassFacts, ImageFacts, ImageLabelFacts, ImageNumberFacts, Row

FACTS: dict[Kind, type[ImageFacts]] = {"class": ImageClassFacts, "labels": ImageLabelFacts, "number": ImageNumberFacts}


class ImageFolder(Images):
    """The user's own images in folders by class.

    ``path`` holds folders ``train``, ``val`` (or ``valid``, ``validation``, ``dev``) and ``test`` of class folders, or
    just class folders; splits that are missing are split off from the training images.

    Args:
        path: The folder; a relative one that is not found from here is looked for in ``root``.
        **kwargs: Transforms, weights, fractions and the like: see ``datamodules.images.Images``.
    """

    def __init__(self, path: str, **kwargs: Any) -> None:
        super().__init__(encoding=None, **kwargs)
        self.path = Path(path) if Path(path).exists() else self.root / path
        self._parts: dict[str, ImageSet] = {}

    @property
    def sources(self) -> Sequence[Path]:
        """The folder that is split by the seed, if one is."""
        given = split_folders(self.path) if self.path.is_dir() else {}
        return [] if {"val", "test"} <= given.keys() else [given.get("train", self.path)]

    def read(self, split: str) -> ImageSet:
        """The images of a split, splitting off what is missing."""
        if not self.path.is_dir():
            raise MisconfigurationException(f"there is no data folder {self.path} (--data.path)")
        if not self._parts:
            given = split_folders(self.path)
            folders = given or {"train": self.path}
            found = {name: class_folders(folder, self.on_error) for name, folder in folders.items()}
            self._parts = divide(self, found, self.path)
            report_others(self.path, given)
        return self.checked(self._parts[split])


class ImageTable(Images):
    """The user's own images, listed in a table with a column of paths and what is to be predicted of each.

    Args:
        path: The table (CSV, TSV, JSONL, Parquet or Excel); the images' paths are relative to its folder.
        image: Name of the column of paths.
        target: Column of what is to be predicted; or several columns of numbers, or of 0 and 1 for a label each.
        kind: Whether an image has one ``class``, several ``labels`` (``beach;sunset``, a list), or a ``number``.
        split_column: Name of a column that says ``train``, ``val`` or ``test``; splits that are missing are split off
            from the training images.
        label_separator: Between the labels in a cell; told from the column if not given.
        decimal: Decimal sign of numbers to predict; told from the columns if not given.
        **kwargs: Transforms, weights, fractions and the like: see ``datamodules.images.Images``.
    """

    changeable = frozenset({"image"})

    def __init__(
        self,
        path: str,
        image: str = "path",
        target: str | list[str] = "label",
        kind: Kind = "class",
        split_column: str | None = None,
        label_separator: str | None = None,
        decimal: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = Path(path) if Path(path).exists() else self.root / path
        self.image, self.split_column = image, split_column
        self.makes = FACTS[kind]
        self.target = make_target(kind, target, label_separator, decimal)
        check_columns(image=image, target=self.target.columns, split_column=split_column)
        self._parts: dict[str, ImageSet] = {}

    @property
    def sources(self) -> Sequence[Path]:
        """The table, unless it says itself which image belongs to which split."""
        return [] if self.split_column else [self.path]

    def read(self, split: str) -> ImageSet:
        """The images of a split, splitting off what is missing."""
        if not self.path.is_file():
            raise MisconfigurationException(f"there is no table {self.path} (--data.path)")
        if not self._parts:
            self._parts = divide(self, self._read_splits(), self.path)
        return self.checked(self._parts[split])

    def _read_splits(self) -> dict[str, ImageSet]:
        if suffix_of(self.path) not in JSON:  # where each row has its own keys
            columns = column_names(self.path, self.encoding)
            require(self.path, (self.image, *self.target.columns, self.split_column), columns)
        self.target.separator = separator_of(self.path, encoding=self.encoding)
        faults = Faults(self.on_error, str(self.path))
        found: dict[str, list[tuple[Path, object]]] = {}
        for where, row in read_rows(self.path, self.encoding, faults=faults):
            place = f"{self.path}, {where}"
            with faults:
                image, label = self._image(row, self.path.parent, place), self.target.read(row, place)
                found.setdefault(self._split(row, place), []).append((image, label))
        faults.report(sum(map(len, found.values())) + faults.count)
        # In the order of their names, so that rows in another order are split alike.
        ordered = {split: sorted(rows, key=lambda row: (row[0], str(row[1]))) for split, rows in found.items()}
        return {
            split: ImageSet([image for image, _ in rows], [label for _, label in rows])
            for split, rows in ordered.items()
        }

    def _image(self, row: Row, folder: Path, place: str) -> Path:
        name = text_of(cell_of(row, self.image, place))
        path = folder / name.replace("\\", "/")
        if not name or not path.is_file():
            raise MisconfigurationException(f"{place}: there is no image {path}")
        return path

    def _split(self, row: Row, place: str) -> str:
        if self.split_column is None:
            return "train"
        name = text_of(cell_of(row, self.split_column, place))
        split = split_name(name)
        if split is None:
            raise MisconfigurationException(
                f"{place}: `{name}` in column {self.split_column} is not train, val or test"
            )
        return split

    def read_objects(self, inputs: object) -> ImageSet:
        """Images as of other data; or a table with the column of their paths."""
        if not is_table(inputs):
            return super().read_objects(inputs)
        rows = rows_in(inputs)
        for row in rows:
            require(GIVEN, [self.image], row)
        paths = [self._image_or_path(text_of(row[self.image]), "an image") for row in rows]
        return self.checked(ImageSet(paths, None, rows=rows))

    def read_labelled(self, inputs: object) -> ImageSet:
        """A table of paths and what is to be predicted, in a file or not; or as of other images."""
        folder, faults = Path(), Faults(self.on_error, GIVEN)
        if is_table(inputs):
            rows = iter([(f"row {k}", row) for k, row in enumerate(rows_in(inputs), start=1)])
        elif isinstance(inputs, str | Path) and not Path(inputs).is_dir():
            folder, faults.source = Path(inputs).parent, str(inputs)
            rows = read_rows(Path(inputs), self.encoding, faults=faults)
        else:
            return super().read_labelled(inputs)
        images, labels = [], []
        for where, row in rows:
            place = f"{faults.source}, {where}"
            with faults:
                require(place, [self.image, *self.target.columns], row)
                label = self.target.read(row, place)
                images.append(self._image(row, folder, place))
                labels.append(label)
        faults.report(len(images) + faults.count)
        return self.checked(ImageSet(images, labels))

    def read_predict(self, path: Path) -> ImageSet:
        """One image, all images below a folder, or those that a table lists, whose columns are kept."""
        if path.is_dir() or is_image(path):
            return super().read_predict(path)
        if suffix_of(path) not in JSON:
            require(path, [self.image], column_names(path, self.encoding))
        faults, images, rows = Faults(self.on_error, str(path)), [], []
        for where, row in read_rows(path, self.encoding, faults=faults):
            with faults:
                images.append(self._image(row, path.parent, f"{path}, {where}"))
                rows.append(row)
        faults.report(len(rows) + faults.count)
        return self.checked(ImageSet(images, None, rows=rows))


def divide(data: Images, given: dict[str, ImageSet], source: Path) -> dict[str, ImageSet]:
    """All three splits: those that are given, the others split off from the training images.

    What is odd about the images is said.
    """
    pool = given.get("train")
    if pool is None:
        raise MisconfigurationException(f"{source} has no training images")
    val = 0.0 if "val" in given else data.val_fraction
    test = 0.0 if "test" in given else data.test_fraction
    parts = given | {
        split: data.share_out(pool, split, val, test) for split in SPLITS if split not in given or split == "train"
    }
    if not data.known:
        if isinstance(data.target, ClassTarget):
            report_classes(pool, source)
        report_copies(parts, source)
    return parts
