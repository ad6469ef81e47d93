"""Series in time: the user's own, the electricity transformers, and short classics."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn
from torch import Tensor

from datamodules.data import Data, Row
from datamodules.download import fetch
from datamodules.forecast_files import draw_forecasts, forecast_table
from datamodules.series_files import Part, cut, find_borders, find_layout, read_parts
from datamodules.table_files import read_table
from datamodules.timetable import Field, Gaps, Rules, calendar_features, usual_season
from datamodules.windows import Stretch, Windows

SHA256 = {  # of the files that the figures were measured on
    "ETTh1": "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066",
    "airline-passengers": "8cb51be753a718d9be5d76d7e238cc224792754676adc21faa59e954b0201621",
    "daily-min-temperatures": "8b9de63ed6789492bf497625e7f9beb96a63d367b4b0a21754006f749fa5e5da",
    "monthly-sunspots": "c4ec8cc57d9f6fb6ecdb3e1f37f25b6f4badd5124c55931052b0cd2fc3bc71f3",
}


class Series(Data[list[Part]]):
    """The user's own series: a CSV or Parquet file with a column of times and a column for each series.

    Splits follow time: first the training part, then validation, then test. Windows of validation and test start at
    every step, so that each step of the part is forecast at all distances, and look back into the part before.

    Args:
        path: The file.
        target: Columns to forecast; all columns of numbers that have no other role if None.
        time: Column of times; the first column if None.
        id: Column that tells series apart, if they lie below each other (long form).
        past_covariates: Columns known until now.
        known_covariates: Columns known for the future too, such as holidays or prices.
        calendar: Parts of the time that are made known covariates.
        context: Steps a forecast looks at.
        horizon: Steps forecast.
        stride: Steps from one training window to the next.
        splits: Shares of the steps for training, validation and test.
        borders: Times instead of shares: the start of validation, the start of test and, perhaps, the end of test.
        freq: Step, as pandas writes it (``h``, ``D``, ``MS``); told from the times if None.
        gaps: What to do about missing rows and values: ``error``; ``previous`` repeats the last value; ``linear``
            interpolates (looking ahead of the gap).
        resample: Step to which rows are put together first.
        resample_by: How they are put together.
        season: Steps of a season, for the seasonal naive forecast and MASE; if None a day, a week or a year, whichever
            suits the step, and 1 if that is longer than the context.
        scale: ``standard`` (mean 0 and standard deviation 1 in the training part), ``log`` before that, or ``none``.
        root: Folder of datasets.
        batch_size: Windows in a batch, per process.
        num_workers: Processes that load batches; 0 is fastest.
        predict_path: File from whose end to forecast. Known covariates go on for the horizon, with empty targets.
    """

    facts = (
        "time", "targets", "past", "known_columns", "series", "frequency", "season", "trained_for",
        "mean", "std", "known_mean", "known_std", "seasonal_error", "usual_range",
    )  # fmt: skip

    def __init__(
        self,
        path: str,
        target: str | list[str] | None = None,
        time: str | None = None,
        id: str | None = None,
        past_covariates: Sequence[str] = (),
        known_covariates: Sequence[str] = (),
        calendar: Sequence[Field] = (),
        context: int = 96,
        horizon: int = 24,
        stride: int = 1,
        splits: Sequence[float] = (0.7, 0.1, 0.2),
        borders: Sequence[str] | None = None,
        freq: str | None = None,
        gaps: Gaps = "error",
        resample: str | None = None,
        resample_by: Literal["mean", "sum", "min", "max", "first", "last"] = "mean",
        season: int | None = None,
        scale: Literal["standard", "log", "none"] = "standard",
        root: str | None = None,
        batch_size: int = 32,
        num_workers: int = 0,
        predict_path: str | None = None,
    ) -> None:
        super().__init__(root, batch_size, num_workers, predict_path)
        if min(context, horizon, stride) < 1:
            raise MisconfigurationException("data.context, data.horizon and data.stride must be at least 1")
        if borders is not None and len(borders) not in (2, 3):
            raise MisconfigurationException("data.borders has two times: the start of validation and of test")
        if borders is None and (len(splits) != 3 or min(splits) < 0 or abs(sum(splits) - 1) > 1e-6):
            raise MisconfigurationException(f"data.splits is {list(splits)}; it must be three shares that make 1")
        self.path, self.time, self.id = path, time, id
        self.target = [target] if isinstance(target, str) else target
        self.past, self.known_columns = list(past_covariates), list(known_covariates)
        self.calendar: list[Field] = list(calendar)
        self.context, self.horizon, self.stride = context, horizon, stride
        self.splits, self.borders, self.scale = splits, borders, scale
        self.rules, self.given_season = Rules(freq, gaps, resample, resample_by), season
        self.targets: list[str] = []
        self.series: list[str] = []
        self.frequency = ""
        self._whole: list[Part] | None = None
        self._asked: list[Part] = []

    @property
    def file(self) -> Path:
        """Where the series lie."""
        return Path(self.path)

    @property
    def num_past(self) -> int:
        """Number of past covariates."""
        return len(self.past)

    @property
    def num_known(self) -> int:
        """Number of covariates known for the future, calendar features among them."""
        return len(self.known_columns) + 2 * len(self.calendar)

    def setup(self, stage: str) -> None:
        """Read the splits that a stage needs."""
        super().setup(stage)
        self._whole = None

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take the facts from a checkpoint, if it was trained for this context and horizon."""
        trained = state_dict.get("trained_for", [self.context, self.horizon])
        if list(trained) != [self.context, self.horizon]:
            raise MisconfigurationException(
                f"the checkpoint was trained for context {trained[0]} and horizon {trained[1]}, "
                f"not {self.context} and {self.horizon}"
            )
        super().load_state_dict(state_dict)

    # ---- reading

    def read(self, split: str) -> list[Part]:
        """Each series over a split, with the context before its first step."""
        if self._whole is None:
            self._whole = self._parts(self.file, ahead=False)
        return [cut(part, split, self.ends(part), self.context, self.horizon, self.file) for part in self._whole]

    def ends(self, part: Part) -> list[int]:
        """The row after the last one of training, validation and test."""
        return find_borders(part.times, self.splits, self.borders)

    def _parts(self, path: Path, ahead: bool) -> list[Part]:
        frame = read_table(path)
        layout = find_layout(
            frame, path, self.time, self.id, self.targets or self.target, self.past, self.known_columns
        )
        rules = self.rules._replace(freq=self.frequency) if self.frequency and not self.rules.resample else self.rules
        parts, freq = read_parts(frame, path, layout, rules, ahead)
        self.time, self.targets, self.frequency = layout.time, layout.targets, self.frequency or freq
        return parts

    def read_predict(self, path: Path) -> list[Part]:
        """The end of each series: the context, and the times of the horizon."""
        import pandas as pd

        parts = []
        for part in self._parts(path, ahead=True):
            of, given = f" of `{part.name}`" if part.name else "", len(part.frame) - part.future
            if given < self.context:
                raise MisconfigurationException(
                    f"{path}: the series{of} has {given} rows, but a forecast looks back on {self.context}"
                )
            if self.known_columns and part.future < self.horizon:
                raise MisconfigurationException(
                    f"{path}{of}: {', '.join(self.known_columns)} must be given for {self.horizon} more rows after the "
                    f"last one with a target, in which the targets are empty; there are {part.future}"
                )
            times = pd.date_range(part.times[given - 1], periods=self.horizon + 1, freq=self.frequency)
            frame = part.frame.reindex(part.times[:given].append(times[1:])).fillna(0.0)
            self._warn_of_units(part._replace(frame=frame.iloc[given - self.context : given]), path)
            parts.append(part._replace(frame=frame.iloc[given - self.context :], future=self.horizon))
        self._asked = parts
        return parts

    def _warn_of_units(self, part: Part, path: Path) -> None:
        if part.name not in self.series:
            raise MisconfigurationException(f"{path}: {self.id} `{part.name}` was not among the series of training")
        low, high = self.usual_range[self.series.index(part.name)]
        values = part.columns(self.targets)
        far = ((values - (low + high) / 2).abs() > 5 * (high - low)).nonzero()
        if len(far):
            row, column = far[0].tolist()
            rank_zero_warn(
                f"{path}: column `{self.targets[column]}` is {values[row, column]:g} at {part.times[row]}, but was "
                f"{low[column]:g} to {high[column]:g} in training: is it the same quantity, in the same unit?"
            )

    # ---- facts

    def learn(self, train: list[Part]) -> None:
        """Learn columns, step, season and scaling from the training part."""
        season = self.given_season or usual_season(self.frequency)
        if self.given_season and season > self.context:
            raise MisconfigurationException(
                f"data.season is {season}, but the context of {self.context} steps does not hold a season"
            )
        self.season = season if season <= self.context else 1
        self.series = [part.name for part in train]
        self.trained_for = [self.context, self.horizon]
        scaled = [self._numbers(part) for part in train]
        self.mean = torch.stack([values.mean(0) for values in scaled])  # (series, targets + past)
        self.std = torch.stack([values.std(0, unbiased=False) for values in scaled])
        for number, column in (self.std <= 1e-9 * (1 + self.mean.abs())).nonzero().tolist():
            name = [*self.targets, *self.past][column]
            of = f" of {self.id} `{self.series[number]}`" if self.series[number] else ""
            raise MisconfigurationException(
                f"{self.file}: column `{name}`{of} is constant in the training part, from "
                f"{train[number].frame.index[0]} to {train[number].frame.index[-1]}: leave it out"
            )
        if self.scale == "none":
            self.mean, self.std = torch.zeros_like(self.mean), torch.ones_like(self.std)
        known = torch.cat([part.columns(self.known_columns) for part in train])
        self.known_mean = known.mean(0)
        self.known_std = (known - self.known_mean).square().mean(0).sqrt().clamp(min=1e-9)
        own = [part.columns(self.targets) for part in train]
        steps = [(values[self.season :] - values[: -self.season]).abs().mean(0) for values in own]
        self.seasonal_error = torch.stack(steps).clamp(min=1e-9)  # (series, targets)
        self.usual_range = torch.stack([torch.stack([values.amin(0), values.amax(0)]) for values in own])

    def _numbers(self, part: Part) -> Tensor:
        names = [*self.targets, *self.past]
        values = part.columns(names)
        if self.scale != "log":
            return values
        low = (values[: len(values) - part.future] <= 0).nonzero()
        if len(low):
            row, column = low[0].tolist()
            raise MisconfigurationException(
                f"{self.file}: column `{names[column]}` is not positive at {part.times[row]}, so it has no logarithm "
                "(data.scale)"
            )
        return values.clamp(min=1e-30).log()

    def examples(self, raw: list[Part], train: bool) -> Windows:
        """Scaled windows."""
        stretches = []
        for part in raw:
            number = self.series.index(part.name)
            values = (self._numbers(part) - self.mean[number]) / self.std[number]
            known = (part.columns(self.known_columns) - self.known_mean) / self.known_std
            known = torch.cat([known.float(), calendar_features(part.times, self.calendar)], 1)
            stretches.append(Stretch(values.float(), known, number))
        stride, truth = self.stride if train else 1, raw[0].future == 0
        return Windows(stretches, len(self.targets), self.context, self.horizon, stride, truth)

    # ---- predictions

    def describe(self, index: int) -> Row:
        """The name of the series."""
        return {"series": self._asked[index].name}

    def write(self, rows: Sequence[Row], folder: Path) -> Path:
        """Write ``predictions.csv``, which goes on where the data ends, and ``predictions.png``."""
        path = folder / "predictions.csv"
        forecast_table(rows, self._asked, self.targets, str(self.time), self.id).to_csv(
            path, index=False, float_format="%.7g"
        )
        draw_forecasts(rows, self._asked, self.targets, path.with_suffix(".png"))
        return path


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
