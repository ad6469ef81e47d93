"""What all series in time have in common: splits along time, scaling, windows, dated forecasts."""

from abc import abstractmethod
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_warn

from datamodules.data import Data, check_least
from datamodules.fetch import fetch
from datamodules.files.index import has_times
from datamodules.files.objects import GIVEN, is_frame, tidy_frame
from datamodules.optional import optional
from datamodules.pictures import drawn
from datamodules.series.figures import draw_forecasts
from datamodules.series.forecasts import forecast_panels, forecast_table
from datamodules.series.reading import Layout, Reading, SeriesReader
from datamodules.series.scaling import constant, learn_scaling, numbers_of, warn_of_units
from datamodules.series.segments import Segment, cut, extend, leave_out, warn_of_ends
from datamodules.series.timeline import (
    Field,
    Gaps,
    Rules,
    border_rows,
    calendar_features,
    check_steps,
    check_zone,
    usual_season,
)
from datamodules.series.windows import ScaledSegment, Windows
from datamodules.splits import SPLITS
from datamodules.types import Row, SeriesFacts

if TYPE_CHECKING:
    from pandas import DataFrame


class SeriesData(Data[list[Segment], SeriesFacts]):
    """Base of the series. A subclass says which ``file`` they lie in.

    Splits follow time: first the training part, then validation, then test. Windows of validation and test start at
    every step, so that each step of the part is forecast at all distances, and look back into the part before. Of many
    series, those that are too short or constant are left out, and named.

    Args:
        target: Columns to forecast; all columns of numbers that have no other role if None.
        time: Column of times; the first column if None.
        id: Column that tells series apart, if they lie below each other (long form).
        past_covariates: Columns known until now.
        known_covariates: Columns known for the future too, such as holidays or prices.
        calendar: Parts of the time that are made known covariates.
        context: Steps a forecast looks at.
        horizon: Steps forecast.
        stride: Steps from one training window to the next.
        val_fraction: Share of the steps for validation, those before the test part.
        test_fraction: Share of the steps for testing, the last ones.
        borders: Times instead of shares: the start of validation, the start of test and, perhaps, the end of test.
        freq: Step, as pandas writes it (``h``, ``D``, ``MS``); told from the times if None.
        gaps: What to do about missing rows and values: ``error``; ``previous`` repeats the last value; ``linear``
            interpolates (looking ahead of the gap).
        resample: Step to which rows are put together first.
        resample_by: How they are put together.
        season: Steps of a season, for the seasonal naive forecast and MASE; if None a day, a week or a year, whichever
            suits the step, and 1 if that is longer than the context.
        scale: ``standard`` (mean 0 and standard deviation 1 in the training part), ``log`` before that, or ``none``.
        date_format: How the times are written, as ``strptime`` has it (``%d/%m/%Y``), or ``epoch s``; told from the
            whole column if None.
        zone: Zone of the times, such as ``Europe/Paris``: times without an offset are its local ones, others are
            brought to it. If None, those with one offset keep it, those with several become UTC.
        separator: Between the cells of a CSV; told from the head of the file if None.
        decimal: Decimal sign; told from whole columns if None.
        missing: Words that stand for a missing value, beside the usual ones.
        **kwargs: Batch size, workers and the like: see ``datamodules.data.Data``. Known covariates of a
            ``predict_path`` go on for the horizon, with empty targets.
    """

    makes = SeriesFacts
    changeable = frozenset({"stride", "gaps", "date_format", "zone", "decimal", "missing"})

    def __init__(
        self,
        target: str | list[str] | None = None,
        time: str | None = None,
        id: str | None = None,
        past_covariates: Sequence[str] = (),
        known_covariates: Sequence[str] = (),
        calendar: Sequence[Field] = (),
        context: int = 96,
        horizon: int = 24,
        stride: int = 1,
        val_fraction: float = 0.1,
        test_fraction: float = 0.2,
        borders: Sequence[str] | None = None,
        freq: str | None = None,
        gaps: Gaps = "error",
        resample: str | None = None,
        resample_by: Literal["mean", "sum", "min", "max", "first", "last"] = "mean",
        season: int | None = None,
        scale: Literal["standard", "log", "none"] = "standard",
        date_format: str | None = None,
        zone: str | None = None,
        separator: str | None = None,
        decimal: str | None = None,
        missing: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        check_least(1, context=context, horizon=horizon, stride=stride, season=season)
        if borders is not None and len(borders) not in (2, 3):
            raise MisconfigurationException("data.borders has two times: the start of validation and of test")
        check_steps(freq, resample)
        check_zone(zone)
        self.id, self.calendar, self.scale = id, list(calendar), scale
        self.past, self.known_columns = list(past_covariates), list(known_covariates)
        self.context, self.horizon, self.stride, self.season = context, horizon, stride, season
        self.val_fraction, self.test_fraction, self.borders = val_fraction, test_fraction, borders
        self.reader = SeriesReader(
            time, id, [target] if isinstance(target, str) else target or (), self.past, self.known_columns,
            Rules(freq, gaps, resample, resample_by), date_format, zone, separator, decimal, missing, self.encoding,
            self.on_error,
        )  # fmt: skip
        self._whole: Reading | None = None
        self._asked: list[Segment] = []
        self._date_form = ""

    @property
    @abstractmethod
    def file(self) -> Path:
        """Where the series lie."""

    def download(self) -> None:
        """Fetch the file, if it is a public one."""
        if self.file.name in self.files:
            fetch(self.url + self.file.name, self.file, self.files[self.file.name])

    def setup(self, stage: str) -> None:
        """Read the splits that a stage needs."""
        super().setup(stage)
        self._whole = None

    def load_state_dict(self, state_dict: dict[str, object]) -> None:
        """Take the facts from a checkpoint, if it was trained for what is asked of it now."""
        super().load_state_dict(state_dict)
        trained = self.facts
        if (trained.context, trained.horizon) != (self.context, self.horizon):
            raise MisconfigurationException(
                f"the checkpoint was trained for context {trained.context} and horizon {trained.horizon}, "
                f"not {self.context} and {self.horizon}"
            )
        for name, before, now in (
            ("past_covariates", trained.past, self.past),
            ("known_covariates", trained.known, self.known_columns),
            ("calendar", trained.calendar, self.calendar),
            ("scale", trained.scale, self.scale),
        ):
            if before != now:
                raise MisconfigurationException(f"the checkpoint was trained with data.{name} {before}, not {now}")

    # ---- reading

    def read(self, split: str) -> list[Segment]:
        """Each series over a split, with the context before its first step."""
        if self._whole is None:
            self._whole = self.reader.read(self.file, self._layout() if self.known else None)
        found, short = [], []
        trained = set(self.facts.series) if self.known else None
        for segment in (some.given for some in self._whole.segments):
            if trained is not None and segment.name not in trained:
                continue  # left out of the training part, and named then
            try:
                found.append(cut(segment, split, self.ends(segment, split), self.context, self.horizon, self.file))
            except MisconfigurationException as error:
                short.append((segment.name, str(error)))
        leave_out(short, found, self.id, f"left out of the {split} part of {self.file}")
        return found

    def _layout(self) -> Layout:
        """What was told from the training file."""
        facts = self.facts
        return Layout(**{name: getattr(facts, name) for name in Layout._fields})

    def ends(self, segment: Segment, split: str) -> list[int]:
        """The row after the last one of training, validation and test, as far as a split needs them."""
        size = len(segment.frame)
        if self.borders is None:
            if size < self.context + self.horizon:
                return [size] * 3  # too short for any split
            splits = self.assign_splits(size, self.val_fraction, self.test_fraction, times=np.arange(size))
            last = [int((splits == name).nonzero()[0].max(initial=-1)) for name in range(len(SPLITS))]
            ends = [int(row) + 1 for row in np.maximum.accumulate(last)]
            if split == "test" and last[2] >= 0:
                ends[1] = int((splits == SPLITS.index("test")).argmax())  # a gap may lie before
            return ends
        order = self._whole.layout.date_order if self._whole else ""
        rows = border_rows(self.borders, segment.times, order, self.reader.date_format)
        return [*rows, size][:3]

    def read_predict(self, path: Path) -> list[Segment]:
        """The end of each series: the context, and the times of the horizon."""
        return self._to_forecast(self.reader.read(path, self._layout()), path)

    def read_objects(self, inputs: object) -> list[Segment]:
        """Likewise of a table; its index may be the time, with its name or without any."""
        return self._to_forecast(self._read_later(inputs), Path(GIVEN))

    def read_labelled(self, inputs: object) -> list[Segment]:
        """Whole series, a file or a table, of which each step after the first context is forecast."""
        reading = self._read_later(inputs)
        kept, out = [], []
        for segment in (some.given for some in reading.segments):
            try:
                self._check_known(segment.name, GIVEN)
                if len(segment.frame) < self.context + self.horizon:
                    raise MisconfigurationException(
                        f"{GIVEN}: a series has {len(segment.frame)} rows, fewer than a context of {self.context} and "
                        f"a horizon of {self.horizon} steps"
                    )
                kept.append(segment)
            except MisconfigurationException as error:
                out.append((segment.name, str(error)))
        leave_out(out, kept, self.id, "left out")
        return kept

    def _read_later(self, inputs: object) -> Reading:
        if isinstance(inputs, str | Path):
            return self.reader.read(Path(inputs), self._layout())
        if is_frame(inputs) and inputs.index.name is None and self.facts.time not in inputs:
            inputs = inputs.rename_axis(self.facts.time) if has_times(inputs) else inputs
        return self.reader.read(Path(GIVEN), self._layout(), tidy_frame(inputs))

    def _check_known(self, name: str, source: Path | str) -> None:
        if name not in self.facts.series:
            raise MisconfigurationException(f"{source}: {self.id} `{name}` was not among the series of training")

    def _to_forecast(self, reading: Reading, path: Path) -> list[Segment]:
        facts = self.facts
        kept, out = [], []
        numbers = {name: number for number, name in enumerate(facts.series)}
        for segment in reading.segments:
            try:
                self._check_known(segment.name, path)
                asked = extend(segment, self.context, self.horizon, facts.known, facts.frequency, path)
            except MisconfigurationException as error:
                out.append((segment.name, str(error)))
                continue
            warn_of_units(asked, numbers[asked.name], facts, path)
            kept.append(asked)
        leave_out(out, kept, self.id, f"no forecast of {path}")
        warn_of_ends(kept, self.id, path)
        gone = sorted(numbers.keys() - {segment.name for segment in reading.segments})
        if gone:
            rank_zero_warn(f"{path} does not hold all series of training, without {self.id} {', '.join(gone[:20])}")
        self._asked, self._date_form = kept, reading.date_form
        return kept

    # ---- facts

    def learn(self, train: list[Segment]) -> SeriesFacts:
        """Learn columns, step, season and scaling from the training part."""
        assert self._whole is not None
        layout = self._whole.layout
        season = self.season or usual_season(layout.frequency)
        if self.season and season > self.context:
            raise MisconfigurationException(
                f"data.season is {season}, but the context of {self.context} steps does not hold a season"
            )
        season = season if season <= self.context else 1
        train = self._moving(train, [*layout.targets, *self.past])
        scaling = learn_scaling(train, layout.targets, self.past, self.known_columns, season, self.scale, self.file)
        return SeriesFacts(
            **layout._asdict(),
            past=self.past,
            known=self.known_columns,
            calendar=[str(field) for field in self.calendar],
            series=[segment.name for segment in train],
            season=season,
            context=self.context,
            horizon=self.horizon,
            scale=self.scale,
            **scaling._asdict(),
        )

    def _moving(self, train: list[Segment], names: list[str]) -> list[Segment]:
        """The series that are not constant."""
        kept, out = [], []
        for segment in train:
            flat = constant(segment, names)
            of = f" of {self.id} `{segment.name}`" if segment.name else ""
            reason = (
                f"{self.file}: column `{flat}`{of} is constant in the training part, from {segment.times[0]} to "
                f"{segment.times[-1]}: leave it out"
            )
            if flat is None:
                kept.append(segment)
            else:
                out.append((segment.name, reason))
        leave_out(out, kept, self.id, f"left out of {self.file}, as constant")
        return kept

    def examples(self, raw: list[Segment], train: bool) -> Windows:
        """Scaled windows. Those of validation and test start at every step, whatever the stride of training."""
        facts = self.facts
        scaled = []
        numbers = {name: number for number, name in enumerate(facts.series)}
        for segment in raw:
            number = numbers.get(segment.name)
            if number is None:
                continue
            values = numbers_of(segment, [*facts.targets, *facts.past], facts.scale == "log", self.file)
            values = (values - facts.mean[number]) / facts.std[number]
            known = (segment.columns(facts.known) - facts.known_mean) / facts.known_std
            known = torch.cat([known.float(), calendar_features(segment.times, self.calendar)], 1)
            scaled.append(ScaledSegment(values.float(), known, number))
        if not scaled:
            raise MisconfigurationException(f"{self.file}: no series of the training part reaches into this one")
        stride, truth = self.stride if train else 1, raw[0].future == 0
        return Windows(scaled, len(facts.targets), self.context, self.horizon, stride, truth)

    # ---- predictions

    def describe(self, index: int) -> Row:
        """The name of the series."""
        return {"series": self._asked[index].name}

    def frame(self, rows: Sequence[Row]) -> "DataFrame":
        """The forecasts, a row a step, which go on where the data ends."""
        return forecast_table(rows, self._asked, self.facts, self.id, self._date_form)

    def write(self, rows: Sequence[Row], folder: Path) -> Path:
        """Write ``predictions.csv``, which goes on where the data ends."""
        path = folder / "predictions.csv"
        self.frame(rows).to_csv(path, index=False)
        return path

    def draw(self, rows: Sequence[Row], folder: Path) -> None:
        """Draw the forecasts of the first series into ``predictions.png``."""
        panels = list(islice(forecast_panels(rows, self._asked, self.facts), 8))
        levels = list(rows[0]["quantiles"]) or list(rows[0].get("interval", {}))
        with optional("predictions.png", folder):
            (folder / "predictions.png").write_bytes(drawn(draw_forecasts(panels, levels=levels), 110))
