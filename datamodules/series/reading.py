"""Reading series from the user's files: side by side (wide) or below each other (long)."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn

from datamodules.files.columns import is_absent
from datamodules.files.dates import Dates, frequency, read_dates
from datamodules.files.faults import Faults, OnError
from datamodules.files.frame import read_texts, separator_of
from datamodules.files.places import row_names
from datamodules.files.rows import require
from datamodules.series.columns import read_numbers
from datamodules.series.segments import Segment
from datamodules.series.timeline import Rules, in_order, infer_frequency, regular
from datamodules.targets.names import composed
from datamodules.types import Array

if TYPE_CHECKING:
    from pandas import DataFrame, DatetimeIndex


class Layout(NamedTuple):
    """What is told from a training file, and holds for every later one.

    Attributes:
        time: Column of times.
        targets: Columns to forecast.
        frequency: Step, as pandas writes it.
        date_order: Order of day, month and year, where the dates do not say it themselves.
        zone: Zone or offset of the times; empty if the file says none.
        decimal: Decimal sign; empty if the numbers have none.
        units: Currency, percent sign or word in the cells of those columns that have one.
    """

    time: str
    targets: list[str]
    frequency: str
    date_order: str
    zone: str
    decimal: str
    units: dict[str, str]


class Reading(NamedTuple):
    """What was read from a file.

    Attributes:
        segments: The series, each with one row for each step of time.
        layout: What was told from the file.
        date_form: How its times are written.
    """

    segments: list[Segment]
    layout: Layout
    date_form: str


class SeriesReader(NamedTuple):
    """Reads series, as the user says and as far as that goes; see ``SeriesData`` for what the options mean."""

    time: str | None = None
    id: str | None = None
    targets: Sequence[str] = ()
    past: Sequence[str] = ()
    known: Sequence[str] = ()
    rules: Rules = Rules()
    date_format: str | None = None
    zone: str | None = None
    separator: str | None = None
    decimal: str | None = None
    missing: Sequence[str] = ()
    encoding: str | None = None
    on_error: OnError = "stop"

    def read(self, path: Path, told: Layout | None = None, given: "DataFrame | None" = None) -> Reading:
        """Read a file.

        Args:
            path: The file.
            told: What was told from the training file, if this is a later one.
            given: The table itself, if it is in memory; ``path`` is then what messages call it.

        Raises:
            MisconfigurationException: If it cannot be read as series; the sentence names row, column and cell.
        """
        from pandas import Index

        unread, faults = Faults(self.on_error, str(path)), Faults(self.on_error, str(path))
        frame = read_texts(path, self.separator, self.missing, self.encoding, unread) if given is None else given
        frame.index = Index(row_names(path, len(frame), self.separator, self.encoding))
        time = told.time if told else self.time or str(frame.columns[0])
        named = told.targets if told else self.targets
        require(path, [time, self.id, *named, *self.past, *self.known], frame.columns, self.separator)
        total = len(frame)
        frame = frame.dropna(how="all")  # such as a spreadsheet leaves behind
        dates = read_dates(frame[time], str(path), self.date_format, told.date_order if told else "")
        lost = self._check_times(frame, dates.local, time, told, path, faults)
        faults.report(total)
        frame, local = frame[~lost], dates.local[~lost]
        dates = dates._replace(local=local, offset=None if dates.offset is None else dates.offset[~lost])
        zone = self._zone(dates, told, path)
        decimal = self.decimal or (told.decimal if told else None) or None
        separator = separator_of(path, self.separator, self.encoding) if given is None else self.separator
        table = frame.drop(columns=[name for name in (time, self.id) if name is not None])
        covariates = [*self.past, *self.known]
        units = told.units if told else None
        read = read_numbers(table, named, covariates, decimal, units, separator, path, self.on_error)
        numbers, targets = read.frame, read.targets
        rows = [(name, where, self._clock(dates, where, zone, path)) for name, where in self._groups(frame)]
        freq = told.frequency if told else self.rules.freq
        if self.rules.resample is None and not freq:
            # A time that stands twice is told of its series, below.
            _, _, times = max(rows, key=lambda row: len(row[1]))
            freq = infer_frequency(times.unique().sort_values(), str(path))
        rules = self.rules._replace(freq=freq)
        apart = Faults(self.on_error, str(path))
        segments = []
        for name, where, times in rows:
            source = f"{path}, {self.id} `{name}`" if name else str(path)
            try:
                segments.append(self._segment(name, numbers.iloc[where], times, targets, rules, source))
            except MisconfigurationException as error:
                if len(rows) == 1:
                    raise
                apart.add(error)
        apart.report(len(rows), "series")
        layout = Layout(time, targets, str(self.rules.resample or freq), dates.order, zone, read.decimal, read.units)
        return Reading(segments, layout, dates.form)

    # ---- times

    def _check_times(
        self, frame: "DataFrame", times: "DatetimeIndex", time: str, told: Layout | None, path: Path, faults: Faults
    ) -> Array:
        """Which rows have no time, or do not say of which series they are."""
        lost: Array = np.asarray(times.isna())
        hint = ""
        if told and told.date_order and self.date_format is None:
            hint = f" (day, month and year stand in the order {told.date_order}, as in training)"
        if lost.sum() * 2 >= len(lost):
            hint += "; name the column of times (data.time), or say how they are written (data.date_format)"
        for k in np.flatnonzero(lost).tolist():
            cell = frame[time].iloc[k]
            what = "empty" if is_absent(cell) else f"`{cell}`, which is no time"
            faults.add(MisconfigurationException(f"{path}, row {frame.index[k]}: `{time}` is {what}{hint}"))
        if self.id is not None:
            nameless = frame[self.id].isna().to_numpy() & ~lost
            for k in np.flatnonzero(nameless).tolist():
                faults.add(MisconfigurationException(f"{path}, row {frame.index[k]}: `{self.id}` is empty"))
            lost = lost | nameless
        return lost

    def _zone(self, dates: Dates, told: Layout | None, path: Path) -> str:
        """The zone that all times are brought to."""
        offsets = [] if dates.offset is None else sorted({int(offset) for offset in dates.offset})
        if told is not None:
            if offsets and not told.zone and self.zone is None:
                raise MisconfigurationException(
                    f"{path}: the times have a UTC offset, those of training had none; say their zone with data.zone"
                )
            if told.zone and not offsets and self.zone is None:
                raise MisconfigurationException(
                    f"{path}: the times have no UTC offset, those of training had; say their zone with data.zone"
                )
            return told.zone
        if self.zone or dates.zone:
            return self.zone or dates.zone
        if len(offsets) > 1:
            if frequency(dates.local) and not frequency(dates.utc):
                raise MisconfigurationException(
                    f"{path}: the times have several UTC offsets, and only the local ones are evenly spaced; "
                    "say the zone of the place, such as --data.zone Europe/Paris"
                )
            rank_zero_warn(
                f"{path}: the times have several UTC offsets and are converted to UTC; for local ones say the zone of "
                "the place, such as --data.zone Europe/Paris"
            )
        if len(offsets) != 1:
            return "UTC" if offsets else ""
        hours, minutes = divmod(abs(offsets[0]), 60)
        return f"{'-' if offsets[0] < 0 else '+'}{hours:02}:{minutes:02}" if offsets[0] else "UTC"

    def _clock(self, dates: Dates, where: Array, zone: str, path: Path) -> "DatetimeIndex":
        """The times of some rows in that zone."""
        if dates.offset is not None:
            utc = dates.utc[where].tz_localize("UTC")
            return utc.tz_convert(zone) if zone else utc.tz_convert(self.zone).tz_localize(None)
        local = dates.local[where]
        if not zone:
            return local
        try:
            return local.tz_localize(self.zone or zone, ambiguous="infer").tz_convert(zone)
        except ValueError as error:
            raise MisconfigurationException(f"{path}: a time does not fit the zone {zone}: {error}") from error

    # ---- series

    def _groups(self, frame: "DataFrame") -> Iterator[tuple[str, Array]]:
        """Name and rows of each series."""
        if self.id is None:
            yield "", np.arange(len(frame))
            return
        codes, values = frame[self.id].factorize()
        cells = [int(cell) if isinstance(cell, float) and cell.is_integer() else cell for cell in values.tolist()]
        texts = [composed(str(cell).strip()) for cell in cells]
        names = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        codes = np.array([names[text] for text in texts], dtype=np.intp)[codes]
        parts = np.split(codes.argsort(kind="stable"), np.bincount(codes).cumsum()[:-1])
        yield from zip(names, parts, strict=True)

    def _segment(
        self, name: str, rows: "DataFrame", times: "DatetimeIndex", targets: list[str], rules: Rules, source: str
    ) -> Segment:
        """One series. Rows after the last one with a target give the known covariates of the future."""
        if rules.resample is None:
            rows, times = in_order(rows, times, source)
        else:
            order = times.argsort()
            rows, times = rows.iloc[order], times[order]
        there = np.any([rows[name].notna().to_numpy() for name in targets], axis=0)
        given = int(np.flatnonzero(there).max(initial=-1)) + 1
        if not given:
            raise MisconfigurationException(f"{source}: column `{targets[0]}` has no value at all")
        own = rows.drop(columns=list(self.known)) if self.known else rows
        frame, freq = regular(own.iloc[:given], times[:given], rules, source)
        if not self.known:
            if given < len(rows):
                rank_zero_info(
                    f"{source}: the last {len(rows) - given} rows have no target; the series ends before them"
                )
            return Segment(name, frame)
        known, _ = regular(rows[list(self.known)], times, rules._replace(freq=freq), source)
        future = len(known) - len(frame)
        return Segment(name, frame.reindex(known.index).fillna(0.0).join(known), future)
