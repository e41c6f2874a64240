"""The gateway without any I/O: answers of a Prometheus in, frames and metadata out.

A poll asks for the samples of a short while, takes the last of each series, and makes a frame of
every rack that has something new, stamped with the time of its newest sample. What a target did
not give at its last scrape is a gap, and so is what is no number or outside the catalogue's range.
Nothing is filled in.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import orjson
from numpy.typing import NDArray

from twin.catalog import UnitKind
from twin.fleet.columns import FleetColumns, SeriesValue
from twin.fleet.fleet_jobs import FleetJobs, GpuHolder, holder_of
from twin.fleet.identity import FleetNames
from twin.fleet.samples import LastSamples, SampleReader
from twin.site import Layout
from twin.wire import (
    Codec,
    EmulatorStatus,
    Encoder,
    OutboundMessage,
    RackMeta,
    Topics,
)
from twin.wire.messages import END_OF_TIME

__all__ = ["GatewayCore", "GatewayFigures"]

_SERIES_A_QUERY = 20_000
_WINDOW_INTERVALS = 1.5
"""A target that is scraped every interval has a sample in it; one that is gone soon has none."""
_SAME_SCRAPE = 0.5
"""Share of the interval within which samples of a target are of one scrape."""
_MOST_KEYS_BEYOND = 100_000


@dataclass(slots=True)
class GatewayFigures:
    """Counts of what came and what was left out.

    Attributes:
        polls: that were done.
        samples: that were read.
        unknown: samples of series that are no value of the site.
        outside: values outside the range of the catalogue, no numbers, or of another time.
        stale: samples that the last scrape of their target did not repeat.
        twice: values that more than one series gives.
        foreign: samples under a name of another edition than that of the site file.
        partial: answers that say themselves that they are not whole.
        refused: answers that cannot be read, and queries without an answer.
    """

    polls: int = 0
    samples: int = 0
    unknown: int = 0
    outside: int = 0
    stale: int = 0
    twice: int = 0
    foreign: int = 0
    partial: int = 0
    refused: int = 0


@dataclass(slots=True)
class _Poll:
    """What has come of a poll."""

    columns: list[NDArray[np.intp]] = field(default_factory=list)
    times: list[NDArray[np.float64]] = field(default_factory=list)
    values: list[NDArray[np.float64]] = field(default_factory=list)
    targets: list[NDArray[np.intp]] = field(default_factory=list)
    series: list[NDArray[np.intp]] = field(default_factory=list)


class GatewayCore:
    """Frames of the measured racks of a site.

    Args:
        layout: the site.
        name: on the status topic.
        codec: how frames are written.
        interval: seconds between two polls.
        jobs: whether the jobs are told that the labels of GPUs name.

    Attributes:
        figures: counts since the start.
        queries: what is asked for at every poll.
    """

    def __init__(
        self,
        layout: Layout,
        name: str,
        codec: Codec,
        interval: float | None = None,
        *,
        jobs: bool = False,
    ) -> None:
        self.interval = layout.site.telemetry.interval_seconds if interval is None else interval
        self.figures = GatewayFigures()
        self._layout = layout
        self._name = name
        self._names = FleetNames(layout)
        self._columns = FleetColumns(layout, self._names)
        self._topics = Topics(layout.site.name)
        self._encoder = Encoder(layout, UnitKind.RACK, codec)
        self._values = np.full(self._columns.size, np.nan)
        self._outputs = self._columns.outputs(self._values)
        self._low, self._high = self._columns.bounds
        self._indices: dict[int, NDArray[np.intp]] = {}
        self._keys: dict[bytes, int] = {}
        self._targets: dict[tuple[str, str], int] = {}
        self._series: list[tuple[SeriesValue, int]] = [(SeriesValue(-1), 0)]
        self._table: tuple[NDArray[np.float64], ...] | None = None
        self._most_keys = 2 * self._columns.size + _MOST_KEYS_BEYOND
        self._jobs = FleetJobs(layout) if jobs else None
        self._holders: dict[int, tuple[int, GpuHolder]] = {}
        """By the index of a series: GPU of its rack, and what has it."""
        self._job_messages: list[OutboundMessage] = []
        self._poll = _Poll()
        self._last = dict.fromkeys(self._names.racks, -np.inf)
        self._sequence = dict.fromkeys(self._names.racks, 0)
        self.frames = 0
        self.queries = tuple(self._batches())
        self._readers: dict[int, SampleReader] = defaultdict(lambda: SampleReader(self._most_keys))

    def _batches(self) -> Iterator[str]:
        """Yield the queries: metrics together as long as their answers stay short."""
        window = max(_WINDOW_INTERVALS * self.interval, self.interval + 1.0)
        batch: list[str] = []
        expected = 0
        for metric in (*self._columns.metrics, None):
            more = _SERIES_A_QUERY if metric is None else self._columns.expected(metric)
            if batch and expected + more > _SERIES_A_QUERY:
                yield f'{{__name__=~"{"|".join(batch)}"}}[{round(window * 1000)}ms]'
                batch, expected = [], 0
            if metric is not None:
                batch.append(metric)
                expected += more

    @property
    def unknown_hosts(self) -> tuple[str, ...]:
        """Hosts with GPUs that the site file does not have."""
        return tuple(sorted(self._columns.unknown))

    # -- a poll -----------------------------------------------------------------

    def take(self, body: bytes, query: int = 0) -> None:
        """Take in an answer of the poll under way; what cannot be read is counted.

        Args:
            body: of the answer, of whatever length the caller lets in.
            query: index of the query that it answers.
        """
        try:
            samples = self._readers[query].read(body)
        except ValueError:
            self.figures.refused += 1
            return
        self.figures.partial += samples.warnings
        self.figures.samples += len(samples.keys)
        if samples.keys:
            self._add(samples, query)

    def _add(self, samples: LastSamples, query: int) -> None:
        which = self._indices.get(query)
        if which is None or not samples.same:
            which = np.array([self._index(key) for key in samples.keys], np.intp)
            self._indices[query] = which
        columns, factors, codes, targets, foreign = self._tabled()
        column = columns[which].astype(np.intp)
        known = column >= 0
        if not known.all():
            self.figures.unknown += int((~known).sum())
            which, column = which[known], column[known]
        values = samples.values[known] * factors[which]
        code = codes[which]
        states = ~np.isnan(code)
        if states.any():
            # Of the series of an enumeration the one that is 1 is the state.
            values = np.where(states, np.where(values == 1.0, code, np.nan), values)
        kept = ~(states & np.isnan(values))
        self.figures.foreign += int(foreign[which].sum())
        poll = self._poll
        poll.columns.append(column[kept])
        poll.times.append(samples.times[known][kept])
        poll.values.append(values[kept])
        poll.targets.append(targets[which][kept].astype(np.intp))
        poll.series.append(which[kept])

    def _tabled(self) -> tuple[NDArray[np.float64], ...]:
        """Return what each series is, as arrays."""
        if self._table is None:
            self._table = tuple(
                np.array(values, np.float64)
                for values in zip(
                    *(
                        (own.column, own.factor, own.code, target, own.foreign)
                        for own, target in self._series
                    ),
                    strict=True,
                )
            )
        return self._table

    def _index(self, key: bytes) -> int:
        """Return the index of a series, new or not; 0 beyond what is remembered."""
        found = self._keys.get(key)
        if found is None:
            if len(self._keys) >= self._most_keys:
                return 0
            found = self._keys[key] = len(self._series)
            self._series.append(self._read(key))
            self._table = None
        return found

    def _forget(self) -> None:
        """Begin to remember series anew."""
        self._indices.clear()
        self._keys.clear()
        self._holders.clear()
        self._targets.clear()
        self._series[:] = [(SeriesValue(-1), 0)]
        self._table = None

    def _read(self, key: bytes) -> tuple[SeriesValue, int]:
        try:
            labels = orjson.loads(b"{" + key + b"}")
            if not all(type(value) is str for value in labels.values()):
                return SeriesValue(-1), 0
        except orjson.JSONDecodeError:
            return SeriesValue(-1), 0
        target = labels.get("job", ""), labels.get("instance", "")
        found = self._columns.find(labels)
        if found.column < 0:
            return found, 0
        if self._jobs is not None and found.gpu >= 0 and (holder := holder_of(labels)):
            self._holders[len(self._series)] = found.gpu, holder
        return found, self._targets.setdefault(target, len(self._targets))

    def frames_due(self, until: float = END_OF_TIME) -> list[OutboundMessage]:
        """End the poll and return the frames of the racks that have something new.

        Args:
            until: unix seconds from which on no sample can be of this poll; one that says so would
                make all later ones old.
        """
        poll, self._poll = self._poll, _Poll()
        self.figures.polls += 1
        self._values.fill(np.nan)
        targets_known = len(self._targets)
        if len(self._keys) >= self._most_keys:
            self._forget()
        if not poll.columns:
            return []
        columns, times = np.concatenate(poll.columns), np.concatenate(poll.times)
        values, targets = np.concatenate(poll.values), np.concatenate(poll.targets)
        dated = (times >= 0.0) & (times < until)
        self.figures.outside += int((~dated).sum())
        columns, times = columns[dated], times[dated]
        values, targets = values[dated], targets[dated]
        newest = np.full(targets_known, -np.inf)
        np.maximum.at(newest, targets, times)
        fresh = times > newest[targets] - _SAME_SCRAPE * self.interval
        self.figures.stale += int((~fresh).sum())
        order = np.argsort(times[fresh], kind="stable")  # of two series the newest is the last
        columns, times, values = columns[fresh][order], times[fresh][order], values[fresh][order]
        low, high = self._low[columns], self._high[columns]
        good = (values >= low) & (values <= high) & np.isfinite(values)
        self.figures.outside += int((~good).sum())
        columns, times, values = columns[good], times[good], values[good]
        if self._jobs is not None:
            which = np.concatenate(poll.series)[dated][fresh][order][good]
            self._note_jobs(self._jobs, which, columns, times)
        self._values[columns] = values
        self.figures.twice += len(columns) - int(np.isfinite(self._values).sum())
        self._encoder.load(self._outputs)
        return list(self._frames(columns, times))

    def _frames(
        self, columns: NDArray[np.intp], times: NDArray[np.float64]
    ) -> Iterator[OutboundMessage]:
        stamps = np.full(self._layout.units(UnitKind.RACK), -np.inf)
        np.maximum.at(stamps, self._columns.racks[columns], times)
        for rack in self._names.racks:
            stamp = float(stamps[rack])
            if stamp <= self._last[rack]:
                continue
            self._last[rack] = stamp
            sequence = self._sequence[rack]
            self._sequence[rack] = sequence + 1
            topic = self._topics.frame(UnitKind.RACK, self._layout.unit_name(UnitKind.RACK, rack))
            self.frames += 1
            yield OutboundMessage(topic, self._encoder.encode(rack, stamp, sequence))

    def _note_jobs(
        self,
        jobs: FleetJobs,
        series: NDArray[np.intp],
        columns: NDArray[np.intp],
        times: NDArray[np.float64],
    ) -> None:
        """Take note of the jobs of all racks that have samples in this poll."""
        racks = self._columns.racks[columns]
        held: dict[int, set[tuple[int, GpuHolder]]] = {}
        for own, rack in zip(series.tolist(), racks.tolist(), strict=True):
            if (holder := self._holders.get(own)) is not None:
                held.setdefault(rack, set()).add(holder)
        for rack in np.unique(racks).tolist():
            at = float(times[racks == rack].max())
            message = jobs.changed(rack, held.get(rack, ()), at)
            if message is not None:
                self._job_messages.append(message)

    # -- beside frames ----------------------------------------------------------

    def metadata(self, *, every: bool = False) -> list[OutboundMessage]:
        """Return the metadata and jobs of the racks where they changed, or of all."""
        told, self._job_messages = self._job_messages, []
        if every and self._jobs is not None:
            told = self._jobs.everything()
        return [*map(self._announced, self._names.announcements(every=every)), *told]

    def _announced(self, meta: RackMeta) -> OutboundMessage:
        return OutboundMessage(self._topics.meta(meta.rack), meta.encode(), retain=True, qos=1)

    def status(self, state: str, figures: Mapping[str, object]) -> OutboundMessage:
        """Return the status, as that of any emulator.

        Args:
            state: ``online``, ``offline`` or ``lost``.
            figures: what the caller knows: fields of :class:`EmulatorStatus`.
        """
        fields = {
            "emulator": self._name,
            "state": state,
            "interval": self.interval,
            "frames": self.frames,
            "ticks": self.figures.polls,
            **figures,
        }
        payload = EmulatorStatus.model_validate(fields).encode()
        return OutboundMessage(self._topics.status(self._name), payload, retain=True, qos=1)

    def unlike(self, before: GatewayFigures) -> Sequence[str]:
        """Return what was left out since some figures were taken, in sentences."""
        now = self.figures
        edition = "another edition of dcgm-exporter than the site file says; capture it again"
        series = "several series, of which the newest counts; are targets scraped twice?"
        told = (
            (
                now.outside - before.outside,
                "values are no numbers, outside their range or of no time",
            ),
            (now.foreign - before.foreign, f"samples have names of {edition}"),
            (now.partial - before.partial, "answers say that they are not whole"),
            (now.refused - before.refused, "answers are missing or cannot be read"),
            (now.twice - before.twice, f"values come from {series}"),
        )
        return [f"{count} {text}" for count, text in told if count]
