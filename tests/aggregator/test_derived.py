"""Derived families: series that the aggregator computes from what devices send."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np
import pytest

from twin.aggregator import Core, ExpositionWriter
from twin.catalog import HOST, NIC, DeviceValues, HostLevel
from twin.emulator.config import EmulatorConfig
from twin.emulator.core import EmulatorCore
from twin.site import DetailPlan, Layout, count_series, parse_site

LINE = re.compile(r"^([A-Za-z_:]\w*)\{([^}]*)\} (\S+)$", re.MULTILINE)


def running(
    host: str, racks: int = 1, seconds: int = 3, more: str = ""
) -> tuple[EmulatorCore, Core]:
    """A site that has run for some seconds, and what exposes it."""
    text = f"{{name: x, racks: {racks}, racks_per_array: 1, telemetry: {{host: '{host}'}}{more}}}"
    layout = Layout(parse_site(text, "x"))
    emulator = EmulatorCore(EmulatorConfig(layout, seed=1, workload="training", interval=1.0), 1e9)
    core = Core(layout)
    core.connected(connected=True)
    for second in range(seconds):
        step(emulator, core, float(second))
    return emulator, core


def step(emulator: EmulatorCore, core: Core, now: float) -> None:
    """Go on for a second and hand over a frame of every unit."""
    emulator.step(1.0)
    for unit in emulator.frames.due():
        stamp = emulator.frames.stamp(unit)
        assert stamp is not None
        core.take(unit.kind, unit.row, emulator.frames.snapshot(stamp), now)


def series(core: Core, array: int = 0) -> dict[str, dict[str, float]]:
    """Return the series of an array's page by metric and labels."""
    text = ExpositionWriter()
    core.exposure.write_array(array, text)
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for name, labels, value in LINE.findall(bytes(text).decode()):
        found[name][labels] = float(value)
    return found


@pytest.mark.parametrize("host", ["off", "aggregate", "full", "off, a002=full"])
def test_as_many_series_as_foretold(host: str) -> None:
    """The site's own count, the counter of the running aggregator and the pages agree."""
    _, core = running(host, racks=2)
    plan = DetailPlan.of_site(core.layout.site)
    assert core.exposure.series() == count_series(core.layout, plan)


@pytest.mark.parametrize("workload", ["dlrm", "image-generation", "bert", "training"])
def test_a_job_without_tokens_has_no_series_of_them(workload: str) -> None:
    """A recommender's or image model's job is foretold without tokens, and has none."""
    more = f", jobs: [{{name: a, racks: 1, workload: {workload}}}, {{name: b, racks: 1}}]"
    _, core = running("off", racks=2, more=more)
    plan = DetailPlan.of_site(core.layout.site)
    assert core.exposure.series() == count_series(core.layout, plan)
    text = ExpositionWriter()
    core.exposure.write_site(text)
    tokens = bytes(text).decode().count("\ntraining_job_tokens_total{")
    assert tokens == (1 if workload in ("dlrm", "image-generation") else 2)


def test_threads_add_up_to_the_host_at_every_level() -> None:
    """The modes of every thread gain a second a second, and none of them goes back."""
    emulator, core = running("full")
    before = series(core)["node_cpu_seconds_total"]
    step(emulator, core, 4.0)
    after = series(core)["node_cpu_seconds_total"]
    gained: dict[tuple[str, str], float] = defaultdict(float)
    for labels, value in after.items():
        assert value >= before[labels]
        cpu, instance = labels.split('"')[1], labels.split('instance="')[1]
        gained[cpu, instance] += value - before[labels]
    assert len(gained) == 8 * 224
    assert list(gained.values()) == pytest.approx([1.0] * len(gained), abs=0.03)


def test_utilisation_is_the_same_at_aggregate() -> None:
    """Means over threads, sums over sums and the count of cores do not depend on the level."""
    shares = []
    for level in ("aggregate", "full"):
        _, core = running(level)
        cpu = series(core)["node_cpu_seconds_total"]
        modes: dict[str, list[float]] = defaultdict(list)
        for labels, value in cpu.items():
            if "r0001-n1:" in labels:
                modes[labels.split('mode="')[1].split('"')[0]].append(value)
        total = sum(map(sum, modes.values()))
        shares.append(
            [len(modes["idle"])]
            + [sum(modes[mode]) / total for mode in ("idle", "user", "system", "iowait")]
            + [float(np.mean(values)) / 1e5 for _, values in sorted(modes.items())]
        )
    assert shares[0] == pytest.approx(shares[1], rel=2e-3)


def test_a_host_that_is_down_shows_nothing_of_itself() -> None:
    """Steady families vanish with the others, and come back."""
    emulator, core = running("aggregate")
    whole = series(core)
    emulator.inject("one", "server-down", "r0001/n2", 5.0, {})
    step(emulator, core, 4.0)
    step(emulator, core, 5.0)
    down = series(core)
    for name in ("node_uname_info", "node_memory_MemTotal_bytes", "node_load1"):
        assert len(whole[name]) == 8
        assert len(down[name]) == 7
        assert not any("r0001-n2" in labels for labels in down[name])


def test_boot_time_moves_with_a_reboot_only() -> None:
    """It stands still while a host runs."""
    emulator, core = running("aggregate")
    before = series(core)["node_boot_time_seconds"]
    for second in range(5):
        step(emulator, core, 4.0 + second)
    assert series(core)["node_boot_time_seconds"] == before


def test_every_formula_has_the_shape_of_its_group() -> None:
    """A family gives as many series a device as its group says, also where there is no device."""
    layout = Layout(parse_site("{name: x, racks: 1, telemetry: {host: full}}", "x"))
    for device, count in ((HOST, layout.per_unit(HOST)), (NIC, layout.per_unit(NIC)), (HOST, 0)):
        columns = {signal.name: np.full(count, 2.0) for signal in device if signal.on_wire}
        values = DeviceValues(layout.site, np.full(count, 1e9), columns)
        for level in (HostLevel.AGGREGATE, HostLevel.FULL):
            for family in device.exposed(layout.site, level):
                assert family.table(values).shape == (count, family.group.count(layout.site))
