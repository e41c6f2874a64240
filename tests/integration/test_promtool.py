"""promtool accepts every page; what it says of foreign exporters' names is listed here."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable

import pytest

from twin.aggregator import Core, ExpositionWriter
from twin.catalog import GPU, NIC, PORT, ROLLUPS, STORAGE, MetricType, UnitKind
from twin.site import Layout, parse_site
from twin.wire import EmulatorStatus, Encoder, Outputs, Topics

pytestmark = pytest.mark.integration

SITE = """
name: small
racks: 2
servers_per_rack: 1
server: {gpus: 2, nics: 2}
megapacks: {count: 1}
gensets: {count: 1}
"""

DCGM = "dcgm-exporter writes label names in camel case, and counters as DCGM names the field"
LINT = {
    NIC["corrected_bits_phy"].metric: ("base unit", "node_exporter takes the name from ethtool"),
    NIC["laser_bias"].metric: ("base unit", "transceiver-exporter gives the laser's current in mA"),
    STORAGE["memory_available"].metric: ("camelCase", "node_exporter takes it from /proc/meminfo"),
    **{signal.metric: ("camelCase|_total|include type", DCGM) for signal in GPU},
    **{
        signal.metric: ("camelCase|_total", "snmp_exporter keeps the MIB's names")
        for signal in PORT
    },
    **{
        name: ("histogram", "a gauge histogram is a group of gauges where no type says so")
        for rollup in ROLLUPS
        if rollup.kind is MetricType.GAUGE_HISTOGRAM
        for level in rollup.levels
        for name in rollup.names(level)[:1]
    },
}
"""What promtool may say of which names, and why we keep them."""


@pytest.fixture
def core(outputs: Callable[[Layout], Outputs]) -> Core:
    """A site that reports in full."""
    layout = Layout(parse_site(SITE, "small"))
    core, topics, values = Core(layout), Topics(layout.site.name), outputs(layout)
    status = EmulatorStatus(emulator="plant-0", state="online")
    core.handle(topics.status("plant-0"), status.encode(), retain=True, now=1.0)
    for kind in UnitKind:
        encoder = Encoder(layout, kind)
        encoder.load(values)
        for unit in range(layout.units(kind)):
            topic = topics.frame(kind, layout.unit_name(kind, unit))
            core.handle(topic, encoder.encode(unit, 1.0, 1), retain=False, now=1.0)
    return core


def _complaints(text: ExpositionWriter) -> set[tuple[str, str]]:
    """Return what promtool finds: metric and sentence. It must have understood the text."""
    result = subprocess.run(
        ["promtool", "check", "metrics"], input=bytes(text), capture_output=True, check=False
    )
    found = (result.stdout + result.stderr).decode()
    assert result.returncode in {0, 3}, found  # 3: understood, but the lint complains
    pairs = (line.partition(" ")[::2] for line in found.splitlines() if line)
    return set(pairs)


def _unknown(complaints: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the complaints that are not listed."""
    return {
        (metric, sentence)
        for metric, sentence in complaints
        if metric not in LINT or not re.search(LINT[metric][0], sentence)
    }


def test_own_page_is_clean(core: Core) -> None:
    """Nothing that the twin named itself is against the rules, distributions apart."""
    assert _unknown(_complaints(core.metrics())) == set()


def test_arrays_only_have_known_complaints(core: Core) -> None:
    """Each complaint about an array's page is one of those listed, with a reason."""
    complaints = _complaints(core.array(0))
    assert complaints
    assert _unknown(complaints) == set()


def test_list_of_complaints_has_nothing_in_vain(core: Core) -> None:
    """A metric that promtool has nothing against is not on the list."""
    complaints = _complaints(core.array(0)) | _complaints(core.metrics())
    text = bytes(core.array(0)) + bytes(core.metrics())
    exposed = {name.decode() for name in re.findall(rb"^# TYPE (\S+)", text, re.MULTILINE)}
    assert set(LINT) & exposed <= {metric for metric, _ in complaints}
