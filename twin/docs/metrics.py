"""Every metric that the twin exposes, as a table: for people and for scripts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from twin.catalog import (
    DEVICES,
    OWN_METRICS,
    REDFISH_METRICS,
    ROLLUPS,
    DerivedFamily,
    Detail,
    DeviceClass,
    HostLevel,
    Level,
    MetricType,
    OwnMetric,
    Rollup,
    Signal,
    Unit,
    rolled_up,
)
from twin.catalog.broker import MOSQUITTO
from twin.catalog.editions import EDITIONS, Edition
from twin.catalog.schedulers import STATE_EXPORTERS, StateExporter, StateMetric
from twin.docs.markdown import NOTICE, code
from twin.docs.markdown import table as markdown_table

__all__ = ["Row", "pages", "table"]

_PLACE = {
    Level.RACK: ("site", "hall", "array", "rack"),
    Level.ARRAY: ("site", "hall", "array"),
    Level.HALL: ("site", "hall"),
    Level.SITE: ("site",),
}
_OWN, _REDFISH = "aggregator", "redfish"
_STATE_EXPORTERS = (*STATE_EXPORTERS, MOSQUITTO)


@dataclass(frozen=True, slots=True)
class Row:
    """One metric as one kind of device gives it.

    Attributes:
        metric: Prometheus metric name.
        type: Prometheus type.
        unit: unit as exposed, empty where there is none.
        device: device class, level of a roll-up, ``aggregator`` or ``redfish``.
        signal: key inside a frame; empty where the value does not travel.
        labels: label names that identify the device, without the common ones.
        adds: further label names, which follow from the value.
        states: values of the label ``state``, for an enumeration.
        job: value of the label ``job``; empty for what the aggregator computes.
        help: help text as exposed.
        source: the exporter or the specification that is followed.
        default: whether the real exporter has it on by default.
        listed: whether the twin, too, has it on only where a counters file lists it.
        level: the least level of the hosts at which it is shown, empty for what always is.
    """

    metric: str
    type: str
    unit: str
    device: str
    signal: str
    labels: tuple[str, ...]
    adds: tuple[str, ...]
    states: tuple[str, ...]
    job: str
    help: str
    source: str
    default: bool
    listed: bool = False
    level: str = ""


def table(edition: Edition | None = None) -> list[Row]:
    """Return all metrics: devices first, then roll-ups, then the processes' own.

    Args:
        edition: of an exporter; None for what the catalogue says.
    """
    return [
        *(row for device in DEVICES for row in _rows_of(device, edition)),
        *(
            _rollup_row(rollup, level)
            for level in Level
            for rollup in ROLLUPS
            if level in rollup.levels
        ),
        *(
            _state_row(exporter, metric)
            for exporter in _STATE_EXPORTERS
            for metric in exporter.metrics
        ),
        *(_own_row(metric, _OWN) for metric in OWN_METRICS),
        *(_own_row(metric, _REDFISH) for metric in REDFISH_METRICS),
    ]


def _rows_of(device: DeviceClass, edition: Edition | None) -> list[Row]:
    """Return the metrics of a device class, those that several families share once."""
    signals = device if edition is None else edition.shown(device)
    rows = _histograms_once([_device_row(device, s) for s in signals if not s.hidden])
    for family in sorted(device.derived, key=lambda family: _LEVELS.index(family.levels[0])):
        row = _derived_row(device, family)
        known = (row.metric, row.labels)
        if known not in {(other.metric, other.labels) for other in rows}:
            rows.append(row)
    return rows


def _histograms_once(rows: list[Row]) -> list[Row]:
    """Return the rows, of a histogram's buckets those together that travel, and not the last."""
    shown: list[Row] = []
    for row in rows:
        same = shown[-1] if shown else None
        if row.type != MetricType.HISTOGRAM or same is None or row.metric != same.metric:
            shown.append(row)
        elif row.signal:
            first = same.signal.partition(" … ")[0]
            shown[-1] = replace(same, signal=f"{first} … {row.signal.rpartition('_')[2]}")
    return shown


_LEVELS = tuple(HostLevel)


def _derived_row(device: DeviceClass, family: DerivedFamily) -> Row:
    exporter = family.group.exporter
    return Row(
        metric=family.metric,
        type=family.kind.value,
        unit=family.unit.value,
        device=device.name,
        signal="",
        labels=family.group.names,
        adds=(),
        states=(),
        job=exporter.job,
        help=family.help,
        source=exporter.source,
        default=True,
        level=family.levels[0].value,
    )


def _device_row(device: DeviceClass, signal: Signal) -> Row:
    derived = next(iter(signal.value_labels.values()), ())
    fixed = tuple(name for name, _ in (*signal.labels, *derived))
    return Row(
        metric=signal.metric,
        type=signal.kind.value,
        unit=signal.unit.value,
        device=device.name,
        signal=signal.name if signal.on_wire else "",
        labels=signal.family.labels,
        adds=(*fixed, "state") if signal.states else fixed,
        states=tuple(signal.states.values()),
        job=signal.family.job,
        help=signal.help,
        source=signal.family.source,
        default=not (signal.extra or signal.listed),
        listed=signal.listed,
    )


def _rollup_row(rollup: Rollup, level: Level) -> Row:
    signals = rolled_up(rollup.name)
    sources = dict.fromkeys(signal.metric for signal in signals)
    return Row(
        metric=rollup.metric(level),
        type=rollup.kind.value,
        unit=rollup.unit.value,
        device=level.value,
        signal="",
        labels=_PLACE[level],
        adds=("le",) if rollup.bounds else (),
        states=(),
        job="",
        help=rollup.help_text(level),
        source=f"{rollup.operation.value} over {' or '.join(sources)}",
        default=not any(signal.extra for signal in signals),
    )


def _state_row(exporter: StateExporter, metric: StateMetric) -> Row:
    return Row(
        metric=metric.name,
        type=metric.kind.value,
        unit="",
        device=exporter.key,
        signal="",
        labels=metric.labels,
        adds=(),
        states=(),
        job=exporter.job,
        help=metric.help,
        source=exporter.source,
        default=True,
    )


def _own_row(metric: OwnMetric, process: str) -> Row:
    seconds = metric.name.removesuffix("_total").endswith("_seconds")
    return Row(
        metric=metric.name,
        type=metric.kind,
        unit=(Unit.SECONDS if seconds else Unit.NONE).value,
        device=process,
        signal="",
        labels=metric.labels,
        adds=(),
        states=(),
        job="",
        help=metric.help,
        source="Prometheus naming",
        default=True,
    )


_FEW = "[[few]]"
_DEFAULT = EDITIONS["dcgm"][0].version

_INTRODUCTION = f"""{NOTICE}
# Metrics

Every metric of the twin, as `/metrics` and `/arrays/{{array}}/metrics` expose it. Names, types,
labels and help of GPUs, NICs and servers are those of the real exporters, so rules and dashboards
can be carried over unchanged.

- **Labels.** Every series of a device carries the labels above its table, then `job` and `instance`
  as the real exporter's scrape target would have them, then its place: `site`; `hall` and `array`
  if it belongs to an array; `rack` if it is in a rack. On a site that names its jobs, the GPUs of a
  job also carry `hpc_job`, as with dcgm-exporter's option `--hpc-job-mapping-dir`; with a scheduler
  they carry the labels described in [jobs](jobs.md). *Adds* names labels that follow from the
  value. An enumeration has one series per state, exactly one of which is 1.
- **Signal** is the key inside an MQTT frame. A metric without one is not transmitted: its value is
  constant or derived, and it is exposed while the device reports.
- **From** is the lowest level of `telemetry: {{host: …}}` at which a metric of a host's operating
  system is exposed; see [hosts.md](hosts.md).
- **Off** marks metrics that are off by default in the real exporter. The twin reports them unless
  the site says `telemetry: {{extra_signals: false}}`; with `deploy/dcgm-exporter/counters.csv` a
  real dcgm-exporter does so too.
- **Listed** marks metrics that only a counters file switches on, as in the real exporter:
  `--counters FILE`, or `telemetry: {{exporters: {{dcgm_counters: …}}}}`.
- **Editions.** The tables have the names of dcgm-exporter {_DEFAULT}; those of other versions are
  in [editions](editions.md), which also says how to choose one.
- **The broker's own metrics** are Mosquitto's statistics under `$SYS`, from the broker that the
  aggregator is connected to. A broker without these topics, such as the embedded one, has no such
  series; while the broker is unreachable the last values stay, as in mosquitto-exporter. The
  aggregator's user needs the right to read `$SYS/broker/#`.
- A series whose device does not report disappears; `twin_unit_missing` says why.
- **Roll-ups** are computed by the aggregator over racks, arrays, halls and the site, and exposed on
  `/metrics`. A `total` is a counter: the sum of the increases of the devices' counters since the
  aggregator started. Unlike a sum of counters, it never falls when a device goes silent. A roll-up
  over a signal that a site does not report is missing there.
- **Distributions** (`gaugehistogram`) count the devices by their present value. They have
  `_bucket` with the label `le`, `_gcount` and `_gsum`. They are gauges, so quantiles are taken
  directly, without `rate()`:
  `histogram_quantile(0.99, site_gpu_temperature_distribution_celsius_bucket)`.
- **Detail** sets how much of each array is exposed: `gpu` for everything; `rack` for the roll-ups
  over the array and its racks, and for devices of which there are only a few in a rack or an array
  ({_FEW});
  `site` for no series of the array. Roll-ups over halls and the site always count all arrays,
  whatever their detail.
- **Formats.** The text format 0.0.4, or OpenMetrics 1.0 for clients that prefer it in `Accept`, as
  Prometheus does by default. Names, labels and values of all series are the same in both; types
  may differ. In OpenMetrics a counter's name must end in `_total`, so others, such as DCGM's, are
  `unknown` there, and so are metrics that are `untyped` in the text format. The text format has no
  gauge histogram, so buckets, counts and sums are each a `gauge` there.
"""


_ON_REDFISH = """\
`twin redfish` exposes these on its own `/metrics`; see [redfish.md](redfish.md).

"""


def pages() -> Mapping[str, str]:
    """Return ``metrics.md``."""
    rows = table()
    few = ", ".join(device.title for device in DEVICES if device.detail is Detail.RACK)
    parts = [_INTRODUCTION.replace(_FEW, few)]
    for device in DEVICES:
        title = device.title[0].upper() + device.title[1:]
        parts.append(f"\n## {title}\n\nGroup `{device.name}` of the {device.frame.value} frame.\n")
        members = [row for row in rows if row.device == device.name]
        families: dict[tuple[str, tuple[str, ...], str], list[Row]] = {}
        for row in members:
            families.setdefault((row.job, row.labels, row.source), []).append(row)
        parts += [_family(*family, of_family) for family, of_family in families.items()]
        parts.append(_hidden(device))
    for level in Level:
        members = [row for row in rows if row.device == level]
        parts += [f"\n## Roll-ups over a {level.value}\n\n", _rollups(members)]
    for exporter in _STATE_EXPORTERS:
        parts.append(_exporter(exporter, [row for row in rows if row.device == exporter.key]))
    for process, title in ((_OWN, "The aggregator's own"), (_REDFISH, "The Redfish service's own")):
        members = [row for row in rows if row.device == process]
        parts += [f"\n## {title}\n\n", _ON_REDFISH if process == _REDFISH else "", _own(members)]
    return {"metrics.md": "".join(parts)}


def _hidden(device: DeviceClass) -> str:
    """Return the signals of a class that are transmitted but not exposed."""
    rows = [
        (code(signal.name), signal.unit.value, signal.help) for signal in device if signal.hidden
    ]
    if not rows:
        return ""
    return (
        "\nThese signals are transmitted but not exposed; other metrics are derived from them:\n\n"
        f"{markdown_table(('Signal', 'Unit', 'Meaning'), rows)}"
    )


def _codes(words: Iterable[str]) -> str:
    return ", ".join(code(word) for word in words)


def _family(job: str, labels: tuple[str, ...], source: str, rows: list[Row]) -> str:
    named = f", labels {_codes(labels)}" if labels else ""
    adds = any(row.adds for row in rows)
    off = any(not row.default for row in rows)
    level = any(row.level for row in rows)
    header = [
        "Metric", "Type", "Unit", "Signal", *["Adds"] * adds, *["Off"] * off, *["From"] * level,
        "Help",
    ]  # fmt: skip
    body = [
        [
            code(row.metric),
            row.type,
            row.unit,
            code(row.signal),
            *[_adds(row)] * adds,
            *["" if row.default else "listed" if row.listed else "off"] * off,
            *[row.level] * level,
            row.help,
        ]
        for row in rows
    ]
    return f'\n`job="{job}"`{named}; after {source}.\n\n{markdown_table(header, body)}'


def _exporter(exporter: StateExporter, rows: list[Row]) -> str:
    header = ("Metric", "Type", "A series for each", "Labels", "Help")
    body = [
        (code(row.metric), row.type, exporter[row.metric].of, _codes(row.labels), row.help)
        for row in rows
    ]
    title = exporter.title[0].upper() + exporter.title[1:]
    which = "On a site with a scheduler; see [jobs](jobs.md)."
    if exporter is MOSQUITTO:
        which = "Only of the Mosquitto that the aggregator is connected to."
    return (
        f"\n## {title}\n\n{which} "
        f'`job="{exporter.job}"`; after {exporter.source}.\n\n{markdown_table(header, body)}'
    )


def _adds(row: Row) -> str:
    return _codes(row.adds) + (f": {', '.join(row.states)}" if row.states else "")


def _rollups(rows: Iterable[Row]) -> str:
    return markdown_table(
        ("Metric", "Type", "Unit", "Labels", "How", "Help"),
        [
            (code(row.metric), row.type, row.unit, _codes(row.labels), row.source, row.help)
            for row in rows
        ],
    )


def _own(rows: Iterable[Row]) -> str:
    return markdown_table(
        ("Metric", "Type", "Unit", "Labels", "Help"),
        [(code(row.metric), row.type, row.unit, _codes(row.labels), row.help) for row in rows],
    )
