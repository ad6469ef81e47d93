"""Public series in time: the electricity transformers, and short classics."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from datamodules.files.fetch import fetch
from datamodules.series.own import Series
from datamodules.series.reading import Part
from datamodules.series.timeline import Field

SHA256 = {  # of the files that the figures were measured on
    "ETTh1": "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
    "airline-passengers": "8cb51be753a718d9be5d76d7e238cc224792754676adc21faa59e954b0201621",
    "daily-min-temperatures": "8b9de63ed6789492bf497625e7f9beb96a63d367b4b0a21754006f749fa5e5da",
    "monthly-sunspots": "c4ec8cc57d9f6fb6ecdb3e1f37f25b6f4badd5124c55931052b0cd2fc3bc71f3",
}


class ETT(Series):
    """Electricity transformer temperature (Zhou et al. 2021): seven series, every hour or quarter of an hour.

    Splits are the published ones: 12 months (of 30 days) for training, 4 for validation, 4 for test. A shorter file is
    split in the same proportion.

    Args:
        variant: Transformer 1 or 2, by the hour or by the minute (every 15).
        target: Columns to forecast; all seven if None.
        calendar: Parts of the time that are made known covariates.
        context: Steps a forecast looks at.
        horizon: Steps forecast.
        stride: Steps from one training window to the next.
        root: Folder of datasets; the file is ``ett/<variant>.csv``.
        batch_size: Windows in a batch, per process.
        num_workers: Processes that load batches; 0 is fastest.
        predict_path: File from whose end to forecast.
    """

    URL = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/1d16c8f4f9/ETT-small"

    def __init__(
        self,
        variant: Literal["ETTh1", "ETTh2", "ETTm1", "ETTm2"] = "ETTh1",
        target: str | list[str] | None = None,
        calendar: Sequence[Field] = (),
        context: int = 336,
        horizon: int = 96,
        stride: int = 1,
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
    ) -> None:
        super().__init__(
            f"ett/{variant}.csv", target, "date", calendar=calendar, context=context, horizon=horizon, stride=stride,
            root=root, batch_size=batch_size, num_workers=num_workers, predict_path=predict_path,
        )  # fmt: skip
        self.variant = variant

    @property
    def file(self) -> Path:
        """The file of the variant."""
        return self.root / self.path

    def download(self) -> None:
        """Fetch the file of the variant."""
        fetch(f"{self.URL}/{self.variant}.csv", self.file, SHA256.get(self.variant))

    def ends(self, part: Part) -> list[int]:
        """12, 4 and 4 months of 30 days."""
        month = 30 * 24 * (4 if self.variant.startswith("ETTm") else 1)
        month = min(month, len(part.frame) // 20)
        return [12 * month, 16 * month, 20 * month]


class Univariate(Series):
    """A short classic: one series of a few hundred to a few thousand steps.

    Args:
        name: Airline passengers (144 months), sunspots (2820 months) or daily minimum temperatures (3650 days).
        calendar: Parts of the time that are made known covariates.
        context: Steps a forecast looks at.
        horizon: Steps forecast.
        splits: Shares of the steps for training, validation and test.
        borders: Times instead of shares: the start of validation, the start of test and, perhaps, the end of test.
        season: Steps of a season; told from the step if None.
        scale: ``standard``, ``log`` before that, or ``none``.
        root: Folder of datasets; the file is ``univariate/<name>.csv``.
        batch_size: Windows in a batch, per process.
        num_workers: Processes that load batches; 0 is fastest.
        predict_path: File from whose end to forecast.
    """

    URL = "https://raw.githubusercontent.com/jbrownlee/Datasets/d20fcb6402"

    def __init__(
        self,
        name: Literal["airline-passengers", "monthly-sunspots", "daily-min-temperatures"] = "airline-passengers",
        calendar: Sequence[Field] = (),
        context: int = 24,
        horizon: int = 12,
        splits: Sequence[float] = (0.7, 0.1, 0.2),
        borders: Sequence[str] | None = None,
        season: int | None = None,
        scale: Literal["standard", "log", "none"] = "standard",
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
    ) -> None:
        super().__init__(
            f"univariate/{name}.csv", calendar=calendar, context=context, horizon=horizon, splits=splits,
            borders=borders, season=season, scale=scale, gaps="linear", root=root, batch_size=batch_size,
            num_workers=num_workers, predict_path=predict_path,
        )  # fmt: skip
        self.dataset = name

    @property
    def file(self) -> Path:
        """The file of the series."""
        return self.root / self.path

    def download(self) -> None:
        """Fetch the file of the series."""
        fetch(f"{self.URL}/{self.dataset}.csv", self.file, SHA256.get(self.dataset))
