"""The user's own series in time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch import Tensor

from datamodules.data import Data, Row
from datamodules.files.frame import read_table
from datamodules.series.forecasts import draw_forecasts, forecast_table
from datamodules.series.reading import Part, cut, extend, find_borders, find_layout, read_parts
from datamodules.series.scaling import numbers_of, refuse_constants, warn_of_units
from datamodules.series.timeline import Field, Gaps, Rules, calendar_features, usual_season
from datamodules.series.windows import Stretch, Windows


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
        parts = []
        for part in self._parts(path, ahead=True):
            asked = extend(part, self.context, self.horizon, self.known_columns, self.frequency, path)
            if part.name not in self.series:
                raise MisconfigurationException(f"{path}: {self.id} `{part.name}` was not among the series of training")
            warn_of_units(asked, self.targets, self.usual_range[self.series.index(part.name)], path)
            parts.append(asked)
        self._asked = parts
        return parts

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
        refuse_constants(train, [*self.targets, *self.past], self.mean, self.std, self.id, self.file)
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
        return numbers_of(part, [*self.targets, *self.past], self.scale == "log", self.file)

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
