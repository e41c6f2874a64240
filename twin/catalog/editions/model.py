"""Row types of editions: what one version of an exporter says otherwise than the catalogue.

A signal stands once in the catalogue, in the words of the default edition. Another edition is
names, types, units, factors, help and labels over the same value, so frames and the plant do not
know of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from twin.catalog.gpu_health import HEALTH_SIGNALS
from twin.catalog.model import Exporter, MetricType, Signal, Unit

__all__ = ["CounterRow", "Edition", "SignalChange"]


_NEEDED = {
    "clock_reasons": ("clock_events", "clock_events_total"),
    **dict.fromkeys(HEALTH_SIGNALS, ("gpu_health",)),
}
"""What has to travel so that the aggregator can tell other signals from it."""


@dataclass(frozen=True, slots=True)
class SignalChange:
    """What an edition says of a signal; None for what the catalogue's row says.

    Attributes:
        metric: metric name.
        kind: Prometheus type.
        unit: unit as exposed.
        factor: from the catalogue's unit to that unit.
        decimals: 0 for whole numbers.
        help: help text.
        listed: whether it is exposed only where a counters file lists it.
    """

    metric: str | None = None
    kind: MetricType | None = None
    unit: Unit | None = None
    factor: float = 1.0
    decimals: int | None = None
    help: str | None = None
    listed: bool | None = None

    def applied(self, signal: Signal) -> Signal:
        """Return a signal of the catalogue as the edition has it."""
        own = {
            name: value
            for name in ("metric", "kind", "unit", "decimals", "help", "listed")
            if (value := getattr(self, name)) is not None
        }
        return replace(signal, factor=self.factor, **own)


@dataclass(frozen=True, slots=True)
class CounterRow:
    """A row of a counters file.

    Attributes:
        field: name of the field, which is also the metric's.
        kind: Prometheus type, as the file has it.
        help: help text.
    """

    field: str
    kind: MetricType
    help: str


@dataclass(frozen=True, eq=False)
class Edition:
    """A version of an exporter.

    Attributes:
        family: the exporter, with the labels of this version.
        version: short version, by which it is chosen.
        tag: whole tag of the release.
        changes: by signal, what it says otherwise than the catalogue.
        fields: by the name of every field that its counters file may list, the signal and what
            the field says otherwise than the catalogue.
        renamed: fields that the twin has no signal for: old name to new name and factor.
        labels: labels that it calls otherwise: the catalogue's name to its own.
        drivers: fields with the driver's version, for a label.
        rows: what a counters file lists instead of the edition's own list; None without one.
        notes: what the file lists and the twin does not have, in sentences.
    """

    family: Exporter
    version: str
    tag: str
    changes: Mapping[str, SignalChange] = field(default_factory=dict)
    fields: Mapping[str, tuple[str, SignalChange]] = field(default_factory=dict)
    renamed: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    drivers: tuple[str, ...] = ()
    rows: tuple[CounterRow, ...] | None = None
    notes: tuple[str, ...] = ()

    @property
    def exporter(self) -> str:
        """Name of the exporter in settings."""
        return self.family.key

    @property
    def title(self) -> str:
        """Job and version, as a person says it."""
        return f"{self.family.job} {self.version}"

    def row(self, signal: Signal) -> Signal:
        """Return a signal of the catalogue as this edition has it."""
        if signal.family.key != self.exporter:
            return signal
        change = self.changes.get(signal.name, SignalChange())
        return replace(change.applied(signal), family=self.family)

    def shown(self, signals: Iterable[Signal]) -> tuple[Signal, ...]:
        """Return what is exposed of the signals that a site reports."""
        return tuple(self._shown(tuple(signals)))

    def _shown(self, signals: tuple[Signal, ...]) -> Iterator[Signal]:
        own = {signal.name: signal for signal in signals if signal.family.key == self.exporter}
        for signal in signals:
            if signal.name not in own:
                yield signal
            elif self.rows is None and not (row := self.row(signal)).listed:
                yield row
        for counter in self.rows or ():
            name, change = self.fields[counter.field]
            if name in own:
                yield replace(
                    change.applied(own[name]),
                    family=self.family,
                    metric=counter.field,
                    kind=counter.kind,
                    help=counter.help,
                )

    def exposes(self, signal: Signal) -> bool:
        """Return whether it exposes a signal that is off by default, or listed only."""
        if self.rows is None:
            return signal.listed and not self.row(signal).listed
        named = {self.fields[row.field][0] for row in self.rows}
        return signal.name in named or not named.isdisjoint(_NEEDED.get(signal.name, ()))
