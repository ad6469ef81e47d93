"""Public series in time: the electricity transformers, and short classics."""

from pathlib import Path
from typing import Any, ClassVar, Literal

from datamodules.series.base import SeriesData
from datamodules.series.segments import Segment
from datamodules.series.timeline import Gaps


class ETT(SeriesData):
    """Electricity transformer temperature (Zhou et al. 2021): seven series, every hour or quarter of an hour.

    Splits are the published ones: 12 months (of 30 days) for training, 4 for validation, 4 for test. A shorter file is
    split in the same proportion.

    Args:
        variant: Transformer 1 or 2, by the hour or by the minute (every 15).
        context: Steps a forecast looks at.
        horizon: Steps forecast.
        **kwargs: Columns, scale and the like: see ``datamodules.series.base.SeriesData``.
    """

    changeable = frozenset({"variant"})

    folder = "ett"
    url = "https://raw.githubusercontent.com/zhouhaoyi/ETDataset/1d16c8f4f9/ETT-small/"
    files: ClassVar = {
        "ETTh1.csv": "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
        "ETTh2.csv": "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b",
        "ETTm1.csv": "6ce1759b1a18e3328421d5d75fadcb316c449fcd7cec32820c8dafda71986c9e",
        "ETTm2.csv": "db973ca252c6410a30d0469b13d696cf919648d0f3fd588c60f03fdbdbadd1fd",
    }

    def __init__(
        self,
        variant: Literal["ETTh1", "ETTh2", "ETTm1", "ETTm2"] = "ETTh1",
        context: int = 336,
        horizon: int = 96,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            time="date", id=None, val_fraction=0.2, test_fraction=0.2, borders=None, context=context, horizon=horizon,
            **kwargs,
        )  # fmt: skip
        self.variant = variant

    @property
    def file(self) -> Path:
        """The file of the variant."""
        return self.root / self.folder / f"{self.variant}.csv"

    def ends(self, segment: Segment, split: str) -> list[int]:
        """12, 4 and 4 months of 30 days."""
        month = 30 * 24 * (4 if self.variant.startswith("ETTm") else 1)
        month = min(month, len(segment.frame) // 20)
        return [12 * month, 16 * month, 20 * month]


class Univariate(SeriesData):
    """A short classic: one series of a few hundred to a few thousand steps.

    Args:
        name: Airline passengers (144 months), sunspots (2820 months) or daily minimum temperatures (3650 days).
        context: Steps a forecast looks at.
        horizon: Steps forecast.
        gaps: What to do about missing days: the temperatures lack two.
        **kwargs: Splits, scale and the like: see ``datamodules.series.base.SeriesData``.
    """

    folder = "univariate"
    url = "https://raw.githubusercontent.com/jbrownlee/Datasets/d20fcb6402/"
    files: ClassVar = {
        "airline-passengers.csv": "8cb51be753a718d9be5d76d7e238cc224792754676adc21faa59e954b0201621",
        "daily-min-temperatures.csv": "8b9de63ed6789492bf497625e7f9beb96a63d367b4b0a21754006f749fa5e5da",
        "monthly-sunspots.csv": "c4ec8cc57d9f6fb6ecdb3e1f37f25b6f4badd5124c55931052b0cd2fc3bc71f3",
    }

    def __init__(
        self,
        name: Literal["airline-passengers", "monthly-sunspots", "daily-min-temperatures"] = "airline-passengers",
        context: int = 24,
        horizon: int = 12,
        gaps: Gaps = "linear",
        **kwargs: Any,
    ) -> None:
        super().__init__(context=context, horizon=horizon, gaps=gaps, **kwargs)
        self.dataset = name

    @property
    def file(self) -> Path:
        """The file of the series."""
        return self.root / self.folder / f"{self.dataset}.csv"
