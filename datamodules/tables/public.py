"""Public tables, and a straight line."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.frame import read_frame
from datamodules.files.rows import require
from datamodules.sampling import mix
from datamodules.splits import SPLITS
from datamodules.tables.base import TableData
from datamodules.tables.cells import Rows
from datamodules.tables.kinds import Kinds
from datamodules.types import Array

if TYPE_CHECKING:
    from pandas import DataFrame


class Line(TableData):
    """Points on a straight line, ``y = slope * x + intercept + noise``: the simplest regression there is.

    The x are spread evenly over [-1, 1], and nothing is standardized: the weight and the bias that a linear network
    learns are the slope and the intercept.

    Args:
        slope: Slope of the line.
        intercept: Where the line crosses x = 0.
        noise: Standard deviation of the noise on y.
        num_examples: Number of points.
        val_fraction: Share of the points for validation.
        test_fraction: Share of the points for testing.
        **kwargs: Batch size, workers and the like: see ``datamodules.data.Data``.
    """

    def __init__(
        self,
        slope: float = 2.0,
        intercept: float = 1.0,
        noise: float = 0.0,
        num_examples: int = 400,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            target=["y"],
            kind="number",
            kinds=Kinds(scale=False),
            val_fraction=val_fraction,
            test_fraction=test_fraction,
            **kwargs,
        )
        if not 0 <= noise < math.inf:
            raise MisconfigurationException(f"data.noise is {noise}; it must be at least 0, and finite")
        self.slope, self.intercept, self.noise, self.num_examples = slope, intercept, noise, num_examples

    def table(self) -> "DataFrame":
        """Columns ``x`` and ``y``."""
        import pandas as pd

        x = torch.linspace(-1, 1, self.num_examples, dtype=torch.float64)
        generator = torch.Generator().manual_seed(mix(self.seed, 1))
        noise = self.noise * torch.randn(len(x), generator=generator, dtype=torch.float64)
        return pd.DataFrame({"x": x.numpy(), "y": (self.slope * x + self.intercept + noise).numpy()})


class PublicTable(TableData):
    """Base of the public tables. A subclass names its ``target``, says which ``kind`` it is, and writes ``table``.

    Args:
        **kwargs: Shares of the splits, batch size, workers and the like: see ``datamodules.tables.base.TableData`` and
            ``datamodules.data.Data``.
    """

    column: ClassVar[str]
    kind_of_column: ClassVar[Literal["class", "number"]]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(target=[self.column], kind=self.kind_of_column, kinds=None, **kwargs)

    @property
    def path(self) -> Path:
        """Where the files lie."""
        return self.root / self.folder


class _NamedClasses(PublicTable):
    column = "class"
    kind_of_column = "class"

    def named(self, bunch: Any) -> "DataFrame":
        """A table of scikit-learn, with the classes by name."""
        table: DataFrame = bunch.data.copy()
        table["class"] = [str(bunch.target_names[k]) for k in bunch.target]
        return table


class Iris(_NamedClasses):
    """Iris flowers (Fisher 1936): 150 rows, 4 numbers, 3 species. Part of scikit-learn."""

    def table(self) -> "DataFrame":
        """Petal and sepal sizes in cm, and ``class``."""
        from sklearn.datasets import load_iris

        return self.named(load_iris(as_frame=True))


class Wine(_NamedClasses):
    """Wines of three growers (Aeberhard et al. 1992): 178 rows, 13 numbers. Part of scikit-learn."""

    def table(self) -> "DataFrame":
        """Chemical analyses and ``class``."""
        from sklearn.datasets import load_wine

        return self.named(load_wine(as_frame=True))


class BreastCancer(_NamedClasses):
    """Wisconsin breast cancer (Wolberg et al. 1995): 569 rows, 30 numbers, 2 classes. Part of scikit-learn."""

    def table(self) -> "DataFrame":
        """Measurements of cell nuclei and ``class``."""
        from sklearn.datasets import load_breast_cancer

        return self.named(load_breast_cancer(as_frame=True))


class Diabetes(PublicTable):
    """Progression of diabetes after a year (Efron et al. 2004): 442 patients, 10 numbers. Part of scikit-learn."""

    column = "progression"
    kind_of_column = "number"

    def table(self) -> "DataFrame":
        """Age, sex, body-mass index, blood pressure, six serum measurements, and ``progression``."""
        from sklearn.datasets import load_diabetes

        bunch = load_diabetes(as_frame=True, scaled=False)
        table: DataFrame = bunch.data.assign(progression=bunch.target)
        return table


class CaliforniaHousing(PublicTable):
    """Median house values of 20,640 census blocks of 1990 in California (Pace & Barry 1997): 8 numbers, a category.

    As published by A. Géron, with the distance to the ocean by name; 1.4 MB.
    """

    column = "median_house_value"
    kind_of_column = "number"
    folder = "california_housing"
    url = "https://raw.githubusercontent.com/ageron/handson-ml2/master/datasets/housing/"
    files: ClassVar[dict[str, str]] = {
        "housing.csv": "8a3727f4cf54ac1a327f69b1d5b4db54c5834ea81c6e4efc0d163300022a685e"
    }

    def table(self) -> "DataFrame":
        """Place, age, rooms, people and income of a block, and ``median_house_value`` in dollars."""
        return self.read_file(self.path / "housing.csv")

    def read_file(self, path: Path) -> "DataFrame":
        """Read a file of the same columns, as numbers."""
        return self.derive(read_frame(path))

    def derive(self, frame: "DataFrame") -> "DataFrame":
        """Put numbers a household in the place of totals: a block's size says nothing by itself."""
        counted = ["total_rooms", "total_bedrooms", "population"]
        require(self.source, [*counted, "households"], frame.columns)
        each = {f"{name}_per_household": frame[name] / frame["households"] for name in counted}
        return frame.assign(**each).drop(columns=["total_rooms", "total_bedrooms"])


class Diamonds(PublicTable):
    """Prices of 53,940 diamonds (Wickham, ggplot2): 6 numbers, 3 categories. The target is the logarithm; 2.8 MB."""

    column = "log_price"
    kind_of_column = "number"
    folder = "diamonds"
    url = "https://raw.githubusercontent.com/mwaskom/seaborn-data/master/"
    files: ClassVar[dict[str, str]] = {
        "diamonds.csv": "9574730b03aba241d899c4a97511c5061b19358fab89510774fb6c24168345c4"
    }

    def table(self) -> "DataFrame":
        """Weight, proportions, cut, color, clarity, and ``log_price``, the natural logarithm of dollars."""
        return self.read_file(self.path / "diamonds.csv")

    def read_file(self, path: Path) -> "DataFrame":
        """Read a file of the same columns, as numbers."""
        return self.derive(read_frame(path))

    def derive(self, frame: "DataFrame") -> "DataFrame":
        """Take the logarithm of the price, if it is known."""
        return frame.assign(log_price=np.log(frame["price"])).drop(columns="price") if "price" in frame else frame


class Adult(PublicTable):
    """Whether a person's income exceeds 50,000 dollars (Kohavi 1996): census of 1994, 6 numbers, 8 categories; 5.5 MB.

    The 16,281 rows of the official test file are tested on; the validation rows are from the 32,561 others.

    Args:
        val_fraction: Share of all rows for validation.
        **kwargs: Batch size, workers and the like: see ``datamodules.data.Data``.
    """

    column = "income"
    kind_of_column = "class"
    folder = "adult"
    url = "https://raw.githubusercontent.com/max044/Naive_Bayesian_Classifier/master/"
    files: ClassVar[dict[str, str]] = {
        "adult.csv": "3b8a6abd697a6623ef2ccbffc3e2802e167e7fdaa853003d3bd557b0ce7f5d2a",
        "adult.test": "de8fb7805b2b84ad954ab9c1e3327ffba610ee87647e35dc1edf215556087d0a",
    }

    def __init__(self, val_fraction: float = 0.1, **kwargs: Any) -> None:
        super().__init__(val_fraction=val_fraction, test_fraction=1 / 3, **kwargs)
        self.missing = ["?"]

    def table(self) -> "DataFrame":
        """Age, work, education, family, origin, and ``income``; the official test rows come last."""
        import pandas as pd

        parts = [self.read_file(self.path / name) for name in self.files]
        return pd.concat([part.assign(test=k) for k, part in enumerate(parts)], ignore_index=True)

    def derive(self, frame: "DataFrame") -> "DataFrame":
        """Take the dot off the income, which it has in the test file, if it is known."""
        return frame.assign(income=frame["income"].str.rstrip(".")) if "income" in frame else frame

    def inputs(self, frame: "DataFrame") -> list[str]:
        """All columns but the target and the mark of the test rows."""
        return [name for name in super().inputs(frame) if name != "test"]

    def assign(self, rows: Rows) -> Array:
        """The official test rows; validation rows at random among the others, each class with its share."""
        names = np.full(len(rows.where), SPLITS.index("test"), dtype=np.int8)
        others = rows.column("test").to_numpy() == 0
        left = rows._replace(where=rows.where[others])
        share = self.val_fraction * len(names) / len(left.where)
        names[others] = self.assign_splits(len(left.where), val=share, stratify=self.class_of(left))
        return names
