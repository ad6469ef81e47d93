"""Small public tables, and a straight line."""

import tarfile
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from datamodules.files.fetch import fetch
from datamodules.sampling import mix
from datamodules.tables.base import Table
from datamodules.tables.columns import Kinds

if TYPE_CHECKING:
    from pandas import DataFrame


class Line(Table):
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
        root: Folder of datasets; not used here.
        batch_size: Points in a batch, per process.
        num_workers: Processes that load batches.
        predict_path: CSV file with a column ``x``.
    """

    def __init__(
        self,
        slope: float = 2.0,
        intercept: float = 1.0,
        noise: float = 0.0,
        num_examples: int = 400,
        val_fraction: float = 0.1,
        test_fraction: float = 0.1,
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
    ) -> None:
        kinds = Kinds(scale=False)
        super().__init__(
            ["y"], "number", kinds, val_fraction, test_fraction, root, batch_size, num_workers, predict_path
        )
        self.slope, self.intercept, self.noise, self.num_examples = slope, intercept, noise, num_examples

    def frame(self) -> "DataFrame":
        """Columns ``x`` and ``y``."""
        import pandas as pd

        x = torch.linspace(-1, 1, self.num_examples, dtype=torch.float64)
        generator = torch.Generator().manual_seed(mix(self.seed, 1))
        noise = self.noise * torch.randn(len(x), generator=generator, dtype=torch.float64)
        return pd.DataFrame({"x": x.numpy(), "y": (self.slope * x + self.intercept + noise).numpy()})


class Public(Table):
    """Base of the public tables. A subclass names its target and writes ``frame``."""

    target: ClassVar[str]
    kind_of_target: ClassVar[Literal["class", "number"]]

    def __init__(
        self,
        val_fraction: float = 0.2,
        test_fraction: float = 0.2,
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
    ) -> None:
        super().__init__(
            [self.target], self.kind_of_target, None, val_fraction, test_fraction, root, batch_size, num_workers,
            predict_path,
        )  # fmt: skip

    @abstractmethod
    def frame(self) -> "DataFrame":
        """Read the whole table."""


class _Flowers(Public):
    target = "class"
    kind_of_target = "class"

    def named(self, bunch: Any) -> "DataFrame":
        """A table of scikit-learn, with the classes by name."""
        table: DataFrame = bunch.data.copy()
        table["class"] = [str(bunch.target_names[k]) for k in bunch.target]
        return table


class Iris(_Flowers):
    """Iris flowers (Fisher 1936): 150 rows, 4 numbers, 3 species. Part of scikit-learn."""

    def frame(self) -> "DataFrame":
        """Petal and sepal sizes in cm, and ``class``."""
        from sklearn.datasets import load_iris

        return self.named(load_iris(as_frame=True))


class Wine(_Flowers):
    """Wines of three growers (Aeberhard et al. 1992): 178 rows, 13 numbers. Part of scikit-learn."""

    def frame(self) -> "DataFrame":
        """Chemical analyses and ``class``."""
        from sklearn.datasets import load_wine

        return self.named(load_wine(as_frame=True))


class BreastCancer(_Flowers):
    """Wisconsin breast cancer (Wolberg et al. 1995): 569 rows, 30 numbers, 2 classes. Part of scikit-learn."""

    def frame(self) -> "DataFrame":
        """Measurements of cell nuclei and ``class``."""
        from sklearn.datasets import load_breast_cancer

        return self.named(load_breast_cancer(as_frame=True))


class Diabetes(Public):
    """Progression of diabetes after a year (Efron et al. 2004): 442 patients, 10 numbers. Part of scikit-learn."""

    target = "progression"
    kind_of_target = "number"

    def frame(self) -> "DataFrame":
        """Age, sex, body-mass index, blood pressure, six serum measurements, and ``progression``."""
        from sklearn.datasets import load_diabetes

        bunch = load_diabetes(as_frame=True, scaled=False)
        table: DataFrame = bunch.data.assign(progression=bunch.target)
        return table


class CaliforniaHousing(Public):
    """Median house values of 20,640 census blocks of 1990 in California (Pace & Barry 1997), 8 numbers; downloaded."""

    target = "median_house_value"
    kind_of_target = "number"

    URL = "https://ndownloader.figshare.com/files/5976036"
    SHA256 = "aaa5c9a6afe2225cc2aed2723682ae403280c4a3695a2ddda4ffb5d8215ea681"
    COLUMNS = (
        "longitude", "latitude", "housing_median_age", "total_rooms", "total_bedrooms", "population", "households",
        "median_income", "median_house_value",
    )  # fmt: skip

    def download(self) -> None:
        """Download and unpack ``cal_housing.data`` (0.4 MB)."""
        folder = self.root / "california_housing"
        if (folder / "cal_housing.data").is_file():
            return
        fetch(self.URL, folder / "cal_housing.tgz", self.SHA256)
        with tarfile.open(folder / "cal_housing.tgz") as tar:
            member = tar.extractfile("CaliforniaHousing/cal_housing.data")
            assert member is not None
            (folder / "cal_housing.data").write_bytes(member.read())

    def frame(self) -> "DataFrame":
        """Place, age, rooms, people and income of a block, and ``median_house_value`` in dollars."""
        import pandas as pd

        path = self.root / "california_housing" / "cal_housing.data"
        if not path.is_file():
            raise MisconfigurationException(f"there is no file {path}")
        table = pd.read_csv(path, header=None, names=list(self.COLUMNS))
        for name in ("total_rooms", "total_bedrooms", "population"):  # a block's size says nothing by itself
            table[f"{name}_per_household"] = table[name] / table["households"]
        return table.drop(columns=["total_rooms", "total_bedrooms"])
