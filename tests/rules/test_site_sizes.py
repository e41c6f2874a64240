"""Sites of any size with the shipped rules: quiet, or warned of before they start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.every import every
from tests.rules.conftest import firing
from twin.alerts.fit import misfits
from twin.rules.scenario_run import Options, run_scenario
from twin.rules.source import RuleSet
from twin.scenario import parse_scenario
from twin.scenario.loader import LoadedScenario

pytestmark = pytest.mark.integration

L40S = (
    "{key: l40s, name: NVIDIA L40S, framebuffer_mib: 46068, framebuffer_reserved_mib: 600, "
    "sm_clock_idle_mhz: 210, sm_clock_max_mhz: 2520, mem_clock_mhz: 9001, power_limit_watts: 350, "
    "power_idle_watts: 35, power_context_watts: 80, power_wait_watts: 120, "
    "power_training_watts: 300, temperature_max_operating_celsius: 87, "
    "temperature_slowdown_celsius: 92, temperature_shutdown_celsius: 95, "
    "nvlink_bytes_per_second: 0}"
)
"""A PCIe card without NVLink (data sheet: 48 GB, 350 W; clocks of nvidia-smi; the rest est.)."""

QUIET = {
    "one GPU": "racks: 1, servers_per_rack: 1, server: {gpus: 1, nics: 1, psus: 1}",
    "one DGX": "racks: 1, servers_per_rack: 1",
    "NVL72": "racks: 1, servers_per_rack: 18, gpu: gb200, server: {gpus: 4, nics: 5, psus: 2}",
    "2 GPUs a server": "racks: 2, servers_per_rack: 3, server: {gpus: 2}",
    "16 GPUs a server": "racks: 2, servers_per_rack: 2, server: {gpus: 16}",
    "32 GPUs a server": "racks: 1, servers_per_rack: 1, server: {gpus: 32}",
    "racks of one server": "racks: 5, servers_per_rack: 1, racks_per_array: 4",
    "three racks": "racks: 3, servers_per_rack: 2, racks_per_array: 64, halls: 1",
    "racks of 120 kW": "racks: 1, servers_per_rack: 12, gpu: b200",
    "mixed": "servers_per_rack: 1, blocks: [{racks: 2, gpu: h100}, {racks: 2, gpu: gb200}]",
    "L40S": f"racks: 2, servers_per_rack: 3, server: {{gpus: 4, nics: 2, psus: 2}}, gpu: {L40S}",
    "Trainium2": "racks: 1, servers_per_rack: 2, gpu: trainium2, server: {gpus: 16, psus: 6}",
    "all liquid": "racks: 2, servers_per_rack: 2, cooling: {liquid_ratio: 1}",
    "mostly air": "racks: 2, servers_per_rack: 2, cooling: {liquid_ratio: 0.3}",
    "flow given": "racks: 2, servers_per_rack: 2, cooling: {flow_liters_per_minute: 40}",
    "one pump, one PDU": "racks: 2, servers_per_rack: 2, pdus_per_rack: 1, cooling: {pumps: 1}",
    "two jobs": "racks: 4, servers_per_rack: 1, jobs: [{name: a, racks: 2}, {name: b, racks: 1}]",
    "Megapacks": "racks: 4, servers_per_rack: 2, megapacks: {count: 1}, gensets: {count: 1}, "
    "grid: {limit_watts: 130000}",
}  # fmt: skip
"""Sites of which only sizes are given."""
QUICK = {"mixed"}
"""Every run lives through an hour of it, a full one through an hour of all."""

MISFIT = "racks: 2, servers_per_rack: 2, {}"
WARNED = {
    "flow": "cooling: {flow_liters_per_minute: 5}",
    "small flow": "cooling: {flow_liters_per_minute: 11}",
    "heat": "cooling: {nominal_heat_watts: 5000}",
    "supply": "cooling: {supply_celsius: 45}",
    "facility water": "cooling: {facility_supply_celsius: 30}",
    "filter": "cooling: {filter_pressure_ratio: 0.5}",
    "cold plates": "cooling: {supply_celsius: 38}, gpu: "
    + L40S.replace("power_limit", "thermal_resistance_kelvin_per_watt: 0.2, power_limit"),
    "chillers": "water: {margin_ratio: 0}",
    "too few chillers": "water: {margin_ratio: 0, spare: 0, chillers: 2}, "
    "storage: {server_idle_watts: 30000}",
    "one chiller": "water: {chillers: 1, spare: 0}",
    "air": "water: {air_margin_ratio: 0, air_kilograms_per_second: 0.02}",
    "room": "facility: {air_celsius: 33}",
    "damp": "water: {room_dew_celsius: 18}",
    "heat wave": "water: {outdoor_celsius: 33, outdoor_peak_hour: 18}",
    "breakers": "pdu: {breaker_amperes: 6}",
    "feed": "grid: {limit_watts: 20000}",
    "steps": "grid: {limit_watts: 60000}",
}
"""What does not fit to two racks of two servers."""
QUICK_WARNED = {"breakers"}
"""What every run takes."""


def _rows(bodies: dict[str, str], quick: set[str]) -> list[Any]:
    """Return rows that only a full run takes, but for the quick ones."""
    assert quick <= bodies.keys()
    return [
        pytest.param(body, id=name, marks=[] if name in quick else pytest.mark.full)
        for name, body in bodies.items()
    ]


def _loaded(folder: Path, body: str, duration: str, step: str = "1s") -> LoadedScenario:
    path = folder / "scenario.yaml"
    path.write_text(
        f"title: nothing is wrong\nsite: {{name: mine, {body}}}\nduration: {duration}\n"
        f"step: {step}\nscrape: 15s\nevaluate: 15s\nexpect: {{exactly: []}}\n",
        encoding="utf-8",
    )
    return parse_scenario(path.read_text(encoding="utf-8"), path)


def _fired(loaded: LoadedScenario, shipped: RuleSet) -> set[str]:
    result = run_scenario(loaded, shipped, Options(), 1)
    return {own.labels["alertname"] for own in firing([result])}


def _told(loaded: LoadedScenario) -> set[str]:
    """Return the alerts that a site is warned of."""
    return {alert for misfit in misfits(loaded.layout.site) for alert in misfit.alerts}


@every("body", tuple(QUIET.values()))
def test_any_size_fits(body: str, tmp_path: Path) -> None:
    """A site of which sizes are given, and nothing is wrong with, is not warned of anything."""
    assert misfits(_loaded(tmp_path, body, "1h").layout.site) == ()


@pytest.mark.parametrize("body", _rows(QUIET, QUICK))
def test_any_size_is_quiet(body: str, shipped: RuleSet, tmp_path: Path) -> None:
    """Such a site fires no alert in an hour."""
    assert _fired(_loaded(tmp_path, body, "1h", "5s"), shipped) == set()


@every("body", tuple(WARNED.values()))
def test_what_does_not_fit_is_told(body: str, tmp_path: Path) -> None:
    """What is given and does not fit is told of, with the alerts that follow."""
    assert _told(_loaded(tmp_path, MISFIT.format(body), "25m"))


@pytest.mark.parametrize("body", _rows(WARNED, QUICK_WARNED))
def test_warnings_come_true(body: str, shipped: RuleSet, tmp_path: Path) -> None:
    """The alerts that are told of do fire."""
    # Half a step of the job is less than five seconds, and only one site is about those.
    step = "1s" if body == WARNED["steps"] else "5s"
    loaded = _loaded(tmp_path, MISFIT.format(body), "25m", step)
    assert _told(loaded) <= _fired(loaded, shipped)
