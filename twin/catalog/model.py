"""Row types of the catalogue: exporters, signals, units of values.

Three ideas are kept apart on purpose:

* a **device class** says what a device is, how many there are, and in which
  frame its values travel (``gpu``: 64 a rack, in the rack frame), see
  :mod:`twin.catalog.device`;
* an **exporter** identifies such a device: its job, its port, its label names in the
  exporter's own order and their values (a NIC is ``mlx5_0``/``1`` to node_exporter's
  infiniband collector and ``eth0`` to its netclass collector);
* a **signal** ties the two: one value of a device, the metric name, type, unit
  and help that the real exporter gives it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from twin.catalog.gpu_events import ExporterEvent
from twin.catalog.mig import MigView
from twin.catalog.place import Place

if TYPE_CHECKING:  # what lists metrics needs no parameters
    from twin.parameters import Site

__all__ = ["UP", "UP_CODES", "Detail", "Exporter", "Labels", "MetricType", "Signal", "Unit"]

UP = "up"
"""What Prometheus writes for every target that it scrapes."""

Labels = tuple[tuple[str, str], ...]
"""Label names and values, in the order in which they are exposed."""


class MetricType(StrEnum):
    """Prometheus metric type, as the real exporter declares it."""

    GAUGE = "gauge"
    COUNTER = "counter"
    UNTYPED = "untyped"
    HISTOGRAM = "histogram"
    GAUGE_HISTOGRAM = "gaugehistogram"
    """Of roll-ups only: a histogram of present values, which can fall again."""


class Unit(StrEnum):
    """Unit of a value *as exposed*; the exporter's choice, not always a base unit."""

    NONE = ""
    WATTS = "W"
    JOULES = "J"
    MILLIJOULES = "mJ"
    MICROJOULES = "µJ"
    CELSIUS = "°C"
    MEGAHERTZ = "MHz"
    HERTZ = "Hz"
    PERCENT = "%"
    RATIO = "ratio"
    MEBIBYTES = "MiB"
    BYTES = "B"
    BYTES_PER_SECOND = "B/s"
    MEGABYTES_PER_SECOND = "MB/s"
    MEGABITS_PER_SECOND = "Mb/s"
    NANOSECONDS = "ns"
    MILLISECONDS = "ms"
    SECONDS = "s"
    VOLTS = "V"
    AMPERES = "A"
    MILLIAMPERES = "mA"
    DBM = "dBm"
    RPM = "rpm"
    PASCALS = "Pa"
    LITERS_PER_MINUTE = "L/min"
    METERS_PER_SECOND = "m/s"
    WATTS_PER_SECOND = "W/s"
    LITERS_PER_HOUR = "L/h"
    VARS = "var"

    @property
    def word(self) -> str:
        """How a metric of this unit ends by the Prometheus naming rules; empty for no unit."""
        return self.name.lower() if self is not Unit.NONE else ""


class Detail(StrEnum):
    """How much of an array is exposed; each level holds what the one before it has."""

    SITE = "site"
    """No series of its own: the array counts in the roll-ups over its hall and the site."""
    RACK = "rack"
    """Roll-ups over the array and over its racks, and the devices of which a rack or an
    array has a few: coolant units, PDUs, leaf switches."""
    GPU = "gpu"
    """Everything."""

    def covers(self, other: Detail) -> bool:
        """Whether what is exposed from ``other`` on is exposed at this level."""
        return _DETAILS.index(self) >= _DETAILS.index(other)


_DETAILS = tuple(Detail)


def _nothing(_: object) -> tuple[()]:
    """Return no labels."""
    return ()


def _always(_: Site) -> bool:
    return True


UP_CODES = {0: "down", 1: "up"}
"""Words of ``up``, and of ``node_network_up``."""


@dataclass(frozen=True, slots=True)
class Exporter:
    """How one exporter identifies a device.

    Attributes:
        key: its name inside the twin, another one for each set of labels.
        job: the ``job`` label that the exporter's scrape target would carry.
        port: the exporter's port, the tail of ``instance``; None where ``instance`` is
            a device that the exporter was asked about.
        labels: identity label names, in the exporter's own order.
        source: the public project or specification that names and types follow.
        identify: returns the values of these labels for a device.
        more: returns further labels that the exporter adds for some devices.
        copies: returns the labels that tell apart the series of a device, where the exporter
            gives each more than once: for each job that has it. They change while it runs.
        instances: returns how a device is partitioned, where the exporter shows its instances
            instead: the labels of each.
        instances_at: number of its own labels before them; 0 where it has no instances.
        renamed: returns the labels that a site calls otherwise, by their usual names.
    """

    key: str
    job: str
    port: int | None
    labels: tuple[str, ...]
    source: str
    identify: Callable[[Place], tuple[str, ...]] = _nothing
    more: Callable[[Place], Labels] = _nothing
    copies: Callable[[Place], tuple[Labels, ...]] | None = None
    instances: Callable[[Place], tuple[Labels, ...]] = _nothing
    instances_at: int = 0
    renamed: Callable[[Site], Labels] = _nothing

    def names(self, site: Site) -> tuple[str, ...]:
        """Return the identity label names on a site."""
        renamed = dict(self.renamed(site))
        if not renamed:
            return self.labels
        return tuple(renamed.get(name, name) for name in self.labels)


@dataclass(frozen=True, slots=True)
class Signal:
    """One value of a device, as it is called everywhere.

    Attributes:
        name: key inside a frame and inside the plant's outputs.
        metric: Prometheus metric name.
        family: how the exporter identifies the device.
        kind: Prometheus type.
        unit: unit as exposed.
        help: help text as exposed.
        decimals: resolution on the wire; 0 makes whole numbers.
        low: least value that is physically possible; below it a frame is refused.
        high: greatest possible value, None for none.
        extra: True where the real exporter has the metric off by default, and for the
            counters of switch ports, of which a large site has very many.
        labels: fixed labels, for one metric that several signals share.
        states: code to state name, for an enumeration: exposed as one series a
            state with the label ``state``, of which exactly one is 1.
        codes: value to word, where the value itself says the state (``ifOperStatus``).
        value_labels: value to labels that the exporter derives from the value
            (dcgm-exporter's ``err_code`` and ``err_msg``).
        constant: a value that never changes and so does not travel: it is
            exposed while the device reports.
        needs: whether the devices of a site have the signal at all.
        sum_of: signals of the same device whose sum it is, so that it does not travel either.
        factor: from the value on the wire to the exposed one; other than 1 only where an
            edition of the exporter has another unit (:mod:`twin.catalog.editions`).
        listed: True for what is exposed only where a counters file lists it.
        event: what the exporter counts itself, in a number of series that changes; it does not
            travel.
        mig: what of it the instances of a partitioned GPU show.
        hidden: True for what travels and is not exposed itself: families are derived from it.
    """

    name: str
    metric: str
    family: Exporter
    kind: MetricType
    unit: Unit
    help: str
    decimals: int = 0
    low: float | None = 0.0
    high: float | None = None
    extra: bool = False
    labels: tuple[tuple[str, str], ...] = ()
    states: Mapping[int, str] = field(default_factory=dict)
    codes: Mapping[int, str] = field(default_factory=dict)
    value_labels: Mapping[int, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    constant: float | None = None
    needs: Callable[[Site], bool] = _always
    sum_of: tuple[str, ...] = ()
    factor: float = 1.0
    listed: bool = False
    event: ExporterEvent | None = None
    mig: MigView = MigView.BOARD
    hidden: bool = False

    @property
    def on_wire(self) -> bool:
        """Whether the value travels in frames."""
        return self.constant is None and not self.sum_of and self.event is None

    @property
    def series(self) -> int:
        """Series that one device gives for this signal."""
        return 0 if self.hidden else len(self.states) or 1

    def series_on(self, site: Site) -> int:
        """Return the series that one device of a site gives for this signal."""
        return self.series if self.event is None else self.event.count(site)

    def copies_on(self, instances: int) -> int:
        """Return how many series a device has for one, of which so many instances are shown."""
        if not instances or not self.family.instances_at:
            return 1
        return 0 if self.mig is MigView.NONE else instances
