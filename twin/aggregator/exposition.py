"""The site's series: every signal of the catalogue as its real exporter writes it.

A :class:`MetricsPage` covers some units and holds their label blocks, so that a scrape only
prints numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from twin.aggregator.derived_columns import DerivedColumns
from twin.aggregator.histograms import HistogramWriter
from twin.aggregator.label_blocks import LabelBlocks
from twin.aggregator.steady_lines import LineBudget, SteadyLines
from twin.aggregator.store import Store
from twin.aggregator.store_snapshot import StoreSnapshot, stacked_values
from twin.aggregator.text_format import (
    ExpositionWriter,
    MetricHead,
    SeriesColumn,
    head,
    histogram_head,
)
from twin.catalog import (
    DEVICES,
    DerivedFamily,
    Detail,
    DeviceClass,
    HostLevel,
    MetricType,
    MigView,
    Signal,
    Unit,
    UnitKind,
)
from twin.catalog.gpu_events import ExporterEvent

__all__ = ["Metric", "MetricsPage", "array_page", "metrics_of", "site_page"]

_Read = Callable[[DeviceClass, str], NDArray[np.float64]]
"""Gives what devices said of a signal: (devices,), or (scrapes, devices) of many scrapes."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric name and what shares it.

    Attributes:
        name: metric name.
        kind: Prometheus type.
        unit: unit as exposed.
        help: help text.
        signals: signals and derived families with their device class, in declared order.
    """

    name: str
    kind: MetricType
    unit: Unit
    help: str
    signals: tuple[tuple[DeviceClass, Signal | DerivedFamily], ...]

    @property
    def head(self) -> MetricHead:
        """What stands before its series."""
        if self.kind is MetricType.HISTOGRAM:
            own = histogram_head(self.name, self.help)
        else:
            own = head(self.name, self.kind.value, self.help, self.unit.word)
        return replace(own, devices=tuple(device.name for device, _ in self.signals))


def metrics_of(
    signals: Mapping[str, Iterable[Signal | DerivedFamily]], devices: Iterable[DeviceClass]
) -> tuple[Metric, ...]:
    """Return the metrics of these device classes.

    The text format wants all series of a metric together, so signals are grouped by
    metric name, in the order of the first.

    Args:
        signals: signals and derived families that are exposed, by device class.
        devices: the device classes.
    """
    grouped: dict[str, list[tuple[DeviceClass, Signal | DerivedFamily]]] = {}
    for device in devices:
        for signal in signals[device.name]:
            grouped.setdefault(signal.metric, []).append((device, signal))
    return tuple(
        Metric(name, first.kind, first.unit, first.help, tuple(signals))
        for name, signals in grouped.items()
        for _, first in signals[:1]
    )


def _shown(
    store: Store, signals: Mapping[str, Iterable[Signal]], host: HostLevel
) -> dict[str, tuple[Signal | DerivedFamily, ...]]:
    """Return what is exposed of each device class: its signals, then what follows from them."""
    site = store.layout.site
    return {
        device.name: (
            *(signal for signal in signals[device.name] if not signal.hidden),
            *device.exposed(site, host),
        )
        for device in DEVICES
    }


def _sent(
    signals: Mapping[str, Iterable[Signal | DerivedFamily]],
) -> dict[str, list[Signal | DerivedFamily]]:
    """Return what devices send themselves."""
    return {
        device: [own for own in shown if not isinstance(own, DerivedFamily)]
        for device, shown in signals.items()
    }


def array_page(
    store: Store, array: int, detail: Detail, budget: LineBudget | None = None
) -> MetricsPage:
    """Return the page of one array: what ``detail`` covers of its racks and its switches."""
    racks = store.layout.racks_of(array)
    units = {UnitKind.RACK: slice(racks.start, racks.stop), UnitKind.ARRAY: slice(array, array + 1)}
    covered = tuple(
        device
        for kind in units
        for device in store.layout.devices_of(kind)
        if detail.covers(device.detail)
    )
    exposed = store.layout.exposed[store.layout.editions[array]]
    shown = _shown(store, exposed, store.layout.host_level(array))
    return MetricsPage(store, covered, units, shown, budget)


def site_page(store: Store) -> MetricsPage:
    """Return the page of everything that belongs to no array."""
    kinds = [kind for kind in UnitKind if kind not in (UnitKind.RACK, UnitKind.ARRAY)]
    devices = tuple(device for device in DEVICES if device.frame in kinds)
    units: dict[UnitKind, slice] = {kind: slice(0, store.layout.units(kind)) for kind in kinds}
    shown = _shown(store, store.layout.reported, store.layout.host_level(None))
    return MetricsPage(store, devices, units, shown)


class MetricsPage:
    """The series of some units.

    Args:
        store: the last values.
        devices: the device classes.
        units: that are covered, of each kind.
        signals: signals as they are exposed and derived families, by device class.
        budget: of the lines that pages keep; None for one of its own.
    """

    def __init__(
        self,
        store: Store,
        devices: tuple[DeviceClass, ...],
        units: Mapping[UnitKind, slice],
        signals: Mapping[str, Iterable[Signal | DerivedFamily]],
        budget: LineBudget | None = None,
    ) -> None:
        self._store = store
        self._steady = SteadyLines(budget or LineBudget())
        self._layout = store.layout
        self._units = units
        self._metrics = [(metric, metric.head) for metric in metrics_of(signals, devices)]
        self._sent = [(metric, metric.head) for metric in metrics_of(_sent(signals), devices)]
        self._anchors = {
            device.name: next(s for s in store.layout.reported[device.name] if s.on_wire)
            for device in devices
        }
        self._labels = LabelBlocks(store.layout, store.names, units)
        families = [
            (replace(own, devices=(device.name,)), device, family)
            for metric, own in self._metrics
            for device, family in metric.signals
            if isinstance(family, DerivedFamily)
        ]
        self._derived = DerivedColumns(store, units, families)
        racks = units.get(UnitKind.RACK, slice(0, 0))
        self._instances = (
            store.layout.partitions[store.layout.array_of(racks.start)]
            if racks.stop > racks.start
            else ()
        )
        self._shares = np.array([own.memory for own in self._instances])
        # What a value or a moment decides the labels of cannot be computed later.
        self._momentary = [
            (metric, own)
            for metric, own in self._sent
            if not all(self._lasts(signal) for _, signal in metric.signals)
        ]

    def _lasts(self, signal: Signal | DerivedFamily) -> bool:
        """Return whether the series of a signal have the same labels at every scrape."""
        if isinstance(signal, DerivedFamily):
            return True
        by_value = bool(signal.value_labels) and signal.constant is None
        return not (
            signal.event is not None
            or by_value
            or self._labels.changes(signal)
            or self._partitioned(signal)
        )

    def _partitioned(self, signal: Signal) -> bool:
        return bool(self._instances) and signal.family.instances_at > 0

    def stacked(
        self, snapshots: Sequence[StoreSnapshot], wants: Callable[[str], bool]
    ) -> Iterator[tuple[MetricHead, Sequence[SeriesColumn] | None]]:
        """Yield the metrics of many scrapes, with values of (scrapes, series).

        A metric whose series depend on the moment has None: :meth:`write` gives it.

        Args:
            snapshots: of the scrapes.
            wants: tells by its name whether a metric is kept.
        """
        stacks: dict[str, NDArray[np.float64]] = {}

        def read(device: DeviceClass, name: str) -> NDArray[np.float64]:
            if device.name not in stacks:
                units = self._units[device.frame]
                stacks[device.name] = stacked_values(snapshots, device.name, units)
            said: NDArray[np.float64] = stacks[device.name][self._store.row(device, device[name])]
            return said

        momentary = {own.name for _, own in self._momentary}
        for metric, own in self._sent:
            if own.name in momentary:
                yield own, None
            elif wants(own.name):
                yield (
                    own,
                    [
                        self._sent_column(device, signal, read)
                        for device, signal in metric.signals
                        if not isinstance(signal, DerivedFamily)
                    ],
                )
        for head_, _, column in self._derived.stacked(snapshots, read, wants):
            yield head_, [column]

    def write(self, text: ExpositionWriter) -> None:
        """Append everything that is being reported at this moment."""
        self._derived.begin()
        if text.computes:
            text.follow(self, self._store.snapshot())
        histograms = HistogramWriter(text)
        for metric, own in text.chosen(self._momentary if text.computes else self._metrics):
            columns = [self._column(device, signal) for device, signal in metric.signals]
            if metric.kind is MetricType.HISTOGRAM and text.openmetrics:
                histograms.add(own, columns)
            elif text.prints:
                keys = ((metric.name, place) for place in range(len(columns)))
                text.add(own, map(self._steady.of, keys, columns))
            else:
                text.add(own, columns)

    def relabel(self, rack: int, gpus: Iterable[int]) -> None:
        """Rebuild the labels of some GPUs of a rack, both by their index in the store."""
        self._labels.renew(UnitKind.RACK, rack, gpus)
        self.forget()

    def forget(self) -> None:
        """Give back what is kept of its lines."""
        self._steady.clear()

    def _column(self, device: DeviceClass, signal: Signal | DerivedFamily) -> SeriesColumn:
        if isinstance(signal, DerivedFamily):
            return self._derived.column(device, signal)
        if signal.event is not None:
            return self._counted(device, signal, signal.event)
        return self._sent_column(device, signal, self._now)

    def _sent_column(self, device: DeviceClass, signal: Signal, read: _Read) -> SeriesColumn:
        """Return the series that a signal gives as it is sent."""
        whole, labels = not signal.decimals, self._labels
        partitioned = self._partitioned(signal)
        if partitioned and signal.mig is MigView.NONE:
            return SeriesColumn((), np.empty(0))
        if signal.constant is None:
            values = _values(device, signal, read)
        else:
            anchor = _values(device, self._anchors[device.name], read)
            values = np.where(np.isfinite(anchor), signal.constant, np.nan)
            whole = whole and signal.constant.is_integer()
        order = labels.order(device, signal)
        if order is not None:
            values = values[order]
        if partitioned and signal.mig is MigView.MEMORY:
            values = values * np.resize(self._shares, values.size)
        if signal.states and signal.constant is None:
            return SeriesColumn(
                labels.per_state(device, signal), _one_hot(values, signal), whole=True
            )
        if signal.value_labels and signal.constant is None:
            return SeriesColumn(labels.by_value(device, signal, values), values, whole)
        return SeriesColumn(labels.plain(device, signal), _in_unit(values, signal.factor), whole)

    def _counted(self, device: DeviceClass, signal: Signal, event: ExporterEvent) -> SeriesColumn:
        """Return the series that the exporter counts at this moment."""
        first = self._units[device.frame].start * self._layout.per_unit(device)
        shown = np.isfinite(self._store.values_of(device, self._units[device.frame]))
        hosts = shown.any(axis=0).reshape(-1, device.per_host(self._layout.site))
        blocks: list[bytes] = []
        values: list[float] = []
        running = np.repeat(hosts.any(axis=1), hosts.shape[1])
        for place in np.flatnonzero(running).tolist():
            for more, value in self._store.events.series(event, first + place):
                made = self._labels.with_more(device, signal, place, more)
                blocks += made
                values += [value] * len(made)
        return SeriesColumn(blocks, np.array(values, np.float64), whole=True)

    def _now(self, device: DeviceClass, name: str) -> NDArray[np.float64]:
        """Return what devices said of a signal last."""
        return self._store.column(device, name, self._units[device.frame]).reshape(-1)


def _values(device: DeviceClass, signal: Signal, read: _Read) -> NDArray[np.float64]:
    if not signal.sum_of:
        return read(device, signal.name)
    parts = [_values(device, device[name], read) for name in signal.sum_of]
    total: NDArray[np.float64] = np.sum(parts, axis=0)
    return total


def _in_unit(values: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    """Return values in an edition's unit, with the exporter's six decimals at most."""
    if factor == 1.0:
        return values
    return values * factor if factor > 1.0 else np.round(values / round(1.0 / factor), 6)


def _one_hot(values: NDArray[np.float64], signal: Signal) -> NDArray[np.float64]:
    """Return 1 for the state each device is in and 0 for the others, state by state."""
    codes = np.array(list(signal.states))
    hot = np.where(values[..., None] == codes, 1.0, 0.0)
    hot[~np.isfinite(values)] = np.nan
    return hot.reshape(*values.shape[:-1], -1)
