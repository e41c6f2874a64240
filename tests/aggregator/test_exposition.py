"""The site's series are what the real exporters would write."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from tests.every import every
from twin.aggregator import Core
from twin.aggregator.exposition import metrics_of
from twin.catalog import (
    CDU,
    DEVICES,
    GPU,
    MEGAPACK,
    NIC,
    PUMP,
    DerivedFamily,
    DeviceClass,
    HostLevel,
    MetricType,
    Signal,
    UnitKind,
)
from twin.site import Layout, parse_site, series_labels
from twin.wire import Outputs

if TYPE_CHECKING:
    from tests.aggregator.conftest import Feed

Key = tuple[str, frozenset[tuple[str, str]]]
SIGNALS = [(device, signal) for device in DEVICES for signal in device]


def _read(feed: Feed, *, openmetrics: bool = False) -> dict[Key, float]:
    """Return everything that all pages expose, as prometheus_client's parser reads it."""
    parser = openmetrics_families if openmetrics else text_string_to_metric_families
    arrays = range(feed.layout.site.arrays)
    pages = [bytes(feed.core.metrics(openmetrics=openmetrics))]
    pages += [bytes(feed.core.array(array, openmetrics=openmetrics)) for array in arrays]
    read: dict[Key, float] = {}
    for page in pages:
        for family in parser(page.decode()):
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in read, f"twice: {key}"
                read[key] = sample.value
    return read


def _read_name(signal: Signal) -> str:
    """Return the metric's name as that parser gives it: it appends to counters."""
    counter = signal.kind is MetricType.COUNTER and not signal.metric.endswith("_total")
    return f"{signal.metric}_total" if counter else signal.metric


@pytest.fixture(scope="module")
def everything(
    layout: Layout, outputs: Callable[[Layout], Outputs], new_feed: type[Feed]
) -> tuple[Feed, dict[Key, float]]:
    """A site that reports in full, and all that it exposes."""
    feed = new_feed(Core(layout), outputs(layout))
    feed.site()
    return feed, _read(feed)


def _expected(feed: Feed, device: DeviceClass, signal: Signal) -> dict[Key, float]:
    """Return what one signal must give, one device at a time."""
    expected: dict[Key, float] = {}
    if signal not in feed.layout.reported[device.name]:
        return expected
    units, devices = feed.layout.shape(device)
    for unit in range(units):
        for index in range(devices):
            labels = dict(series_labels(feed.layout, signal, device, unit, index))
            if signal.constant is not None:
                value = signal.constant
            else:
                value = float(feed.outputs[device.name][signal.name][unit, index])
            if signal.states:
                for code, state in signal.states.items():
                    key = (_read_name(signal), frozenset((labels | {"state": state}).items()))
                    expected[key] = float(value == code)
                continue
            labels |= dict(signal.value_labels.get(int(value), ()))
            expected[_read_name(signal), frozenset(labels.items())] = value
    return expected


@every("device, signal", SIGNALS, lambda device, signal: f"{device.name}.{signal.name}")
def test_every_signal_is_exposed(
    everything: tuple[Feed, dict[Key, float]], device: DeviceClass, signal: Signal
) -> None:
    """Each device's value is read back with the labels of the layout."""
    feed, read = everything
    expected = _expected(feed, device, signal)
    assert {key: read[key] for key in expected} == pytest.approx(expected)


def test_nothing_else_is_exposed(everything: tuple[Feed, dict[Key, float]]) -> None:
    """All pages together have the catalogue's series and no other of its names."""
    feed, read = everything
    names = {_read_name(signal) for _, signal in SIGNALS}
    expected: dict[Key, float] = {}
    for device, signal in SIGNALS:
        expected |= _expected(feed, device, signal)
    assert {key for key in read if key[0] in names} == set(expected)


def test_openmetrics_has_the_same_series(everything: tuple[Feed, dict[Key, float]]) -> None:
    """Names, labels and values do not depend on the format: Prometheus may change its mind."""
    feed, _ = everything
    plain = {line for line in _lines(feed) if not line.startswith(b"twin_")}
    openmetrics = _lines(feed, openmetrics=True)
    assert {line for line in openmetrics if not line.startswith(b"twin_")} == plain
    assert len(_read(feed, openmetrics=True)) == len(openmetrics)


def _lines(feed: Feed, *, openmetrics: bool = False) -> set[bytes]:
    arrays = range(feed.layout.site.arrays)
    pages = [feed.core.metrics(openmetrics=openmetrics)]
    pages += [feed.core.array(array, openmetrics=openmetrics) for array in arrays]
    lines = [line for page in pages for line in bytes(page).splitlines()]
    return {line for line in lines if not line.startswith(b"#")}


def test_openmetrics_types(everything: tuple[Feed, dict[Key, float]]) -> None:
    """A counter that is not called so is unknown; every other type is the text format's."""
    feed, _ = everything
    written = bytes(feed.core.array(0, openmetrics=True)).decode()
    families = openmetrics_families(written)  # type: ignore[no-untyped-call]  # no types there
    types = {family.name: family.type for family in families}
    reported = {
        signal.metric: signal.kind
        for device in DEVICES
        if device.frame in (UnitKind.RACK, UnitKind.ARRAY) and feed.layout.per_unit(device)
        for signal in feed.layout.reported[device.name]
    }
    expected = {}
    for metric, kind in reported.items():
        counter = kind is MetricType.COUNTER and metric.endswith("_total")
        other = "gauge" if kind is MetricType.GAUGE else "unknown"
        expected[metric.removesuffix("_total") if counter else metric] = (
            "counter" if counter else other
        )
    assert types == expected
    assert types[GPU["energy"].metric] == "unknown"


def test_array_has_its_own_racks_only(feed: Feed) -> None:
    """The first array has two racks, the last one what is left, and each its own switches."""
    feed.site()
    for array, name, racks in ((0, "a001", {"r0001", "r0002"}), (1, "a002", {"r0003"})):
        lines = feed.lines(array)
        assert {line.split('array="')[1][:4] for line in lines} == {name}
        assert {line.split('rack="')[1][:5] for line in lines if ",rack=" in line} == racks


def test_a_metric_stands_together(feed: Feed) -> None:
    """Names that several signals share have one header and no gap."""
    feed.site()
    for page in (feed.core.array(0), feed.core.metrics()):
        lines = bytes(page).decode().splitlines()
        typed = [line.split()[2] for line in lines if line.startswith("# TYPE")]
        assert len(typed) == len(set(typed))
        families = [line.split("{")[0].split(" ")[0] for line in lines if line[0] != "#"]
        runs = [name for name, after in pairwise([*families, ""]) if name != after]
        histogram_parts = {name for name in runs if name.endswith(("_bucket", "_sum", "_count"))}
        once = [name for name in runs if name not in histogram_parts]
        assert len(once) == len(set(once))


def test_shared_metrics_agree(layout: Layout) -> None:
    """Signals that share a metric name share its type and help too."""
    shown: dict[str, tuple[Signal | DerivedFamily, ...]] = {
        device.name: (*layout.reported[device.name], *device.exposed(layout.site, HostLevel.FULL))
        for device in DEVICES
    }
    for metric in metrics_of(shown, DEVICES):
        assert {signal.kind for _, signal in metric.signals} == {metric.kind}, metric.name
        assert {signal.help for _, signal in metric.signals} == {metric.help}, metric.name


@pytest.mark.parametrize("metric", ["up", "ipmi_power_watts"])
def test_some_metrics_are_shared(feed: Feed, metric: str) -> None:
    """One name can come from several signals: both kinds are there."""
    feed.site()
    shared = [
        (device, signal)
        for device, signal in SIGNALS
        if signal.metric == metric and signal in feed.layout.reported[device.name]
    ]
    assert len(shared) > 1
    lines = [line for line in feed.lines(0) if line.startswith(metric + "{")]
    units = {UnitKind.RACK: 2, UnitKind.ARRAY: 1}
    assert len(lines) == sum(
        units.get(device.frame, 0) * feed.layout.per_unit(device) for device, _ in shared
    )


def test_gpu_line_is_dcgm_exporters(feed: Feed) -> None:
    """Labels stand in the exporter's order, then job and instance, then the place."""
    feed.outputs["gpu"]["gpu_temp"][0, 3] = 61.0
    feed.frame(UnitKind.RACK, 0)
    lines = [line for line in feed.lines(0) if line.startswith(GPU["gpu_temp"].metric)]
    uuid = feed.layout.names.rack(0).gpu_uuids[3]
    assert lines[3] == (
        f'DCGM_FI_DEV_GPU_TEMP{{gpu="1",UUID="{uuid}",pci_bus_id="00000000:2A:00.0",'
        'device="nvidia1",modelName="NVIDIA H100 80GB HBM3",Hostname="r0001-n2",'
        'DCGM_FI_DRIVER_VERSION="570.124.06",job="dcgm-exporter",instance="r0001-n2:9400",'
        'site="small",hall="h1",array="a001",rack="r0001"} 61'
    )


def test_header_is_the_catalogues(feed: Feed) -> None:
    """Type and help come from the catalogue; ethtool's are untyped."""
    feed.site()
    text = bytes(feed.core.array(0)).decode()
    pause = NIC["rx_pause"]
    assert f"# HELP {pause.metric} {pause.help}\n# TYPE {pause.metric} untyped\n" in text
    energy = GPU["energy"]
    assert f"# HELP {energy.metric} {energy.help}\n# TYPE {energy.metric} counter\n" in text


def test_signals_without_decimals_are_whole(feed: Feed) -> None:
    """Clocks, bytes and counters print as integers."""
    feed.site()
    whole = {signal.metric for _, signal in SIGNALS if not signal.decimals and signal.on_wire}
    whole -= {signal.metric for _, signal in SIGNALS if signal.decimals}
    lines = [line for line in feed.lines(0) if line.split("{")[0] in whole]
    assert lines
    assert not [line for line in lines if "." in line.rsplit(" ", 1)[1]]


def test_states_are_one_hot(feed: Feed) -> None:
    """A state is a label after the identity and before the job; exactly one is 1."""
    feed.outputs["pump"]["state"][0] = [1.0, 2.0]
    feed.frame(UnitKind.RACK, 0)
    lines = [line for line in feed.lines(0) if line.startswith(PUMP["state"].metric)]
    assert [line.split(",job=")[0] + line[-2:] for line in lines] == [
        'cdu_pump_state{pump="1",state="stopped" 0',
        'cdu_pump_state{pump="1",state="running" 1',
        'cdu_pump_state{pump="1",state="failed" 0',
        'cdu_pump_state{pump="2",state="stopped" 0',
        'cdu_pump_state{pump="2",state="running" 0',
        'cdu_pump_state{pump="2",state="failed" 1',
    ]


def test_value_labels_follow_the_value(feed: Feed) -> None:
    """err_code and err_msg stand after the exporter's labels; unknown codes say so."""
    feed.outputs["gpu"]["xid"][0] = [0.0, 79.0, 31.0, 500.0]
    feed.frame(UnitKind.RACK, 0)
    lines = [line for line in feed.lines(0) if line.startswith(GPU["xid"].metric)]
    after = [line.split('570.124.06",')[1].split(",job=")[0] for line in lines]
    assert after == [
        'err_code="0",err_msg="No Error"',
        'err_code="79",err_msg="GPU has fallen off the bus"',
        'err_code="31",err_msg="GPU memory page fault"',
        'err_code="500",err_msg="Unknown Error"',
    ]
    assert [line.rsplit(" ", 1)[1] for line in lines] == ["0", "79", "31", "500"]


def test_value_labels_return_to_the_usual(feed: Feed) -> None:
    """An XID that has gone leaves no trace in later scrapes."""
    feed.outputs["gpu"]["xid"][0] = 79.0
    feed.frame(UnitKind.RACK, 0)
    assert 'err_code="79"' in "".join(feed.lines(0))
    feed.outputs["gpu"]["xid"][0] = 0.0
    feed.frame(UnitKind.RACK, 0, ts=2.0, seq=2)
    assert 'err_code="79"' not in "".join(feed.lines(0))


def test_device_that_is_gone_has_no_series(feed: Feed) -> None:
    """A GPU that fell off the bus loses all its series, constants and states included."""
    for values in feed.outputs["gpu"].values():
        values[0, 1] = np.nan
    feed.frame(UnitKind.RACK, 0)
    uuid = feed.layout.names.rack(0).gpu_uuids[1]
    assert not [line for line in feed.lines(0) if uuid in line]
    assert [line for line in feed.lines(0) if feed.layout.names.rack(0).gpu_uuids[0] in line]


def test_single_missing_value_takes_only_itself(feed: Feed) -> None:
    """Where one signal is missing the device's others, and its constants, stay."""
    feed.outputs["cdu"]["leak"][0] = np.nan
    feed.outputs["gpu"]["power_usage"][0, 1] = np.nan
    feed.frame(UnitKind.RACK, 0)
    names = [line.split("{")[0] for line in feed.lines(0)]
    assert CDU["leak"].metric not in names
    assert CDU["flow"].metric in names
    assert names.count(GPU["power_usage"].metric) == 3
    assert names.count(GPU["enc_util"].metric) == 4


def test_silent_rack_disappears_whole(feed: Feed) -> None:
    """Not one series of a silent rack is left, ``up`` included."""
    feed.site()
    feed.wait(4.0)
    feed.frame(UnitKind.RACK, 1, ts=2.0, seq=2)
    feed.wait(2.0)
    assert not [line for line in feed.lines(0) if 'rack="r0001"' in line]
    assert [line for line in feed.lines(0) if line.startswith("up{")]


def test_extra_signals_can_be_left_out(outputs: Callable[[Layout], Outputs]) -> None:
    """A site without the extra signals exposes none, and its frames match."""
    site = parse_site("{name: plain, racks: 1, telemetry: {extra_signals: false}}", "plain")
    layout = Layout(site)
    core = Core(layout)
    assert set(outputs(layout)["gpu"]) == {
        s.name for s in GPU if s.on_wire and not s.extra and not s.listed
    }
    assert core.array(0).series == 0


def test_odd_label_values_are_escaped(outputs: Callable[[Layout], Outputs]) -> None:
    """A product name with quotes, backslashes or line breaks is read back as it is."""
    site = parse_site("{name: odd, racks: 1}", "odd")
    name = 'H100 "quoted" \\ and\nbroken'
    layout = Layout(site.model_copy(update={"gpu": site.gpu.model_copy(update={"name": name})}))
    core = Core(layout)
    core.store.values["gpu"][:] = 1.0
    families = text_string_to_metric_families(bytes(core.array(0)).decode())
    models = {
        sample.labels["modelName"]
        for family in families
        for sample in family.samples
        if "modelName" in sample.labels
    }
    assert models == {name}
    assert outputs(layout)


def test_all_series_are_there_and_counted(feed: Feed) -> None:
    """The summary tells how many lines all pages have together."""
    feed.site()
    arrays = [feed.core.array(array) for array in range(feed.layout.site.arrays)]
    names = {signal.metric for _, signal in SIGNALS}
    own = {line.split("{")[0] for line in feed.lines()}
    assert MEGAPACK["power"].metric in own
    lines = [line for page in arrays for line in bytes(page).decode().splitlines()]
    in_racks = [line for line in lines if not line.startswith("#")]
    assert sum(page.series for page in arrays) == len(in_racks)
    of_site = [line for line in feed.lines() if not line.startswith("twin_")]
    assert feed.core.summary().series == len(in_racks) + len(of_site)
    assert {line.split("{")[0] for line in in_racks} <= names
