"""The catalogue: one table, without a contradiction in it."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import pairwise

import pytest

import twin.catalog
from tests.every import every
from twin.catalog import (
    DEVICES,
    GPU,
    ROLLUPS,
    Detail,
    DeviceClass,
    Level,
    MetricType,
    Operation,
    Signal,
    Unit,
    UnitKind,
    device_class,
    devices_of,
    rolled_up,
)

ROWS = [(device, signal) for device in DEVICES for signal in device]
OWN = "Prometheus naming"
rows = every("device, signal", ROWS, lambda device, signal: f"{device.name}.{signal.name}")

BASE_UNITS = {
    Unit.BYTES_PER_SECOND: "bytes_per_second",
    Unit.WATTS: "watts",
    Unit.BYTES_PER_SECOND: "bytes_per_second",
    Unit.JOULES: "joules",
    Unit.CELSIUS: "celsius",
    Unit.HERTZ: "hertz",
    Unit.RATIO: "ratio",
    Unit.SECONDS: "seconds",
    Unit.VOLTS: "volts",
    Unit.AMPERES: "amperes",
    Unit.RPM: "rpm",
    Unit.PASCALS: "pascals",
    Unit.VARS: "vars",
    Unit.LITERS_PER_MINUTE: "liters_per_minute",
    Unit.LITERS_PER_HOUR: "liters_per_hour",
    Unit.METERS_PER_SECOND: "meters_per_second",
    Unit.WATTS_PER_SECOND: "watts_per_second",
    Unit.PERCENT: "percent",
    Unit.MEGAHERTZ: "megahertz",
    Unit.BYTES: "bytes",
    Unit.NONE: "",
}
"""How a metric of ours ends, by its unit."""


def test_units_have_words() -> None:
    """A unit says how a metric ends, as OpenMetrics declares it."""
    assert {unit: unit.word for unit in BASE_UNITS} == BASE_UNITS


@rows
def test_row_is_well_formed(device: DeviceClass, signal: Signal) -> None:
    """Names are identifiers, help is one line, the range is a range."""
    assert re.fullmatch(r"[a-z][a-z0-9_]*", signal.name)
    assert re.fullmatch(r"(vllm:)?[a-zA-Z_][a-zA-Z0-9_]*", signal.metric)
    assert signal.help.strip() == signal.help != ""
    assert "\n" not in signal.help
    # A bit error rate is small: 1.5e-254 is the word for none.
    assert 0 <= signal.decimals <= (255 if "_ber" in signal.metric.lower() else 6)
    if signal.low is not None and signal.high is not None:
        assert signal.low < signal.high
    if signal.constant is not None:
        assert (signal.low or signal.constant) <= signal.constant
    assert device[signal.name] is signal


@rows
def test_counter_begins_at_nothing(device: DeviceClass, signal: Signal) -> None:
    """A counter has no negative value, and no upper end at which it would be refused."""
    del device
    if signal.kind is MetricType.COUNTER:
        assert signal.low == 0
        assert signal.high is None


@rows
def test_enumeration_covers_its_range(device: DeviceClass, signal: Signal) -> None:
    """Every code between the least and the greatest has a name of its own."""
    del device
    if signal.states:
        assert list(signal.states) == list(range(int(signal.low or 0), int(signal.high or 0) + 1))
        assert all(name.strip() for name in signal.states.values())
        assert len(set(signal.states.values())) == len(signal.states)
        assert (signal.kind, signal.unit, signal.decimals) == (MetricType.GAUGE, Unit.NONE, 0)


@rows
def test_derived_labels_have_the_same_names_for_every_value(
    device: DeviceClass, signal: Signal
) -> None:
    """A metric whose label names changed with its value would break every query."""
    del device
    names = [tuple(name for name, _ in labels) for labels in signal.value_labels.values()]
    assert all(one == other for one, other in pairwise(names))
    assert all(signal.low or code >= 0 for code in signal.value_labels)


@rows
def test_own_metric_follows_the_naming_rules(device: DeviceClass, signal: Signal) -> None:
    """Where no exporter is common, the name ends with its base unit, a counter with _total."""
    del device
    if OWN not in signal.family.source and signal.family.key != "megapack":
        return
    name = signal.metric
    assert name == name.lower()
    assert (signal.kind is MetricType.COUNTER) == name.endswith("_total")
    assert name.removesuffix("_total").endswith(BASE_UNITS[signal.unit])


def test_signal_names_are_unique_within_a_device_class() -> None:
    """A frame is keyed by them."""
    for device in DEVICES:
        names = [signal.name for signal in device]
        assert len(names) == len(set(names)), device.name


def test_metric_family_and_labels_name_one_signal() -> None:
    """No two rows give the same series."""
    seen: dict[tuple[object, ...], str] = {}
    for device, signal in ROWS:
        key = (signal.metric, device.name, signal.family, signal.labels)
        assert key not in seen, f"{device.name}.{signal.name} repeats {seen[key]}"
        seen[key] = f"{device.name}.{signal.name}"


def test_rows_of_one_metric_agree() -> None:
    """Prometheus knows one type, one unit and one help a metric, so its rows are the same."""
    meaning: dict[str, set[tuple[object, ...]]] = defaultdict(set)
    for _, signal in ROWS:
        meaning[signal.metric].add((signal.kind, signal.unit, signal.help, signal.extra))
    assert {metric: texts for metric, texts in meaning.items() if len(texts) > 1} == {}


def test_families_are_told_apart_by_their_key() -> None:
    """Two families of one key would be one identity with two sets of labels."""
    families = {signal.family for _, signal in ROWS}
    assert len({family.key for family in families}) == len(families)
    for family in families:
        assert family.port is None or 0 < family.port < 65_536
        assert family.job
        assert family.source
        assert len(set(family.labels)) == len(family.labels)


def test_jobs_have_one_port() -> None:
    """A scrape job finds its exporters under one port, as on the real cluster."""
    ports: dict[str, set[int | None]] = defaultdict(set)
    for _, signal in ROWS:
        ports[signal.family.job].add(signal.family.port)
    assert all(len(of_job) == 1 for of_job in ports.values()), ports


def test_every_device_class_has_an_anchor() -> None:
    """The first signal that travels says whether the device reports, so it is always sent."""
    for device in DEVICES:
        anchor = device.wire_signals[0]
        assert anchor is device.signals[0]
        assert anchor.on_wire
        assert not anchor.extra


def test_every_frame_carries_something() -> None:
    """A device class travels in exactly one frame, and no frame is empty."""
    carried = [device for frame in UnitKind for device in devices_of(frame)]
    assert all(devices_of(frame) for frame in UnitKind)
    assert sorted(device.name for device in carried) == sorted(d.name for d in DEVICES)


def test_device_classes_are_found_by_name() -> None:
    """A name leads to its class, and a wrong one to an error that repeats it."""
    for device in DEVICES:
        assert device_class(device.name) is device
    with pytest.raises(KeyError, match="there is no device class 'gpus'"):
        device_class("gpus")
    with pytest.raises(KeyError, match="device class 'gpu' has no signal 'colour'"):
        GPU["colour"]


def test_rollups_are_named_like_metrics_of_ours() -> None:
    """A roll-up ends with its unit, and its help says its level."""
    for rollup in ROLLUPS:
        for level in rollup.levels:
            assert rollup.metric(level) == f"{level.value}_{rollup.name}"
            assert level.value in rollup.help_text(level)
            assert "{" not in rollup.help_text(level)
        assert rollup.name.removesuffix("_total").endswith(BASE_UNITS[rollup.unit])
        assert rollup.name.endswith("_total") == (rollup.kind is MetricType.COUNTER)
        assert all(signal.on_wire for signal in rolled_up(rollup.name))


def test_rollups_collide_with_nothing() -> None:
    """A roll-up is no second meaning of a metric that a device has."""
    names = [rollup.metric(level) for rollup in ROLLUPS for level in rollup.levels]
    assert len(names) == len(set(names))
    assert not set(names) & {signal.metric for _, signal in ROWS}


def test_families_of_openmetrics_collide_with_nothing() -> None:
    """OpenMetrics names a counter's family without _total, and that name is nobody else's."""
    metrics = {signal.metric for _, signal in ROWS}
    metrics |= {rollup.metric(level) for rollup in ROLLUPS for level in rollup.levels}
    families = {metric.removesuffix("_total") for metric in metrics}
    assert len(families) == len(metrics)


def test_rollups_keep_the_unit_of_what_they_sum() -> None:
    """Only a count changes the unit, or a scale that makes it a base unit."""
    scales = {
        Unit.MILLIJOULES: (1e-3, Unit.JOULES),
        Unit.MICROJOULES: (1e-6, Unit.JOULES),
        Unit.NANOSECONDS: (1e-9, Unit.SECONDS),
        Unit.MILLISECONDS: (1e-3, Unit.SECONDS),
    }
    for device in DEVICES:
        for rollup in device.rollups:
            counted = rollup.operation in (Operation.COUNT, Operation.MISSING)
            own = device[rollup.signal].unit
            expected = (1.0, Unit.NONE) if counted else scales.get(own, (1.0, own))
            assert (rollup.scale, rollup.unit) == expected, rollup.name


def test_rollups_choose_by_value_only_when_they_count() -> None:
    """A condition on values is a count's or a minimum's, bounds are a distribution's."""
    for device in DEVICES:
        least = [rollup for rollup in device.rollups if rollup.operation is Operation.MIN]
        assert len({rollup.signal for rollup in least}) == len(least), device.name
    for rollup in ROLLUPS:
        if rollup.operation is not Operation.COUNT:
            assert rollup.equals is None
            assert rollup.excluding == () or rollup.operation is Operation.MIN
        assert rollup.equals is None or rollup.excluding == ()
        assert bool(rollup.bounds) == (rollup.operation is Operation.DISTRIBUTION)
        assert list(rollup.bounds) == sorted(set(rollup.bounds))


def test_rollups_add_counters_only_by_what_they_rise() -> None:
    """A sum of counters would fall when a device goes silent, a total does not."""
    for rollup in ROLLUPS:
        counter = rolled_up(rollup.name)[0].kind in (MetricType.COUNTER, MetricType.UNTYPED)
        if counter and rollup.name not in {"gpus_reporting", "gpus_missing"}:
            assert rollup.operation is Operation.TOTAL
        if rollup.operation is Operation.TOTAL:
            assert counter


def test_rollups_begin_where_their_devices_are() -> None:
    """A rack has no roll-up over switches, and every roll-up is taken over the site."""
    for device in DEVICES:
        for rollup in device.rollups:
            assert rollup.levels == tuple(level for level in Level if level in rollup.levels)
            assert set(rollup.levels) >= {Level.ARRAY, Level.HALL, Level.SITE}
            assert Level.RACK not in rollup.levels or device.frame is UnitKind.RACK


def test_a_few_devices_of_a_rack_are_of_its_detail() -> None:
    """What is exposed at the rack's detail is told by the class, and is not many a rack."""
    few = [device.name for device in DEVICES if device.detail is Detail.RACK]
    assert few == [
        "pump", "cdu", "cdu_psu", "pdu", "pdu_breaker", "switch_tray", "power_shelf", "leaf",
    ]  # fmt: skip
    assert not [device for device in DEVICES if device.detail is Detail.SITE]
    assert [one.covers(other) for one in Detail for other in Detail] == [
        True, False, False, True, True, False, True, True, True,
    ]  # fmt: skip


def test_public_names_exist() -> None:
    """What the package promises to export is there."""
    assert sorted(twin.catalog.__all__) == sorted(set(twin.catalog.__all__))
    for name in twin.catalog.__all__:
        assert hasattr(twin.catalog, name)
